"""One page of a TIFF: what it holds and where its bytes lie, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from carescope.errors import InputError

if TYPE_CHECKING:
    import tifffile

NONE, DEFLATE = 1, (8, 32946)
# tifffile decodes these, some of them only where imagecodecs is installed.
THROUGH_TIFFFILE = {5: "LZW", 32773: "PackBits", 50000: "Zstandard"}
# No deflate stream expands more than 1032-fold; Zstandard reaches a few ten thousand.
RATIO_LIMIT = 1100
RATIO_LIMIT_OTHERS = 100_000
SEGMENT_LIMIT_BYTES = 2**31


@dataclass(frozen=True)
class Page:
    """One plane of pixels in a file, cut into strips or tiles (segments).

    `rows` and `columns` are the size of a segment; a strip is as wide as the page and the last
    one may be shorter, a tile is always of full size.
    """

    height: int
    width: int
    dtype: np.dtype[Any]
    bits: int
    compression: int
    predictor: int
    tiled: bool
    rows: int
    columns: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def across(self) -> int:
        """Segments side by side."""
        return math.ceil(self.width / self.columns)

    def segment_shape(self, index: int) -> tuple[int, int]:
        """Rows and columns stored in a segment."""
        if self.tiled:
            return self.rows, self.columns
        return min(self.rows, self.height - index * self.rows), self.columns

    def segment_bytes(self, index: int) -> int:
        """Length of a segment once decompressed."""
        rows, columns = self.segment_shape(index)
        return rows * math.ceil(columns * self.bits / 8)

    @property
    def nbytes(self) -> int:
        """Length of the page's pixels, packed."""
        return self.height * math.ceil(self.width * self.bits / 8)

    @property
    def contiguous(self) -> bool:
        """Whether the pixels lie in one uncompressed run, row after row."""
        ends = [o + c for o, c in zip(self.offsets, self.counts, strict=True)]
        return (
            self.compression == NONE
            and not (self.tiled and self.across > 1)
            and sum(self.counts) == self.nbytes
            and ends[:-1] == list(self.offsets[1:])
        )

    def within(self, size: int) -> bool:
        """Whether every segment lies inside a file of `size` bytes."""
        return all(o + c <= size for o, c in zip(self.offsets, self.counts, strict=True))

    def shifted(self, by: int) -> Page:
        """The same page `by` bytes further into the file."""
        return replace(self, offsets=tuple(o + by for o in self.offsets))


def parse(page: tifffile.TiffPage, where: str) -> Page:
    """Take from a page's tags what is needed to read it.

    Raises
    ------
    InputError
        The page is not one grey plane, is stored in a way that is not supported, or its tags
        contradict one another.
    """
    _refuse_unsupported(page, where)
    tiled = bool(page.is_tiled)
    rows, columns = (
        (page.tilelength, page.tilewidth) if tiled else (page.rowsperstrip, page.imagewidth)
    )
    if page.dtype is None or min(page.imagelength, page.imagewidth, rows, columns) < 1:
        raise _damaged("declares an empty or unknown kind of page", where)
    parsed = Page(
        height=int(page.imagelength),
        width=int(page.imagewidth),
        dtype=np.dtype(page.parent.byteorder + page.dtype.char),
        bits=int(page.bitspersample),
        compression=int(page.compression),
        predictor=int(page.predictor),
        tiled=tiled,
        rows=int(rows),
        columns=int(columns),
        offsets=tuple(int(o) for o in page.dataoffsets),
        counts=tuple(int(c) for c in page.databytecounts),
    )
    _refuse_inconsistent(parsed, where)
    return parsed


def _refuse_unsupported(page: tifffile.TiffPage, where: str) -> None:
    if page.samplesperpixel != 1 or page.photometric == 2:
        raise InputError(
            f"holds {page.samplesperpixel} samples a pixel (RGB or interleaved channels), "
            "and grey images are needed",
            where=where,
            remedy="Split the channels into planes (Fiji: Image > Color > Split Channels)",
        )
    if page.imagedepth != 1:
        raise InputError(
            "stores several planes in one page (ImageDepth)",
            where=where,
            remedy="Save it again as an ImageJ TIFF or OME-TIFF, one plane a page",
        )
    kind = "" if page.dtype is None else page.dtype.kind
    packed = page.bitspersample != 1 and page.bitspersample % 8 != 0
    if packed or page.fillorder != 1 or not kind or kind not in "buif":
        raise InputError(
            f"stores {page.bitspersample} bits a sample in a way that is not supported",
            where=where,
            remedy="Save it again with 8, 16 or 32 bits",
        )
    if page.compression not in (NONE, *DEFLATE, *THROUGH_TIFFFILE):
        name = getattr(page.compression, "name", str(int(page.compression)))
        raise InputError(
            f"is compressed with {name}, which is not supported",
            where=where,
            remedy="Save it again uncompressed or with deflate (zlib)",
        )
    if page.compression == NONE:
        predictors: tuple[int, ...] = (1,)
    else:
        predictors = (1, 3) if kind == "f" else (1, 2)
    if page.bitspersample == 1:
        predictors = (1,)
    if page.predictor not in predictors:
        raise InputError(
            f"is compressed with a predictor ({int(page.predictor)}) that is not supported",
            where=where,
            remedy="Save it again uncompressed",
        )


def _refuse_inconsistent(page: Page, where: str) -> None:
    """Refuse segments that are missing, of the wrong length, or expand beyond belief."""
    expected = math.ceil(page.height / page.rows) * page.across
    if len(page.offsets) != expected or len(page.counts) != expected:
        raise _damaged(
            f"declares {page.height} x {page.width} pixels in {expected} pieces, "
            f"but lists {min(len(page.offsets), len(page.counts))}",
            where,
        )
    limit = RATIO_LIMIT if page.compression in DEFLATE else RATIO_LIMIT_OTHERS
    for index, (offset, count) in enumerate(zip(page.offsets, page.counts, strict=True)):
        if offset <= 0 or count <= 0:
            raise _damaged("lacks the pixels of a strip or tile (its length is 0)", where)
        length = page.segment_bytes(index)
        if page.compression == NONE and length != count:
            raise _damaged(
                f"declares {page.height} x {page.width} pixels of {page.bits} bits, "
                f"but a strip or tile holds {count} bytes instead of {length}",
                where,
            )
        if page.compression != NONE and length > min(limit * count, SEGMENT_LIMIT_BYTES):
            raise _damaged(
                f"declares {length} bytes in a compressed strip or tile of {count} bytes", where
            )


def _damaged(what: str, where: str) -> InputError:
    return InputError(
        what, where=where, remedy="The file is damaged: copy it again from its origin"
    )
