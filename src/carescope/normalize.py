"""The rule that turns grey levels into the numbers a network sees: an affine map a channel.

It is the same in training and in restoring, so the two cannot differ: percentiles of the whole
image, found exactly in one or two passes over it however large it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError
from carescope.image import Image
from carescope.pieces import map_pieces

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Affine:
    """N(y) = (y - low) / (high - low), never clipped (CARE, Methods: Image normalization).

    Parameters
    ----------
    low, high
        Grey levels that become 0 and 1.

    Raises
    ------
    InputError
        `high` does not exceed `low`: the image is constant.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.high > self.low:
            raise InputError(
                f"the image is constant over the range that normalises it ({self.low:g})",
                remedy="Give an image with structure, or check that the right channel was chosen",
            )

    def apply(self, grey: npt.NDArray[Any]) -> Floats:
        """Grey levels to normalised values, any shape."""
        scaled = (grey.astype(np.float32) - np.float32(self.low)) * np.float32(1 / self.width)
        return np.asarray(scaled, np.float32)

    def undo(self, normalised: Floats) -> Floats:
        """Normalised values back to grey levels, any shape."""
        return np.asarray(normalised * np.float32(self.width) + np.float32(self.low), np.float32)

    @property
    def width(self) -> float:
        return self.high - self.low


def fit(image: Image, percentiles: tuple[float, float] = (2.0, 99.8)) -> tuple[Affine, ...]:
    """The affine map of each channel: its two percentiles over the whole image become 0 and 1.

    Time points are pooled, so that a time-lapse cannot flicker.
    """
    several = image.size("C") > 1
    return tuple(
        _fit(channel, percentiles, f"channel {number}" if several else "the image")
        for number, channel in enumerate(channels(image))
    )


def channels(image: Image) -> list[Image]:
    """Each channel as an image of its own; the image itself where it has no such axis."""
    if "C" not in image.axes:
        return [image]
    return [image.select("C", c) for c in range(image.size("C"))]


def apply(maps: Sequence[Affine], grey: npt.NDArray[Any]) -> Floats:
    """Grey levels to normalised values, (C, ...), a map for each channel."""
    return np.stack([one.apply(part) for one, part in zip(maps, grey, strict=True)])


def undo(maps: Sequence[Affine], normalised: Floats) -> Floats:
    """Normalised values back to grey levels, (C, ...), a map for each channel."""
    return np.stack([one.undo(part) for one, part in zip(maps, normalised, strict=True)])


def _fit(channel: Image, percentiles: tuple[float, float], name: str) -> Affine:
    low, high = percentile(channel, percentiles)
    if not high > low:  # sparse structures: most of the image is one value
        low, high = percentile(channel, (0.0, 100.0))
    try:
        return Affine(low, high)
    except InputError as error:
        what = error.what.replace("the image", name, 1)
        raise InputError(what, where=channel.source, remedy=error.remedy) from None


def percentile(image: Image, percents: tuple[float, ...]) -> tuple[float, ...]:
    """Percentiles of all pixels, exact and in bounded memory.

    Integers of up to 16 bits are counted in one pass. Of other types the float32 bit patterns are
    mapped to integers of the same order; one pass counts their upper 16 bits, a second the lower
    16 bits of the few bins that hold the answer. Ranks in between are interpolated as NumPy
    does by default. Values wider than float32 are rounded to it.

    Parameters
    ----------
    image
        Any image whose axes end in YX, without NaN.
    percents
        Each within 0 to 100.
    """
    total = math.prod(image.shape)
    ranks = [p / 100 * (total - 1) for p in percents]
    wanted = sorted({int(r) for r in ranks} | {min(int(r) + 1, total - 1) for r in ranks})
    short = image.dtype.kind in "iu" and image.dtype.itemsize <= 2
    value = _values_of_integers(image, wanted) if short else _values(image, wanted)
    return tuple(
        value[int(r)] + (r - int(r)) * (value[min(int(r) + 1, total - 1)] - value[int(r)])
        for r in ranks
    )


def _values_of_integers(image: Image, ranks: Sequence[int]) -> dict[int, float]:
    """The pixels of given ranks, of integers of up to 16 bits."""
    lowest = int(np.iinfo(image.dtype).min)
    counts = np.zeros(1 << 16, np.int64)

    def count(part: npt.NDArray[Any], _corner: object) -> None:
        found = np.bincount(part.ravel() if lowest == 0 else part.ravel().astype(int) - lowest)
        counts[: len(found)] += found

    map_pieces(image, count)
    ends = np.cumsum(counts)
    return {rank: float(np.searchsorted(ends, rank, side="right") + lowest) for rank in ranks}


def _values(image: Image, ranks: Sequence[int]) -> dict[int, float]:
    """The pixels of given ranks, as float32."""
    upper = np.zeros(1 << 16, np.int64)

    def count_upper(part: npt.NDArray[Any], _corner: object) -> None:
        upper[:] += np.bincount((_keys(part) >> 16).ravel(), minlength=1 << 16)

    map_pieces(image, count_upper)
    ends = np.cumsum(upper)
    bins = {rank: int(np.searchsorted(ends, rank, side="right")) for rank in ranks}
    lower = {b: np.zeros(1 << 16, np.int64) for b in set(bins.values())}

    def count_lower(part: npt.NDArray[Any], _corner: object) -> None:
        keys = _keys(part)
        top = keys >> 16
        for b, counts in lower.items():
            counts += np.bincount((keys[top == b] & 0xFFFF).ravel(), minlength=1 << 16)

    map_pieces(image, count_lower)
    value = {}
    for rank, b in bins.items():
        within = rank - int(ends[b] - upper[b])
        low_bits = int(np.searchsorted(np.cumsum(lower[b]), within, side="right"))
        value[rank] = _from_key((b << 16) | low_bits)
    return value


def _keys(part: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """Unsigned integers in the same order as the values."""
    bits = np.ascontiguousarray(part, np.float32).view(np.uint32)
    negative = (bits >> 31).astype(bool)
    return np.asarray(np.where(negative, ~bits, bits | np.uint32(0x80000000)), np.uint32)


def _from_key(key: int) -> float:
    """The value whose key this is."""
    bits = key & 0x7FFFFFFF if key >> 31 else ~key & 0xFFFFFFFF
    return float(np.array([bits], np.uint32).view(np.float32)[0])
