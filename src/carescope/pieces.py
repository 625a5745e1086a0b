"""Passes over an image in pieces that it can give without reading anything twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
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


def _places(image: Image) -> Iterator[tuple[slice, ...]]:
    starts = [range(0, n, size) for n, size in zip(image.shape, _size(image), strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(
            slice(first, min(first + way.step, n))
            for first, way, n in zip(corner, starts, image.shape, strict=True)
        )


def _size(image: Image) -> tuple[int, ...]:
    """The size of a piece: whole chunks, more of them along the last axes first."""
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
    room = PIECE_BYTES // (image.dtype.itemsize * int(np.prod(size, dtype=np.int64)))
    for axis in reversed(range(len(size))):
        times = max(1, min(room, -(-image.shape[axis] // size[axis])))
        size[axis] *= times
        room //= times
    return tuple(size)
