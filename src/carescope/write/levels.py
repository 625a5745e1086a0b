"""The resolution levels of a pyramid, and how their pixels are shared out over chunks and files."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from carescope.image import VoxelSize

#: The side of a chunk in pixels: of volumes, and of images of one plane.
VOLUME_CHUNK_PX, PLANE_CHUNK_PX = 64, 256
#: A level whose rows and columns are no more than this is the last one.
SMALLEST_LEVEL_PX = 256
#: What a file of a coarser level holds at most, before compression.
SHARD_BYTES = 1 << 25
#: Planes are averaged too while they are less than so many pixels apart: beyond, voxels come
#: closer to cubes where they are not.
_NEARLY = math.sqrt(2)


@dataclass(frozen=True)
class Level:
    """One resolution of an image.

    Parameters
    ----------
    shape
        A length for each axis.
    factors
        How many pixels of the finest level one pixel is the mean of, along each axis.
    chunk
        What is compressed at once, a length an axis.
    shard
        What is written into a file, whole chunks, a length an axis.
    """

    shape: tuple[int, ...]
    factors: tuple[int, ...]
    chunk: tuple[int, ...]
    shard: tuple[int, ...]

    def files(self) -> Iterator[tuple[slice, ...]]:
        """What each of its files holds, within the image."""
        yield from boxes(tuple(slice(0, n) for n in self.shape), self.shard)


def levels(
    shape: tuple[int, ...],
    axes: str,
    itemsize: int,
    voxel_um: VoxelSize | None,
    shard: tuple[int, ...] | None = None,
) -> list[Level]:
    """The levels of an image, the finest first.

    Each halves rows and columns, and planes where they are as close as pixels, until a plane has at
    most 256 pixels a side.

    Parameters
    ----------
    shape, axes
        Of the finest level.
    itemsize
        Bytes a pixel.
    voxel_um
        Voxel size (z, y, x), or None; then planes are never averaged.
    shard
        What the files of the finest level hold, if that is settled.
    """
    chunk = _chunk(shape, axes, shard)
    factors = (1,) * len(axes)
    if shard:
        whole = tuple(-(-n // part) * part for n, part in zip(shard, chunk, strict=True))
    else:
        whole = _shard(shape, chunk, itemsize)
    found = [Level(shape, factors, chunk, whole)]
    while max(found[-1].shape[-2:]) > SMALLEST_LEVEL_PX:
        last = found[-1].shape
        halved = _halved(last, axes, factors, voxel_um)
        factors = tuple(f * h for f, h in zip(factors, halved, strict=True))
        next_shape = tuple(-(-n // h) for n, h in zip(last, halved, strict=True))
        chunk = _chunk(next_shape, axes, None)
        found.append(Level(next_shape, factors, chunk, _shard(next_shape, chunk, itemsize)))
    return found


def mean(pixels: npt.NDArray[np.generic], halved: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Means of pairs of neighbours along each axis that is halved; a last one alone stays."""
    found = np.asarray(pixels, np.float64)
    for axis, half in enumerate(halved):
        if half == 2:
            moved = np.moveaxis(found, axis, 0)
            even, odd = moved[0::2].copy(), moved[1::2]
            even[: len(odd)] = (even[: len(odd)] + odd) / 2
            found = np.moveaxis(even, 0, axis)
    return found


def nearest(pixels: npt.NDArray[np.generic], halved: tuple[int, ...]) -> npt.NDArray[np.generic]:
    """The first of each pair of neighbours along each axis that is halved."""
    return pixels[tuple(slice(None, None, half) for half in halved)]


def boxes(whole: tuple[slice, ...], size: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Boxes of a size that cover a larger one; those at its end may be smaller."""
    starts = [range(w.start, w.stop, part) for w, part in zip(whole, size, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(
            slice(first, min(first + part, w.stop))
            for first, part, w in zip(corner, size, whole, strict=True)
        )


def _halved(
    shape: tuple[int, ...], axes: str, factors: tuple[int, ...], voxel_um: VoxelSize | None
) -> tuple[int, ...]:
    """2 for each axis that the next level halves, otherwise 1."""
    names = set("YX")
    if voxel_um is not None and "Z" in axes:
        sizes = dict(zip("ZYX", voxel_um, strict=True))
        now = {a: sizes[a] * f for a, f in zip(axes, factors, strict=True) if a in sizes}
        if now["Z"] < _NEARLY * min(now["Y"], now["X"]):
            names.add("Z")
    return tuple(2 if a in names and n > 1 else 1 for a, n in zip(axes, shape, strict=True))


def _chunk(shape: tuple[int, ...], axes: str, shard: tuple[int, ...] | None) -> tuple[int, ...]:
    """The chunk of a level: it divides the shard, where that is settled."""
    flat = dict(zip(axes, shape, strict=True)).get("Z", 1) == 1
    side = PLANE_CHUNK_PX if flat else VOLUME_CHUNK_PX
    sizes = []
    for at, (axis, n) in enumerate(zip(axes, shape, strict=True)):
        if axis in "TC":
            sizes.append(1)
        elif shard is None or shard[at] >= n:
            sizes.append(min(side, n))
        else:
            fitting = (part for part in (256, 128, 64) if part <= side and shard[at] % part == 0)
            sizes.append(next(fitting, shard[at]))
    return tuple(sizes)


def _shard(shape: tuple[int, ...], chunk: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Whole chunks, doubled along one axis after the other while a file is not too large."""
    size, grew = list(chunk), True
    while grew:
        grew = False
        for axis in reversed(range(len(size))):
            doubled = 2 * math.prod(size) * itemsize
            if chunk[axis] > 1 and size[axis] < shape[axis] and doubled <= SHARD_BYTES:
                size[axis] *= 2
                grew = True
    return tuple(size)
