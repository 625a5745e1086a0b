"""The chain of pages of a TIFF, walked by ourselves: it may be cut, or bite its own tail."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class Chain:
    """Where the pages of a file begin, and whether their chain ends as it should."""

    offsets: tuple[int, ...]
    whole: bool


def walk(path: Path) -> Chain:
    """Follow the chain of pages.

    Parameters
    ----------
    path
        A file that begins with one of `MAGIC`.

    Returns
    -------
    Chain
        The offset of each page in bytes; not whole where the chain leaves the file or comes
        back to a page it has passed.

    References
    ----------
    TIFF Revision 6.0, Adobe 1992, section 2; BigTIFF, https://bigtiff.org.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(16)
        order = "<" if header[:2] == b"II" else ">"
        big = header[2:4] in (b"+\0", b"\0+")
        count, pointer, entry = ("Q", "Q", 20) if big else ("H", "I", 12)
        first = header[8:16] if big else header[4:8]
        if len(first) < struct.calcsize(pointer):
            return Chain((), whole=False)
        offset = struct.unpack(order + pointer, first)[0]
        passed: dict[int, None] = {}
        while offset:
            if offset in passed or not len(first) <= offset < size:
                return Chain(tuple(passed), whole=False)
            file.seek(offset)
            tags = _unpack(file.read(struct.calcsize(count)), order + count)
            if tags is None or tags > 4096:
                return Chain(tuple(passed), whole=False)
            passed[offset] = None
            file.seek(tags * entry, 1)
            following = _unpack(file.read(struct.calcsize(pointer)), order + pointer)
            if following is None:
                return Chain(tuple(passed), whole=False)
            offset = following
    return Chain(tuple(passed), whole=bool(passed))


def _unpack(data: bytes, form: str) -> int | None:
    """One number, or None where the file ended within it."""
    return struct.unpack(form, data)[0] if len(data) == struct.calcsize(form) else None
