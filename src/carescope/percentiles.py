"""Exact percentiles of images of any size, from counts of grey levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.image import Image
from carescope.pieces import map_pieces, sampled

Counts = npt.NDArray[np.int64]

_LEVELS = 1 << 16
#: Bins on either side of that where a sample has a percentile: grey levels 6 to 13 % away.
_NEAR = 16
#: The sample: a share of the planes or chunks that an image is stored in, and the most of them.
_SHARE, _MOST = 1 / 8, 256


class Levels:
    """How often each grey level of a channel occurs, for percentiles that are exact.

    Integers of up to 16 bits are counted as they are, and all percentiles follow. Of other types
    the float32 bit patterns are mapped to integers of the same order, and values that agree in the
    upper 16 bits make a bin; the lower bits are counted in some bins only, and another pass counts
    them where a percentile lies elsewhere. Values wider than float32 are rounded to it.

    Parameters
    ----------
    dtype
        Of what will be counted.
    near
        Bins of long types in which the lower bits are counted too: 0.5 MB a bin.
    """

    def __init__(self, dtype: np.dtype[Any], near: Sequence[range] = ()) -> None:
        self._dtype = dtype
        self._counts = np.zeros(_LEVELS, np.int64)
        self._near = [(bins, np.zeros(len(bins) * _LEVELS, np.int64)) for bins in near]

    def add(self, part: npt.NDArray[Any]) -> None:
        """Count some pixels of the channel."""
        if _short(self._dtype):
            _count(_unsigned(part), self._counts)
            return
        keys = _keys(part)
        _count(keys >> 16, self._counts)
        for bins, counts in self._near:
            _count_within(bins, keys, counts)

    def percentiles(self, image: Image, percents: Sequence[float]) -> tuple[float, ...]:
        """Percentiles of all pixels, exact and in bounded memory.

        Ranks in between are interpolated as NumPy does by default.

        Parameters
        ----------
        image
            The channel, all of which was counted: axes that end in YX, without NaN.
        percents
            Each within 0 to 100.
        """
        total = math.prod(image.shape)
        ranks = [p / 100 * (total - 1) for p in percents]
        wanted = {int(r) for r in ranks} | {min(int(r) + 1, total - 1) for r in ranks}
        bins = {rank: _holds(rank, self._counts) for rank in wanted}
        if _short(self._dtype):
            value = {rank: float(b + _lowest(self._dtype)) for rank, b in bins.items()}
        else:
            before = np.cumsum(self._counts) - self._counts
            lower = self._lower(image, set(bins.values()))
            value = {
                rank: _from_key((b << 16) | _holds(rank - int(before[b]), lower[b]))
                for rank, b in bins.items()
            }
        return tuple(
            value[int(r)] + (r - int(r)) * (value[min(int(r) + 1, total - 1)] - value[int(r)])
            for r in ranks
        )

    def around(self, percents: Sequence[float]) -> list[range]:
        """The bins near to these percentiles of what was counted, for `near`."""
        if not (total := int(self._counts.sum())):
            return []
        found = [_holds(int(p / 100 * (total - 1)), self._counts) for p in percents]
        return [range(max(b - _NEAR, 0), min(b + _NEAR + 1, _LEVELS)) for b in found]

    def as_lists(self) -> list[list[int]]:
        """What occurs, and how often, but for lower bits: JSON values."""
        found = np.flatnonzero(self._counts)
        return [found.tolist(), self._counts[found].tolist()]

    @classmethod
    def of_lists(cls, lists: list[list[int]], dtype: np.dtype[Any]) -> Levels:
        """What `as_lists` gave."""
        levels = cls(dtype)
        found, times = lists
        levels._counts[found] = times
        return levels

    def _lower(self, image: Image, wanted: set[int]) -> dict[int, Counts]:
        """How often each of the lower 16 bits occurs in these bins."""
        lower = {
            b: counts[(b - bins.start) << 16 :][:_LEVELS]
            for bins, counts in self._near
            for b in wanted.intersection(bins)
        }
        missing = {b: np.zeros(_LEVELS, np.int64) for b in wanted - lower.keys()}

        def count(part: npt.NDArray[Any], _corner: object) -> None:
            keys = _keys(part)
            for b, counts in missing.items():
                _count_within(range(b, b + 1), keys, counts)

        if missing:
            map_pieces(image, count)
        return lower | missing


class ChannelLevels:
    """The levels of each channel of an image, counted together.

    Parameters
    ----------
    image
        What will be counted; its axes end in YX where it is stored in planes.
    percents
        What will be asked for. Some of a large image of floats is read to see where these may lie.
    """

    def __init__(self, image: Image, percents: Sequence[float] = ()) -> None:
        self._axis = image.axes.find("C")
        near: list[list[range]] = [[]] * image.size("C")
        if percents and not _short(image.dtype):
            sample = ChannelLevels(image)
            for part, corner in sampled(image, _SHARE, _MOST):
                sample.add(part, corner)
            near = [one.around(percents) for one in sample.channels]
        self.channels: list[Levels] = [Levels(image.dtype, bins) for bins in near]

    @classmethod
    def of(cls, image: Image, percents: Sequence[float] = ()) -> ChannelLevels:
        """Counted by a pass over an image without NaN."""
        levels = cls(image, percents)
        map_pieces(image, levels.add)
        return levels

    def as_lists(self) -> list[list[list[int]]]:
        """`Levels.as_lists` of each channel."""
        return [channel.as_lists() for channel in self.channels]

    @classmethod
    def of_lists(cls, lists: list[list[list[int]]], image: Image) -> ChannelLevels:
        """What `as_lists` gave of the same image."""
        levels = cls(image)
        levels.channels = [Levels.of_lists(one, image.dtype) for one in lists]
        return levels

    def add(self, part: npt.NDArray[Any], corner: tuple[int, ...]) -> None:
        """Count a piece of the image that begins at an index along each of its axes."""
        if self._axis < 0:
            self.channels[0].add(part)
            return
        parts = np.moveaxis(part, self._axis, 0)
        for channel, one in zip(self.channels[corner[self._axis] :], parts, strict=False):
            channel.add(one)


def _short(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "iu" and dtype.itemsize <= 2


def _lowest(dtype: np.dtype[Any]) -> int:
    return int(np.iinfo(dtype).min)


def _unsigned(part: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Short integers from 0 on, in the same order."""
    lowest = _lowest(part.dtype)
    return part if lowest == 0 else part.astype(np.int64) - lowest


def _count(numbers: npt.NDArray[Any], counts: Counts) -> None:
    found = np.bincount(numbers.ravel())
    counts[: len(found)] += found


def _count_within(bins: range, keys: npt.NDArray[np.uint32], counts: Counts) -> None:
    """Count the keys whose upper 16 bits are among these."""
    from_first = keys - np.uint32(bins.start << 16)  # what lies below comes out as very large
    np.add.at(counts, from_first[from_first < np.uint32(len(bins) << 16)], 1)


def _holds(rank: int, counts: Counts) -> int:
    """The bin that holds the pixel of a rank, counted from 0."""
    return int(np.searchsorted(np.cumsum(counts), rank, side="right"))


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
