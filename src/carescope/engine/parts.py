"""A patch that is too large for the memory of a device, in two parts, and those in two again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from carescope.errors import OutOfMemoryError, of_memory

Floats = npt.NDArray[np.float32]

#: Where nothing forces a cut, it is worth seeing the overlap twice for parts at most so long, of
#: the whole.
WORTH_CUTTING = 0.75


def in_parts(
    run: Callable[[Floats], Floats],
    patch: Floats,
    *,
    reach: Sequence[int],
    grid: Sequence[int],
    whole: Sequence[int] = (),
    most_px: float = math.inf,
) -> Floats:
    """What `run` makes of a patch, in as few parts as fit into memory.

    Parts overlap by what the network looks at, so that they agree with the whole up to rounding.

    Parameters
    ----------
    run
        Maps (batch, C, *space) to (batch, parts, *space), or to fewer spatial axes, the first of
        which were summed up.
    patch
        What it is to see.
    reach, grid
        How far it looks, and its pooling cell, along each spatial axis.
    whole
        Spatial axes that are never cut.
    most_px
        How many pixels to see at once at most, as far as parts do not become mostly overlap.

    Raises
    ------
    OutOfMemoryError
        Not even the smallest part fits.
    """
    space = patch.shape[2:]
    if len(patch) * math.prod(space) <= most_px or not _pays(patch, reach, grid, whole):
        try:
            return run(patch)
        except (MemoryError, RuntimeError) as error:
            if not of_memory(error):
                raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def again(part: Floats) -> Floats:
        return in_parts(run, part, reach=reach, grid=grid, whole=whole, most_px=most_px)

    if len(patch) > 1:
        half = len(patch) // 2
        return np.concatenate([again(patch[:half]), again(patch[half:])])
    axis, middle, halo = _cut(space, reach, grid, whole)
    first = again(_along(patch, 2 + axis, 0, middle + halo))
    second = again(_along(patch, 2 + axis, middle - halo, None))
    at = first.ndim - (patch.ndim - 2 - axis)
    return np.concatenate([_along(first, at, 0, middle), _along(second, at, halo, None)], axis=at)


def _pays(patch: Floats, reach: Sequence[int], grid: Sequence[int], whole: Sequence[int]) -> bool:
    """Whether two parts of a patch are so much smaller that it is worth what is seen twice."""
    if len(patch) > 1:
        return True
    try:
        axis, middle, halo = _cut(patch.shape[2:], reach, grid, whole)
    except OutOfMemoryError:  # there is no smaller part
        return False
    return bool(middle + halo <= WORTH_CUTTING * patch.shape[2 + axis])


def _cut(
    space: Sequence[int], reach: Sequence[int], grid: Sequence[int], whole: Sequence[int]
) -> tuple[int, int, int]:
    """Which axis to cut, where, and how much further each part sees."""
    found = []
    for axis, (length, far, cell) in enumerate(zip(space, reach, grid, strict=True)):
        halo, middle = -(-far // cell) * cell, length // cell // 2 * cell
        if axis not in whole and halo < middle and middle + halo < length:
            found.append((length / (middle + halo), axis, middle, halo))
    if not found:
        raise OutOfMemoryError(
            f"there is not enough memory for a part of {' x '.join(map(str, space))} pixels",
            remedy="Close other programs, or restore with --engine torch and a smaller --memory",
        )
    _, axis, middle, halo = max(found)
    return axis, middle, halo


def _along(array: Floats, axis: int, start: int, stop: int | None) -> Floats:
    return array[(slice(None),) * axis + (slice(start, stop),)]
