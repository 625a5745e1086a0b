"""Stacks with more planes or fewer than were recorded, computed as they are read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from carescope.grid import Grid
from carescope.image import Image, Lazy, spelt_out
from carescope.physics.sampling import (
    Interpolation,
    Matrix,
    cubic_matrix,
    resample,
    upsample_window,
)


def finer(stack: Image, factor: float, interpolation: Interpolation = "cubic") -> Image:
    """A stack with planes interpolated between its own, as restoring does it; float32.

    Parameters
    ----------
    stack
        Axes ZYX, perhaps with C and T.
    factor
        Planes per plane, at least 1.
    interpolation
        ``cubic`` or ``linear``.

    Returns
    -------
    Image
        With floor((planes - 1) * factor) + 1 planes, the first on the first; nothing is read yet.
    """
    grid = Grid(stack.size("Z"), factor, 1.0)
    weights, planes = upsample_window(grid, 0, grid.restored_planes, interpolation)
    matrix = np.zeros((len(weights), grid.planes), np.float32)
    matrix[:, planes] = weights
    return _resampled(stack, matrix, 1 / factor)


def coarser(stack: Image, factor: float, planes: int | None = None) -> Image:
    """A stack's planes at 0, `factor`, 2 `factor`, ...; float32.

    Parameters
    ----------
    stack
        Axes ZYX, perhaps with C and T.
    factor
        Distance of the planes that are kept, at least 1; between planes they are interpolated.
    planes
        How many to keep; by default all that there are.
    """
    whole = int((stack.size("Z") - 1) / factor + 1e-6) + 1
    at = np.arange(whole if planes is None else planes) * factor
    return _resampled(stack, cubic_matrix(at, stack.size("Z")), factor)


def overlaid(low: Image, high: Image, factor: float) -> tuple[Image, Image]:
    """A stack interpolated along Z, and of one with `factor` times as many planes the same ones."""
    low = finer(low, factor)
    return low, high.cropped({"Z": slice(0, low.size("Z"))})


def _resampled(stack: Image, matrix: Matrix, farther: float) -> Image:
    """Planes that are weighted sums of a stack's, so many times as far apart."""
    voxel = stack.voxel_um and (stack.voxel_um[0] * farther, *stack.voxel_um[1:])
    return replace(
        stack, data=_Resampled(stack.data, stack.axes.index("Z"), matrix), voxel_um=voxel
    )


class _Resampled:
    """A lazy array, one axis of which is multiplied by a matrix."""

    def __init__(self, data: Lazy, at: int, matrix: Matrix) -> None:
        self.data, self.at, self.matrix = data, at, matrix
        self.shape = (*data.shape[:at], len(matrix), *data.shape[at + 1 :])
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, index: Any) -> Any:
        parts = spelt_out(index, len(self.shape))
        wanted = parts[self.at]
        alone = not isinstance(wanted, slice)
        rows = self.matrix[[wanted]] if alone else self.matrix[wanted]
        used = np.flatnonzero(rows.any(axis=0))
        first, stop = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
        read = (*parts[: self.at], slice(first, stop), *parts[self.at + 1 :])
        # Axes before this one that were given an integer are gone.
        axis = sum(isinstance(part, slice) for part in parts[: self.at])
        planes = np.moveaxis(np.asarray(self.data[read]), axis, 0)
        made = resample(rows[:, first:stop], planes)
        return made[0] if alone else np.moveaxis(made, 0, axis)
