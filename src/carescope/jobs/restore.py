"""Restore files with a model: stream a stack through it into an OME-TIFF, or into three."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carescope import normalize, predict, read
from carescope.errors import ModelError, UsageError
from carescope.files import atomic
from carescope.files.folder import check_makeable, make
from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.write import tiff

DTYPES = ("float32", "uint8", "uint16", "int16")

#: What the numbers of a scale are, by the family of the distribution.
SCALES = {
    "laplace": "scale b of a Laplace distribution around the restored value, in grey levels",
    "gaussian": "standard deviation of a Gaussian around the restored value, in grey levels",
}


@dataclass(frozen=True)
class Written:
    """A restored file, and those of its spread beside it."""

    path: Path
    image: Image
    grid: Grid
    clipped: int
    scale: Path | None = None
    disagreement: Path | None = None

    @property
    def spread(self) -> dict[str, Path]:
        """The files of its spread, by what they hold."""
        named = {"scale": self.scale, "disagreement": self.disagreement}
        return {name: path for name, path in named.items() if path}


def check_dtype(dtype: str) -> None:
    """Refuse a pixel type that is not for restored images."""
    if dtype not in DTYPES:
        raise UsageError(
            f"images of type {dtype!r} are not written",
            where="--dtype",
            remedy=f"Choose one of {', '.join(DTYPES)}",
        )


def check_distinct(outputs: Sequence[Path], inputs: Sequence[str | Path]) -> None:
    """Refuse outputs that would replace an input or one another."""
    taken = {Path(path).resolve(): "is what is read" for path in inputs}
    for path in outputs:
        if path.resolve() in taken:
            raise UsageError(
                f"{taken[path.resolve()]} in the same run",
                where=path,
                remedy="Choose another name with --out or --report",
            )
        taken[path.resolve()] = "would be written twice"


def check_output(path: Path, dtype: str = "float32", *, overwrite: bool = False) -> None:
    """Refuse an output that could not be written, before any work."""
    check_dtype(dtype)
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise UsageError(
            f"the output format {path.suffix or 'without a suffix'!r} is not known",
            where=path,
            remedy="Give --out a name that ends in .ome.tif",
        )
    atomic.check_writable(path, overwrite=overwrite)


def check_spread(model: Model | Ensemble) -> None:
    """Refuse to write the spread of a model that predicts none."""
    if model.spread is None:
        raise ModelError(
            "the model does not say how sure it is",
            where="--spread",
            remedy="Train it with --laplace, or leave --spread out",
        )


def beside(out: Path, members: int) -> dict[str, Path]:
    """Where the spread of a restoration goes: scale, and the disagreement of several members."""
    names = ("scale", "disagreement") if members > 1 else ("scale",)
    return {name: out.with_name(f"{stem(out)}_{name}.ome.tif") for name in names}


def restore_file(
    model: Model | Ensemble,
    stack: Image,
    out: Path,
    *,
    spread: bool = False,
    dtype: str = "float32",
    overwrite: bool = False,
    force: bool = False,
    maps: Sequence[Affine] | None = None,
    provenance: dict[str, str] | None = None,
    watch: Callable[[float], None] | None = None,
) -> Written:
    """Restore one image into one OME-TIFF, block by block.

    Parameters
    ----------
    model, stack
        What restores and what is restored: axes ZYX, with C, T or both.
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
    maps
        What normalises each channel, where that is known already.
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
    grid = predict.geometry(model, stack, force=force)
    maps = maps or normalize.fit(stack, model.recipe.percentiles)
    axes, shape = predict.layout(stack, grid)
    facts = predict.provenance(model, stack) | (provenance or {})
    with ExitStack() as files:

        def layer(path: Path, dtype: str, told: dict[str, str]) -> tiff.Blocks:
            return files.enter_context(
                tiff.create(
                    path,
                    shape=shape,
                    axes=axes,
                    dtype=np.dtype(dtype),
                    voxel_um=predict.voxel_um(stack, grid),
                    channel_names=stack.channel_names,
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
        predict.restore_into(
            keep, model, stack, grid, maps=maps, disagreement=disagreement, watch=watch
        )
    image, clipped = read.open(out, axes=axes), layers["mean"].clipped
    return Written(out, image, grid, clipped, extra.get("scale"), extra.get("disagreement"))


def _meaning(name: str, model: Model | Ensemble) -> str:
    """What the numbers of a layer are, for its metadata."""
    if name == "scale":
        return SCALES[str(model.spread)]
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
    spread, dtype, overwrite, force, provenance
        As for `restore_file`.
    watch
        Called with the share of all that is done.
    """
    maps = []
    for stack in stacks:
        predict.geometry(model, stack, force=force)
        maps.append(normalize.fit(stack, model.recipe.percentiles))
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
                maps=known,
                provenance=provenance,
                watch=tell,
            )
        )
    return done


def outputs(
    sources: Sequence[Path],
    out: Path,
    dtype: str = "float32",
    *,
    members: int = 0,
    overwrite: bool = False,
) -> list[Path]:
    """Where each input's restoration goes: `out` itself, or a file each in the folder `out`.

    Nothing is made yet; what could not be written in the end is refused.

    Parameters
    ----------
    sources, out, dtype, overwrite
        What is read, and what is to be written.
    members
        How many models' spread is written beside the restorations; 0 where none is.

    Raises
    ------
    UsageError
        Several inputs would go into one file, or onto an input.
    OutputError
        A file is there already, or cannot be written.
    """
    check_dtype(dtype)
    if out.suffix and not out.is_dir():
        targets = [out]
        check_output(out, dtype, overwrite=overwrite)
    else:
        targets = [out / f"{stem(source)}.ome.tif" for source in sources]
        check_makeable(out)
    if len(sources) > len(set(targets)):
        twice = ", ".join(sorted({str(t) for t in targets if targets.count(t) > 1} or {str(out)}))
        raise UsageError(
            f"several inputs would be written as {twice}",
            where="--out",
            remedy="Give the name of a folder, or restore inputs of one name in separate runs",
        )
    extra = [path for t in targets for path in (beside(t, members).values() if members else ())]
    check_distinct([*targets, *extra], sources)
    for target in [*targets, *extra]:
        if target.parent.is_dir():
            check_output(target, dtype, overwrite=overwrite)
    return targets


def stem(path: Path) -> str:
    """A file's name without the endings of a TIFF."""
    name = path.name
    for ending in (".ome.tiff", ".ome.tif", ".tiff", ".tif"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return path.stem
