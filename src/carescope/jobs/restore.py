"""Restore files with a model: stream a stack through it into one file, or into three."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carescope import engine as engines
from carescope import predict, read
from carescope.errors import ModelError
from carescope.files.resident import kept_bytes
from carescope.image import Image
from carescope.jobs import resumed
from carescope.jobs.engines import with_engine
from carescope.jobs.familiar import check_familiar
from carescope.jobs.hand import Hands
from carescope.jobs.outputs import beside, check_output, is_zarr, published
from carescope.jobs.work import Work, planned
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.write import tiff


@dataclass(frozen=True)
class Written:
    """A restored file, what to think about, what ran the network, and the files beside it."""

    path: Path
    image: Image
    clipped: int
    warnings: list[str]
    engine: str
    scale: Path | None = None
    disagreement: Path | None = None
    height: Path | None = None

    @property
    def beside(self) -> dict[str, Path]:
        """The files beside it, by what they hold."""
        named = {"scale": self.scale, "disagreement": self.disagreement, "height": self.height}
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
    height: bool = False,
    dtype: str = "float32",
    overwrite: bool = False,
    force: bool = False,
    strict: bool = False,
    maps: Sequence[Affine] | None = None,
    known: Sequence[str] | None = None,
    engine: str = "auto",
    memory_bytes: int | None = None,
    hands: Hands | None = None,
    provenance: dict[str, str] | None = None,
    watch: Callable[[float], None] | None = None,
) -> Written:
    """Restore one image into one OME-TIFF or OME-Zarr, block by block.

    An OME-Zarr that was interrupted goes on where it was, with the same arguments.

    Parameters
    ----------
    model, stack
        What restores and what is restored: axes YX or ZYX, with C, T or both.
    out
        The file to write, OME-Zarr where it ends in .zarr; it appears when it is complete, after
        those of the spread.
    spread
        Write the scale as <stem>_scale too, and for an ensemble the disagreement of its members as
        <stem>_disagreement, both float32 and in the format of `out`.
    height
        Write where a projecting model saw the surface as <stem>_height.
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
    known
        What `check_familiar` says of the image, where it was asked already.
    engine
        What runs the network: see `carescope.engine.choose`. Work that was begun goes on with its
        own under ``auto``.
    memory_bytes
        Below what the whole process stays, its libraries included; where None, a block takes up to
        four gigabytes.
    hands
        Who restores the blocks of an OME-Zarr, instead of this process.
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
    if height:
        predict.check_projects(model)
    extra = beside(out, len(model.members) if spread else 0, height=height)
    ours = published(out)
    for path in (out, *extra.values()):
        check_output(path, dtype, overwrite=overwrite, ours=ours)
    work = planned(model, stack, out, extra, dtype, force=force, provenance=provenance)
    held = kept_bytes()
    maps = tuple(maps or resumed.maps_of(work))
    known = check_familiar(model, stack, maps, strict=strict) if known is None else known
    work, said = with_engine(work, maps, engine, memory_bytes, held=held, overwrite=overwrite)
    warnings = [*said, *unknown_pixels(model, stack), *known]
    if is_zarr(out):
        clipped, said = resumed.restore(
            work,
            maps=maps,
            memory_bytes=memory_bytes,
            held=held,
            overwrite=overwrite,
            hands=hands,
            watch=watch,
        )
        warnings = [*said, *warnings]
    else:
        room = predict.room(memory_bytes, held, engines.settled(work.model))
        clipped = _into_tiff(work, maps, room, watch, overwrite=overwrite)
    image = read.open(out, axes=work.there.axes)
    return Written(out, image, clipped, warnings, engines.word(work.model), **extra)


def unknown_pixels(model: Model | Ensemble, stack: Image) -> list[str]:
    """That nobody knows whether pixels are as large as those a model was simulated for."""
    pixel_um = model.task.pixel_um
    if model.task.kind != "denoise" or pixel_um is None or stack.voxel_um is not None:
        return []
    return [
        f"The model was made for pixels of {pixel_um:.4g} um, and the file does not say how large "
        "its are; --voxel-um tells."
    ]


def _into_tiff(
    work: Work,
    maps: Sequence[Affine],
    memory_bytes: int,
    watch: Callable[[float], None] | None,
    *,
    overwrite: bool,
) -> int:
    """Restore into OME-TIFF; how many values did not fit their type."""
    there = work.there
    with ExitStack() as files:
        # The last one opened gets its name first: whoever sees the mean can see all of them.
        layers = {
            name: files.enter_context(
                tiff.create(
                    layer.path,
                    shape=there.shape,
                    axes=there.axes,
                    dtype=np.dtype(layer.dtype),
                    voxel_um=there.voxel_um,
                    channel_names=there.channel_names,
                    frame_s=there.frame_s,
                    provenance=layer.provenance,
                    overwrite=overwrite,
                )
            )
            for name, layer in work.layers.items()
        }
        predict.restore_into(
            lambda place, part: part.into(layers, place),
            work.model,
            work.stack,
            there,
            maps=maps,
            wanted=layers,
            watch=watch,
            memory_bytes=memory_bytes,
        )
    return layers["mean"].clipped
