"""Axial sampling and its counterpart, cubic upsampling, as matrices that act on axis 0.

One kernel serves both: Keys' cubic convolution with a = -1/2 (doi:10.1109/TASSP.1981.1163711),
which passes through the samples and reproduces parabolas; beyond the first and last plane
these are repeated.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from carescope.errors import UsageError
from carescope.grid import Grid

Matrix = npt.NDArray[np.float32]
Interpolation = Literal["cubic", "linear"]
TINY = 1e-6


def positions(factor: float, phase: float, length: int) -> npt.NDArray[np.float64]:
    """Where planes are recorded: ``phase + k * factor``, up to the last of `length` planes.

    Parameters
    ----------
    factor
        Distance of recorded planes, in fine ones; at least 1, need not be whole.
    phase
        Position of the first recorded plane, from 0 to ``length - 1``.
    length
        Number of fine planes.

    Raises
    ------
    UsageError
        The factor is below 1, or the first recorded plane is none of them.
    """
    if not factor >= 1 or not 0 <= phase <= length - 1:
        raise UsageError(
            f"{length} planes cannot be sampled every {factor:g} from {phase:g} on",
            where="--factor",
            remedy="Give a factor of at least 1, and a first position within the planes",
        )
    count = math.floor((length - 1 - phase) / factor + TINY) + 1
    return np.asarray(np.minimum(phase + np.arange(count) * factor, length - 1))


def cubic_matrix(positions: npt.ArrayLike, n: int) -> Matrix:
    """Weights that interpolate `n` samples at fractional positions.

    Parameters
    ----------
    positions
        Any number of positions, counted in samples.
    n
        Number of samples.

    Returns
    -------
    (len(positions), n) array of float32, its rows of sum 1, at most four weights in each; a
    position within a millionth of a sample takes that sample as it is.
    """
    place = np.atleast_1d(np.asarray(positions, dtype=np.float64))
    place = np.where(np.abs(place - np.rint(place)) < TINY, np.rint(place), place)
    first = np.floor(place).astype(np.int64)
    t = place - first
    weights = np.stack(
        [
            ((-0.5 * t + 1) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1,
            ((-1.5 * t + 2) * t + 0.5) * t,
            (0.5 * t - 0.5) * t * t,
        ],
        axis=1,
    )
    columns = np.clip(first[:, None] + np.arange(-1, 3), 0, n - 1)
    matrix = np.zeros((len(place), n))
    np.add.at(matrix, (np.arange(len(place))[:, None], columns), weights)
    return matrix.astype(np.float32)


def linear_matrix(positions: npt.ArrayLike, n: int) -> Matrix:
    """The same as `cubic_matrix`, with the two neighbours in proportion to their nearness."""
    place = np.clip(np.atleast_1d(np.asarray(positions, dtype=np.float64)), 0, n - 1)
    first = np.minimum(np.floor(place + TINY).astype(np.int64), max(n - 2, 0))
    matrix = np.zeros((len(place), n))
    rows = np.arange(len(place))
    np.add.at(matrix, (rows, first), 1 - (place - first))
    np.add.at(matrix, (rows, np.minimum(first + 1, n - 1)), place - first)
    return matrix.astype(np.float32)


def resample(matrix: Matrix, volume: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Multiply axis 0 of a volume by a matrix, adding up each plane in the same order.

    Only weights other than 0 are used, one after the other, so that a plane is the same to
    the last bit whichever others are computed with it.

    Parameters
    ----------
    matrix
        (M, N) weights.
    volume
        (N, ...) array; float64 stays so, all else is worked in float32.

    Returns
    -------
    (M, ...) array, float32 or float64.
    """
    from scipy.sparse import csr_array

    dtype = np.float64 if volume.dtype == np.float64 else np.float32
    lines = np.asarray(volume, dtype=dtype).reshape(len(volume), -1)
    product = csr_array(matrix.astype(dtype)) @ lines
    return np.asarray(product).reshape(len(matrix), *volume.shape[1:])


def sample(volume: npt.NDArray[Any], factor: float, phase: float = 0) -> npt.NDArray[Any]:
    """Keep the planes at ``phase + k * factor`` of a (Z, ...) volume; whole ones as they are."""
    length = len(volume)
    return resample(cubic_matrix(positions(factor, phase, length), length), volume)


def sample_adjoint(
    planes: npt.NDArray[Any], factor: float, length: int, phase: float = 0
) -> npt.NDArray[Any]:
    """The transpose of `sample`: from the kept planes to a volume of `length` planes."""
    return resample(cubic_matrix(positions(factor, phase, length), length).T, planes)


def upsample(coarse: npt.NDArray[Any], grid: Grid) -> npt.NDArray[Any]:
    """Interpolate the recorded planes at every restored one; recorded ones stay as they are.

    Parameters
    ----------
    coarse
        (grid.planes, ...) array.
    grid
        The stack's axial geometry.

    Returns
    -------
    (grid.restored_planes, ...) array, float32 or float64.
    """
    matrix, _ = upsample_window(grid, 0, grid.restored_planes)
    return resample(matrix, coarse)


def upsample_adjoint(fine: npt.NDArray[Any], grid: Grid) -> npt.NDArray[Any]:
    """The transpose of `upsample`: from restored planes to recorded ones."""
    matrix, _ = upsample_window(grid, 0, grid.restored_planes)
    return resample(matrix.T, fine)


def upsample_window(
    grid: Grid, start: int, stop: int, interpolation: Interpolation = "cubic"
) -> tuple[Matrix, slice]:
    """The part of `upsample` that gives some restored planes.

    Parameters
    ----------
    grid
        The stack's axial geometry.
    start, stop
        Restored planes ``start .. stop - 1``.
    interpolation
        ``cubic`` or ``linear``.

    Returns
    -------
    matrix
        (stop - start, n) weights, for `resample`.
    planes
        The n recorded planes that they act on. ``resample(matrix, coarse[planes])`` equals
        ``upsample(coarse, grid)[start:stop]`` to the last bit.

    Raises
    ------
    UsageError
        There are no such restored planes.
    """
    if not 0 <= start < stop <= grid.restored_planes:
        raise UsageError(
            f"there are no restored planes {start} to {stop - 1}",
            remedy=f"Restored planes run from 0 to {grid.restored_planes - 1}",
        )
    weights = {"cubic": cubic_matrix, "linear": linear_matrix}[interpolation]
    matrix = weights(np.arange(start, stop) / grid.factor, grid.planes)
    used = np.flatnonzero(matrix.any(axis=0))
    planes = slice(int(used[0]), int(used[-1]) + 1)
    return matrix[:, planes], planes
