"""Where restorations are written, and whether they could be, before any work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from carescope.errors import UsageError
from carescope.files import atomic
from carescope.files.folder import check_makeable

DTYPES = ("float32", "uint8", "uint16", "int16")


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


def beside(out: Path, members: int) -> dict[str, Path]:
    """Where the spread of a restoration goes: scale, and the disagreement of several members."""
    names = ("scale", "disagreement") if members > 1 else ("scale",)
    return {name: out.with_name(f"{stem(out)}_{name}.ome.tif") for name in names}


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
