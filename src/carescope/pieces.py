"""Passes over an image in pieces that it can give without reading anything twice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.ahead import ahead
from carescope.errors import InputError
from carescope.image import Image, grain

#: Pieces are put together from whole chunks until they are about so large.
PIECE_BYTES = 1 << 24


def map_pieces(
    image: Image, function: Callable[[npt.NDArray[Any], tuple[int, ...]], object]
) -> None:
    """Call `function` with each piece of an image, and where it begins.

    The next piece is read meanwhile, so that memory must hold two. Pieces are planes, one at a
    time, unless the data say in `grain` that they are stored in chunks: those would be decompressed
    once for every plane in them.

    Parameters
    ----------
    image
        Any axes; they end in YX where the data have no grain.
    function
        Called with an array that has all axes of the image, and its first index along each.

    Raises
    ------
    InputError
        The image has no grain, and its axes do not end in YX.
    """

    def read(place: tuple[slice, ...]) -> tuple[npt.NDArray[Any], tuple[int, ...]]:
        return np.asarray(image.data[place]), tuple(part.start for part in place)

    with closing(ahead(read, _places(image), threads=1, waiting=1)) as parts:
        for part, corner in parts:
            function(part, corner)


def sampled(
    image: Image, share: float, most: int
) -> Iterator[tuple[npt.NDArray[Any], tuple[int, ...]]]:
    """Some of the planes or chunks that an image is stored in, and where they begin.

    It is cut into as many parts as there will be, and each is from anywhere in its part.

    Parameters
    ----------
    image
        As for `map_pieces`.
    share
        How many of all, in (0, 1], rounded down.
    most
        And no more than so many.
    """
    starts = _starts(image, 0)
    lengths = [len(way) for way in starts]
    total = math.prod(lengths)
    parts = min(int(total * share), most)
    rng = np.random.default_rng(0)
    for part in range(parts):
        number = rng.integers(part * total // parts, (part + 1) * total // parts)
        index = np.unravel_index(number, lengths)
        corner = tuple(way[int(n)] for way, n in zip(starts, index, strict=True))
        yield np.asarray(image.data[_place(corner, starts, image)]), corner


def _places(image: Image) -> Iterator[tuple[slice, ...]]:
    starts = _starts(image, PIECE_BYTES)
    for corner in itertools.product(*starts):
        yield _place(corner, starts, image)


def _starts(image: Image, most_bytes: int) -> list[range]:
    """Where pieces begin along each axis."""
    return [range(0, n, s) for n, s in zip(image.shape, _size(image, most_bytes), strict=True)]


def _place(corner: tuple[int, ...], starts: Sequence[range], image: Image) -> tuple[slice, ...]:
    """The piece that begins there."""
    return tuple(
        slice(first, min(first + way.step, n))
        for first, way, n in zip(corner, starts, image.shape, strict=True)
    )


def _size(image: Image, most_bytes: int) -> tuple[int, ...]:
    """The size of a piece: a chunk, or more of them along the last axes first."""
    chunk = grain(image.data)
    if chunk is None:
        if not image.axes.endswith("YX"):
            raise InputError(
                f"axes {image.axes!r} do not end in YX",
                where=image.source,
                remedy="Reorder the image so that Y and X come last",
            )
        return (*[1] * (len(image.shape) - 2), *(max(n, 1) for n in image.shape[-2:]))
    size = [max(1, min(part, n)) for part, n in zip(chunk, image.shape, strict=True)]
    room = most_bytes // (image.dtype.itemsize * int(np.prod(size, dtype=np.int64)))
    for axis in reversed(range(len(size))):
        times = max(1, min(room, -(-image.shape[axis] // size[axis])))
        size[axis] *= times
        room //= times
    return tuple(size)
