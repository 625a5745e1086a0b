"""Where restorations are written, and whether they could be, before any work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from carescope import read
from carescope.errors import UsageError
from carescope.files import atomic, ledger, shares
from carescope.files.folder import check_free, check_makeable

#: What may be written beside a restoration, under its name and this.
BESIDE = ("scale", "disagreement", "height")
DTYPES = ("float32", "uint8", "uint16", "int16")
#: The note in a ledger that a layer of a restoration is about to get its name begins so.
NAMED = "named "
_READ = "is what is read"


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
    taken = {Path(path).resolve(): _READ for path in inputs}
    for path in outputs:
        if path.resolve() in taken:
            raise UsageError(
                f"{taken[path.resolve()]} in the same run",
                where=path,
                remedy="Choose another name with --out or --report",
            )
        parents = (p for p in path.resolve().parents if p.is_dir())
        within = next((p for p in parents if taken.get(p) == _READ), None)
        if within:
            raise UsageError(
                f"would be written into {within}, which is read in the same run",
                where=path,
                remedy="Choose another place with --out or --report",
            )
        taken[path.resolve()] = "would be written twice"


def is_zarr(path: Path) -> bool:
    """Whether an output is to be OME-Zarr."""
    return path.suffix.lower() == ".zarr"


def unfinished(out: Path) -> Path:
    """The folder in which an OME-Zarr is made, with the ledger of what is finished of it."""
    return out.with_name(f".partial-{out.name}")


def published(out: Path) -> set[Path]:
    """What an interrupted run had already given its name, of an OME-Zarr and those beside it."""
    begun = ledger.begun_in(unfinished(out)) if is_zarr(out) else None
    notes = begun[1] if begun else {}
    named = {key.removeprefix(NAMED): name for key, name in notes.items() if key.startswith(NAMED)}
    return {out.with_name(f) for n, f in named.items() if not (unfinished(out) / n).exists()}


def check_output(
    path: Path, dtype: str = "float32", *, overwrite: bool = False, ours: Collection[Path] = ()
) -> None:
    """Refuse an output that could not be written, or that another process makes, before any work.

    Parameters
    ----------
    path, dtype, overwrite
        What is to be written.
    ours
        What may be there, because an interrupted run of the same command made it.
    """
    check_dtype(dtype)
    if is_zarr(path):
        if unfinished(path).is_dir():
            with shares.leading(unfinished(path)):
                pass
        check_free(path, overwrite=overwrite or path in ours)
        return
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise UsageError(
            f"the output format {path.suffix or 'without a suffix'!r} is not known",
            where=path,
            remedy="Give --out a name that ends in .ome.tif or .zarr",
        )
    atomic.check_writable(path, overwrite=overwrite or path in ours)


def beside(out: Path, members: int, *, height: bool = False) -> dict[str, Path]:
    """Where the spread of a restoration goes, and the height of the surface it was projected from.

    The spread is the scale, and the disagreement of several members; without members there is none.
    """
    wanted = (members > 0, members > 1, height)
    names = [name for name, yes in zip(BESIDE, wanted, strict=True) if yes]
    ending = out.name[len(stem(out)) :] if is_zarr(out) else ".ome.tif"
    return {name: out.with_name(f"{stem(out)}_{name}{ending}") for name in names}


def outputs(
    sources: Sequence[Path],
    out: Path,
    dtype: str = "float32",
    *,
    members: int = 0,
    height: bool = False,
    overwrite: bool = False,
    ours: Collection[Path] = (),
) -> list[Path]:
    """Where each input's restoration goes: `out` itself, or a file each in the folder `out`.

    There, OME-Zarr becomes OME-Zarr, and anything else OME-TIFF. Nothing is made yet; what could
    not be written in the end is refused.

    Parameters
    ----------
    sources, out, dtype, overwrite
        What is read, and what is to be written.
    members
        How many models' spread is written beside the restorations; 0 where none is.
    height
        Whether the height of a surface is.
    ours
        What may be there, because an interrupted run of the same command made it.

    Raises
    ------
    UsageError
        Several inputs would go into one file, or onto an input.
    OutputError
        A file is there already, or cannot be written.
    """
    check_dtype(dtype)
    if is_zarr(out) or (out.suffix and not out.is_dir()):
        targets = [out]
        check_output(out, dtype, overwrite=overwrite, ours=published(out))
    else:
        kinds = [".ome.zarr" if read.is_image_folder(s) else ".ome.tif" for s in sources]
        targets = [out / f"{stem(s)}{kind}" for s, kind in zip(sources, kinds, strict=True)]
        check_makeable(out)
    if len(sources) > len(set(targets)):
        twice = ", ".join(sorted({str(t) for t in targets if targets.count(t) > 1} or {str(out)}))
        raise UsageError(
            f"several inputs would be written as {twice}",
            where="--out",
            remedy="Give the name of a folder, or restore inputs of one name in separate runs",
        )
    others = {t: beside(t, members, height=height).values() for t in targets}
    check_distinct([*targets, *(path for paths in others.values() for path in paths)], sources)
    for target, extra in others.items():
        known = published(target).union(ours)
        for path in (target, *extra) if target.parent.is_dir() else ():
            check_output(path, dtype, overwrite=overwrite, ours=known)
    return targets


def stem(path: Path) -> str:
    """A file's name without the endings of a TIFF or an OME-Zarr."""
    name = path.name
    for ending in (".ome.tiff", ".ome.tif", ".tiff", ".tif", ".ome.zarr", ".zarr"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return path.stem
