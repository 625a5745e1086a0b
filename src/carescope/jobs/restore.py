"""Restore files with a model: stream a stack through it into an OME-TIFF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carescope import predict, read
from carescope.errors import UsageError
from carescope.files import atomic
from carescope.files.folder import check_makeable, make
from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Model
from carescope.write import tiff

DTYPES = ("float32", "uint8", "uint16", "int16")


@dataclass(frozen=True)
class Written:
    """A restored file."""

    path: Path
    image: Image
    grid: Grid
    clipped: int


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
    facts = predict.provenance(model, stack) | (provenance or {})
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


def restore_files(
    model: Model,
    stacks: Sequence[Image],
    targets: Sequence[Path],
    *,
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
    dtype, overwrite, force, provenance
        As for `restore_file`.
    watch
        Called with the share of all that is done.
    """
    for stack in stacks:
        predict.geometry(model, stack, force=force)
    done: list[Written] = []

    def tell(share: float) -> None:
        if watch:
            watch((len(done) + share) / len(stacks))

    for stack, target in zip(stacks, targets, strict=True):
        make(target.parent)
        done.append(
            restore_file(
                model,
                stack,
                target,
                dtype=dtype,
                overwrite=overwrite,
                force=force,
                provenance=provenance,
                watch=tell,
            )
        )
    return done


def outputs(
    sources: Sequence[Path], out: Path, dtype: str = "float32", *, overwrite: bool = False
) -> list[Path]:
    """Where each input's restoration goes: `out` itself, or a file each in the folder `out`.

    Nothing is made yet; what could not be written in the end is refused.

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
    check_distinct(targets, sources)
    for target in targets:
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
