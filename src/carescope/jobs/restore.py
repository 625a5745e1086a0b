"""Restore files with a model: stream a stack through it into an OME-TIFF, or into three."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carescope import normalize, predict, read
from carescope.errors import ModelError
from carescope.files.folder import make
from carescope.image import Image
from carescope.jobs.familiar import check_familiar
from carescope.jobs.outputs import beside, check_output
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.write import tiff

#: What the numbers of a scale are, by the family of the distribution.
SCALES = {
    "laplace": "scale b of a Laplace distribution around the restored value, in grey levels",
    "gaussian": "standard deviation of a Gaussian around the restored value, in grey levels",
}


@dataclass(frozen=True)
class Written:
    """A restored file, what to think about, and the files of its spread beside it."""

    path: Path
    image: Image
    clipped: int
    warnings: list[str]
    scale: Path | None = None
    disagreement: Path | None = None

    @property
    def spread(self) -> dict[str, Path]:
        """The files of its spread, by what they hold."""
        named = {"scale": self.scale, "disagreement": self.disagreement}
        return {name: path for name, path in named.items() if path}


def check_spread(model: Model | Ensemble) -> None:
    """Refuse to write the spread of a model that predicts none."""
    if model.spread is None:
        raise ModelError(
            "the model does not say how sure it is",
            where="--spread",
            remedy="Train it with --laplace, or leave --spread out",
        )


def restore_file(
    model: Model | Ensemble,
    stack: Image,
    out: Path,
    *,
    spread: bool = False,
    dtype: str = "float32",
    overwrite: bool = False,
    force: bool = False,
    strict: bool = False,
    maps: Sequence[Affine] | None = None,
    memory_bytes: int | None = None,
    provenance: dict[str, str] | None = None,
    watch: Callable[[float], None] | None = None,
) -> Written:
    """Restore one image into one OME-TIFF, block by block.

    Parameters
    ----------
    model, stack
        What restores and what is restored: axes YX or ZYX, with C, T or both.
    out
        The file to write; it appears when it is complete, after those of the spread.
    spread
        Write the scale as <stem>_scale.ome.tif too, and for an ensemble the disagreement of its
        members as <stem>_disagreement.ome.tif, both float32.
    dtype
        ``float32``, or an integer type into which values are rounded and clipped.
    overwrite
        Replace files that are there.
    force
        Go on where the geometry is not the model's.
    strict
        Refuse an image unlike the training images, where otherwise a warning says so.
    maps
        What normalises each channel, where that is known already.
    memory_bytes
        Below what the whole process stays, its libraries included; where None, a block takes up to
        a gigabyte.
    provenance
        More to write into the metadata.
    watch
        Called with the share that is done.

    Returns
    -------
    Written
        With the count of values that did not fit `dtype`.
    """
    if spread:
        check_spread(model)
    extra = beside(out, len(model.members)) if spread else {}
    check_output(out, dtype, overwrite=overwrite)
    for path in extra.values():
        check_output(path, overwrite=overwrite)
    there = predict.outline(model, stack, force=force)
    maps = maps or normalize.fit(stack, model.recipe.percentiles)
    warnings = check_familiar(model, stack, maps, strict=strict)
    facts = predict.provenance(model, stack) | (provenance or {})
    with ExitStack() as files:

        def layer(path: Path, dtype: str, told: dict[str, str]) -> tiff.Blocks:
            return files.enter_context(
                tiff.create(
                    path,
                    shape=there.shape,
                    axes=there.axes,
                    dtype=np.dtype(dtype),
                    voxel_um=there.voxel_um,
                    channel_names=there.channel_names,
                    provenance=facts | told,
                    overwrite=overwrite,
                )
            )

        # The last one opened gets its name first: whoever sees the mean can see all of them.
        layers = {"mean": layer(out, dtype, {})}
        for name, path in extra.items():
            layers[name] = layer(path, "float32", {"values": _meaning(name, model)})

        def keep(place: predict.Place, part: predict.Estimate) -> None:
            for name, pixels in layers.items():
                pixels[place] = getattr(part, name)

        disagreement = "disagreement" in layers
        limit = {} if memory_bytes is None else {"memory_bytes": predict.left(memory_bytes)}
        predict.restore_into(
            keep, model, stack, there, maps=maps, disagreement=disagreement, watch=watch, **limit
        )
    image, clipped = read.open(out, axes=there.axes), layers["mean"].clipped
    return Written(out, image, clipped, warnings, extra.get("scale"), extra.get("disagreement"))


def _meaning(name: str, model: Model | Ensemble) -> str:
    """What the numbers of a layer are, for its metadata."""
    if name == "scale":
        return SCALES[str(model.family)]
    return f"disagreement of {len(model.members)} models, from 0 (one opinion) to 1"


def restore_files(
    model: Model | Ensemble,
    stacks: Sequence[Image],
    targets: Sequence[Path],
    *,
    spread: bool = False,
    dtype: str = "float32",
    overwrite: bool = False,
    force: bool = False,
    strict: bool = False,
    memory_bytes: int | None = None,
    provenance: dict[str, str] | None = None,
    watch: Callable[[float], None] | None = None,
) -> list[Written]:
    """Restore several stacks, once all of them are known to suit the model.

    Parameters
    ----------
    model, stacks
        What restores and what is restored.
    targets
        A file for each stack; its folder is made where it is missing.
    spread, dtype, overwrite, force, strict, memory_bytes, provenance
        As for `restore_file`.
    watch
        Called with the share of all that is done.
    """
    maps = []
    for stack in stacks:
        predict.outline(model, stack, force=force)
        maps.append(normalize.fit(stack, model.recipe.percentiles))
        if strict:
            check_familiar(model, stack, maps[-1], strict=True)
    done: list[Written] = []

    def tell(share: float) -> None:
        if watch:
            watch((len(done) + share) / len(stacks))

    for stack, target, known in zip(stacks, targets, maps, strict=True):
        make(target.parent)
        done.append(
            restore_file(
                model,
                stack,
                target,
                spread=spread,
                dtype=dtype,
                overwrite=overwrite,
                force=force,
                strict=strict,
                maps=known,
                memory_bytes=memory_bytes,
                provenance=provenance,
                watch=tell,
            )
        )
    return done
