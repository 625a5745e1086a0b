"""Smooth noise: what makes simulated structures uneven, slab by slab."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from carescope import rng

Volume = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

# Voxels of a slab: some ten arrays of this size are alive at once.
SLAB_VOXELS = 2_000_000
# Standard deviation of smooth noise.
NOISE = 0.8


def slabs(shape: tuple[int, int, int]) -> list[slice]:
    """The planes of a volume in slices of a bounded number of voxels."""
    thickness = max(1, SLAB_VOXELS // (shape[1] * shape[2]))
    starts = range(0, shape[0], thickness)
    return [slice(first, min(first + thickness, shape[0])) for first in starts]


class SmoothNoise:
    """Isotropic noise without structure below `scale_px`: cubic splines over a random grid.

    Its mean is 0 and its standard deviation about `NOISE`, whatever the scale.

    Parameters
    ----------
    shape
        Planes, rows and columns (Z, Y, X) of the volume.
    scale_px
        Distance of the grid's points in voxels.
    seed, stage, index
        Key of the random numbers, as for `carescope.rng.generator`.
    """

    def __init__(
        self, shape: tuple[int, int, int], scale_px: int, seed: int, stage: str, index: int = 0
    ) -> None:
        coarse = tuple(n // scale_px + 4 for n in shape)
        values = rng.generator(seed, stage, index).normal(size=coarse).astype(np.float32)
        self._values = values.astype(np.float64)
        self._splines = [
            _interpolation(c, scale_px)[scale_px : scale_px + n]
            for c, n in zip(coarse, shape, strict=True)
        ]

    def planes(self, slab: slice) -> Volume:
        """The noise in some planes, (planes, Y, X)."""
        along_z, along_y, along_x = self._splines
        values = np.tensordot(along_z[slab], self._values, 1)
        return np.asarray(along_y @ values @ along_x.T, np.float32)

    def at(self, voxels: npt.NDArray[np.int64]) -> Floats:
        """The noise at some voxels (N, 3), (N,)."""
        rows = [s[v] for s, v in zip(self._splines, voxels.T, strict=True)]
        return np.asarray(np.einsum("nz,ny,nx,zyx->n", *rows, self._values, optimize=True))


def _interpolation(n: int, scale_px: int) -> Floats:
    """The matrix (n * scale, n) that interpolates n values by a cubic spline."""
    from scipy.ndimage import zoom

    columns = [zoom(unit, scale_px, order=3, mode="nearest") for unit in np.eye(n)]
    return np.stack(columns, axis=1)
