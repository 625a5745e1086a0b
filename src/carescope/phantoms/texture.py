"""Smooth noise: what makes simulated structures uneven, slab by slab."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from carescope import rng

Volume = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

# Voxels of a slab: some ten arrays of this size are alive at once.
SLAB_VOXELS = 2_000_000
# Standard deviation of noise.
NOISE = 0.8
# Weight of a point of a grid at 0 to 1 of the way to the next: 1 - 10t^3 + 15t^4 - 6t^5.
FADE = np.polynomial.Polynomial([1, 0, 0, -10, 15, -6])


def slabs(shape: tuple[int, int, int]) -> list[slice]:
    """The planes of a volume in slices of a bounded number of voxels."""
    thickness = max(1, SLAB_VOXELS // (shape[1] * shape[2]))
    starts = range(0, shape[0], thickness)
    return [slice(first, min(first + thickness, shape[0])) for first in starts]


class SmoothNoise:
    """Isotropic noise without structure below `scale_px`: cubic splines over a random grid.

    Its mean is 0 and its standard deviation about `NOISE`, whatever the scale. It wanders over
    any distance, as the places of things and the height of folds do.

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


class PerlinNoise:
    """Isotropic noise of one scale: slopes in random directions on a grid, blended smoothly.

    Its mean is 0 over any volume much larger than `scale_px`, and its standard deviation `NOISE`.
    K. Perlin, Improving noise, SIGGRAPH 2002, doi:10.1145/566654.566636, with directions all
    over the sphere, and a grid that begins anywhere, so that octaves never rest at one place.

    Parameters
    ----------
    shape, scale_px, seed, stage, index
        As for `SmoothNoise`.

    Attributes
    ----------
    starts
        Where in its cell of the grid the first voxel lies along Z, Y and X, 0 to 1.
    directions
        Slope at each point of the grid along Z, Y and X, (3, points of Z, of Y, of X).
    """

    def __init__(
        self, shape: tuple[int, int, int], scale_px: int, seed: int, stage: str, index: int = 0
    ) -> None:
        draw = rng.generator(seed, stage, index)
        self.starts = draw.uniform(size=3)
        ramps = [_ramps(n, scale_px, start) for n, start in zip(shape, self.starts, strict=True)]
        self._fades, self._slopes = zip(*ramps, strict=True)
        directions = draw.normal(size=(3, *(fade.shape[1] for fade in self._fades)))
        directions *= NOISE / (_rms() * np.linalg.norm(directions, axis=0))
        self.directions = directions

    def planes(self, slab: slice) -> Volume:
        """The noise in some planes, (planes, Y, X)."""
        (fade_z, fade_y, fade_x), (slope_z, slope_y, slope_x) = self._fades, self._slopes
        up, down, right = self.directions
        level = np.tensordot(fade_z[slab], right, 1)
        tilted = fade_y @ np.tensordot(slope_z[slab], up, 1)
        tilted += slope_y @ np.tensordot(fade_z[slab], down, 1)
        return np.asarray(tilted @ fade_x.T + fade_y @ level @ slope_x.T, np.float32)


def _ramps(n: int, scale_px: int, start: float) -> tuple[Floats, Floats]:
    """Weights of a grid's points in n voxels (n, points), and the same times the way from them."""
    away = start + np.arange(n)[:, None] / scale_px - np.arange(n // scale_px + 3)
    fade = np.where(np.abs(away) < 1, FADE(np.abs(away)), 0)
    return fade, fade * away


def _rms() -> float:
    """Root mean square of noise with directions of length 1: the eight corners add up."""
    along, across = (FADE**2 * [0, 0, 1]).integ()(1), (FADE**2).integ()(1)
    return float(np.sqrt(8 * along * across**2))


def _interpolation(n: int, scale_px: int) -> Floats:
    """The matrix (n * scale, n) that interpolates n values by a cubic spline."""
    from scipy.ndimage import zoom

    columns = [zoom(unit, scale_px, order=3, mode="nearest") for unit in np.eye(n)]
    return np.stack(columns, axis=1)
