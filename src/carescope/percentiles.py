"""Exact percentiles of images of any size, from counts of grey levels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.image import Image
from carescope.pieces import map_pieces

Counts = npt.NDArray[np.int64]


class Levels:
    """How often each grey level occurs in each channel, for percentiles that are exact.

    Integers of up to 16 bits are counted as they are, and all percentiles follow. Of other types
    the float32 bit patterns are mapped to integers of the same order, of which the upper 16 bits
    are counted; the lower ones take another pass, of the few bins that hold the answer. Values
    wider than float32 are rounded to it.

    Parameters
    ----------
    image
        What will be counted: axes, shape and type.
    """

    def __init__(self, image: Image) -> None:
        self._axis = image.axes.find("C")
        self.counts = np.zeros((image.size("C"), 1 << 16), np.int64)

    @classmethod
    def of(cls, image: Image) -> Levels:
        """Counted by one pass over an image whose axes end in YX, without NaN."""
        levels = cls(image)
        map_pieces(image, levels.add)
        return levels

    def add(self, part: npt.NDArray[Any], corner: tuple[int, ...]) -> None:
        """Count a piece of the image that begins at an index along each of its axes."""
        if self._axis < 0:
            parts, first = [part], 0
        else:
            parts, first = list(np.moveaxis(part, self._axis, 0)), corner[self._axis]
        for counts, one in zip(self.counts[first:], parts, strict=False):
            found = np.bincount(_upper(one).ravel())
            counts[: len(found)] += found

    def as_lists(self) -> list[list[list[int]]]:
        """Levels that occur, and how often, of each channel: JSON values."""
        found = [np.flatnonzero(counts) for counts in self.counts]
        return [
            [level.tolist(), counts[level].tolist()]
            for level, counts in zip(found, self.counts, strict=True)
        ]

    @classmethod
    def of_lists(cls, lists: list[list[list[int]]], image: Image) -> Levels:
        """What `as_lists` gave of the same image."""
        levels = cls(image)
        for counts, (found, times) in zip(levels.counts, lists, strict=True):
            counts[found] = times
        return levels


def percentiles_of(image: Image, percents: tuple[float, ...], counts: Counts) -> tuple[float, ...]:
    """Percentiles of all pixels, exact and in bounded memory.

    Ranks in between are interpolated as NumPy does by default.

    Parameters
    ----------
    image
        One channel, whose axes end in YX, without NaN.
    percents
        Each within 0 to 100.
    counts
        Of its `Levels`, (65536,).
    """
    total = math.prod(image.shape)
    ranks = [p / 100 * (total - 1) for p in percents]
    wanted = {int(r) for r in ranks} | {min(int(r) + 1, total - 1) for r in ranks}
    ends = np.cumsum(counts)
    bins = {rank: int(np.searchsorted(ends, rank, side="right")) for rank in wanted}
    if _short(image.dtype):
        lowest = int(np.iinfo(image.dtype).min)
        value = {rank: float(level + lowest) for rank, level in bins.items()}
    else:
        value = _values(image, bins, ends - counts)
    return tuple(
        value[int(r)] + (r - int(r)) * (value[min(int(r) + 1, total - 1)] - value[int(r)])
        for r in ranks
    )


def _short(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "iu" and dtype.itemsize <= 2


def _upper(part: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """0 to 65535 in the order of the values: all of short integers, of others what comes first."""
    if not _short(part.dtype):
        return _keys(part) >> 16
    lowest = int(np.iinfo(part.dtype).min)
    return part if lowest == 0 else part.astype(np.int64) - lowest


def _values(image: Image, bins: dict[int, int], before: Counts) -> dict[int, float]:
    """The pixels of given ranks, as float32, where their bins and the pixels before are known."""
    lower = {b: np.zeros(1 << 16, np.int64) for b in set(bins.values())}

    def count_lower(part: npt.NDArray[Any], _corner: object) -> None:
        keys = _keys(part)
        top = keys >> 16
        for b, counts in lower.items():
            counts += np.bincount((keys[top == b] & 0xFFFF).ravel(), minlength=1 << 16)

    map_pieces(image, count_lower)
    value = {}
    for rank, b in bins.items():
        within = rank - int(before[b])
        low_bits = int(np.searchsorted(np.cumsum(lower[b]), within, side="right"))
        value[rank] = _from_key((b << 16) | low_bits)
    return value


def _keys(part: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """Unsigned integers in the same order as the values."""
    with np.errstate(over="ignore"):  # the largest of float64 come out as infinite
        bits = np.ascontiguousarray(part, np.float32).view(np.uint32)
    negative = (bits >> 31).astype(bool)
    return np.asarray(np.where(negative, ~bits, bits | np.uint32(0x80000000)), np.uint32)


def _from_key(key: int) -> float:
    """The value whose key this is."""
    bits = key & 0x7FFFFFFF if key >> 31 else ~key & 0xFFFFFFFF
    return float(np.array([bits], np.uint32).view(np.float32)[0])
