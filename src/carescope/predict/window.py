"""Where a network looks for a part of an axis: a halo, whole pooling cells, mirrored borders.

An axis goes on beyond its ends as its own mirror image for `margin_px`, rounded up to whole pooling
cells; there the network's own padding begins. Without a margin an axis is only filled up to whole
cells, half of what is missing on each side. Where this canvas ends depends on the axis alone, so
that a part is the same whatever is restored beside it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]


def window(kept: slice, size: int, reach: int, cell: int, margin_px: int) -> Indices:
    """Indices to look at for what is kept: `reach` more on each side, in whole pooling cells.

    Parameters
    ----------
    kept
        The part of the axis that is restored, with start and stop.
    size
        Length of the axis in pixels.
    reach
        How far the network looks, in pixels.
    cell
        Length of its pooling cell in pixels.
    margin_px
        How far the axis goes on as its mirror image, at least.

    Returns
    -------
    (N,) int
        Rising by 1, N a multiple of `cell`; below 0 and from `size` on to be mirrored.
    """
    first, cells = canvas(size, cell, margin_px)
    start = max((kept.start - reach - first) // cell, 0)
    stop = min(-((kept.stop + reach - first) // -cell), cells)
    return np.arange(first + start * cell, first + stop * cell)


def canvas(size: int, cell: int, margin_px: int) -> tuple[int, int]:
    """The first index of an axis's canvas, and how many pooling cells it has."""
    if margin_px == 0:
        return -(-size % cell // 2), -(size // -cell)
    first = cell * (margin_px // -cell)
    return first, -((size + margin_px - first) // -cell)


def within(kept: slice, far: Indices) -> slice:
    """Where what is kept lies in a window."""
    return slice(kept.start - int(far[0]), kept.stop - int(far[0]))


def mirror(indices: Indices, size: int) -> Indices:
    """Indices folded into [0, size) by reflection at the first and last sample."""
    if size == 1:
        return np.zeros_like(indices)
    folded = np.abs(indices) % (2 * size - 2)
    return np.asarray(np.where(folded < size, folded, 2 * size - 2 - folded), np.intp)
