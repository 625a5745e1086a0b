"""Restore files with a model: stream a stack through it into an OME-TIFF."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import carescope
from carescope import predict, read
from carescope.errors import OutputError, UsageError
from carescope.files import atomic
from carescope.files.folder import make
from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Model
from carescope.write import tiff

#: The paper's caution, carried by every restored image.
CAUTION = (
    "Restored by a neural network. Not for intensity-based quantification such as counting "
    "fluorophores (Weigert et al. 2018)."
)

DTYPES = ("float32", "uint8", "uint16", "int16")


@dataclass(frozen=True)
class Written:
    """A restored file."""

    path: Path
    image: Image
    grid: Grid
    clipped: int


def check_output(path: Path, dtype: str = "float32", *, overwrite: bool = False) -> None:
    """Refuse an output that could not be written, before any work."""
    if dtype not in DTYPES:
        raise UsageError(
            f"images of type {dtype!r} are not written",
            where="--dtype",
            remedy=f"Choose one of {', '.join(DTYPES)}",
        )
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise UsageError(
            f"the output format {path.suffix or 'without a suffix'!r} is not known",
            where=path,
            remedy="Give --out a name that ends in .ome.tif",
        )
    atomic.check_writable(path, overwrite=overwrite)


def restore_file(
    model: Model,
    stack: Image,
    out: Path,
    *,
    dtype: str = "float32",
    overwrite: bool = False,
    force: bool = False,
    provenance: dict[str, str] | None = None,
    watch: Callable[[float], None] | None = None,
) -> Written:
    """Restore one stack into one OME-TIFF, block by block.

    Parameters
    ----------
    model, stack
        What restores and what is restored.
    out
        The file to write; it appears when it is complete.
    dtype
        ``float32``, or an integer type into which values are rounded and clipped.
    overwrite
        Replace a file that is there.
    force
        Go on where the geometry is not the model's.
    provenance
        More to write into the metadata.
    watch
        Called with the share that is done.

    Returns
    -------
    Written
        With the count of values that did not fit `dtype`.
    """
    check_output(out, dtype, overwrite=overwrite)
    grid = predict.geometry(model, stack, force=force)
    voxel = predict.voxel_um(stack, grid)
    shape = (grid.restored_planes, stack.size("Y"), stack.size("X"))
    facts = {
        "software": f"carescope {carescope.__version__}",
        "caution": CAUTION,
        "model_sha256": model.sha256 or "not saved",
        "source": Path(stack.source or "array").name,
        **(provenance or {}),
    }
    with tiff.create(
        out,
        shape=shape,
        axes="ZYX",
        dtype=np.dtype(dtype),
        voxel_um=voxel,
        channel_names=stack.channel_names,
        provenance=facts,
        overwrite=overwrite,
    ) as pixels:
        predict.restore_into(pixels.__setitem__, model, stack, grid, watch=watch)
    return Written(out, read.open(out, axes="ZYX"), grid, pixels.clipped)


def outputs(sources: list[Path], out: Path) -> list[Path]:
    """Where each input's restoration goes: `out` itself, or a file each in the folder `out`.

    Raises
    ------
    OutputError
        Several inputs have one name.
    """
    if len(sources) == 1 and out.suffix.lower() in (".tif", ".tiff"):
        return [out]
    make(out)
    names = [f"{_stem(source)}.ome.tif" for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OutputError(
            f"several inputs would be written as {', '.join(twice)}",
            where=out,
            remedy="Restore them in separate calls with another --out",
        )
    return [out / name for name in names]


def _stem(path: Path) -> str:
    name = path.name
    for ending in (".ome.tiff", ".ome.tif", ".tiff", ".tif"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return path.stem
