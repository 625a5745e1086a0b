"""A point spread function on its voxels, modelled or measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError
from carescope.image import VoxelSize, check_voxel_um

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PSF:
    """A point spread function on a voxel grid.

    Parameters
    ----------
    values
        (Z, Y, X) array, odd sizes, not negative, its sum 1, its bright core within a voxel of
        the centre. Kept as a read-only copy in float64.
    spacing_um
        Voxel size (z, y, x) in micrometres.
    kind
        ``"measured"``, or the name of the model.
    parameters
        The arguments of the model.
    model
        For a modelled PSF, the function of ``spacing_um`` that computes it.

    Raises
    ------
    InputError
        The values are no PSF, or the spacing is not three positive numbers.
    """

    values: Floats
    spacing_um: VoxelSize
    kind: str = "measured"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    model: Callable[..., PSF] | None = None

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)
        if values.ndim != 3 or any(n % 2 == 0 for n in values.shape):
            raise _no_psf(f"has the shape {describe_shape(values.shape)}, not three odd sizes")
        if not np.isfinite(values).all() or values.min() < 0:
            raise _no_psf("has values that are negative or not finite")
        if abs(values.sum() - 1) > 1e-6:
            raise _no_psf(f"sums to {values.sum():g}, not to 1")
        off = core(values) - (np.array(values.shape) - 1) / 2
        if np.abs(off).max() > 1:
            raise _no_psf(f"has its core {np.round(off, 1).tolist()} voxels off its centre")
        values.setflags(write=False)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "spacing_um", check_voxel_um(self.spacing_um))

    def resampled(self, spacing_um: VoxelSize) -> PSF:
        """The same PSF on voxels of another size, its core exactly at the centre.

        A modelled PSF is computed anew. A measured one is interpolated by cubic splines at
        points no farther apart than its own voxels, and these are averaged over each new
        voxel, so that a coarser grid does not alias.
        """
        spacing_um = check_voxel_um(spacing_um)
        if self.model is not None:
            if np.allclose(spacing_um, self.spacing_um, rtol=1e-9, atol=0):
                return self
            return self.model(spacing_um=spacing_um)
        values = _interpolated(self.values, self.spacing_um, spacing_um)
        return PSF(values, spacing_um, self.kind, self.parameters)


def measured(values: npt.ArrayLike, spacing_um: VoxelSize, background: float | None = None) -> PSF:
    """A PSF from the image of a point, such as a bead.

    The brightest spot is put at the centre, the background and the noise above it are set to
    zero, and rims that hold less than a thousandth of the light are cut off.

    Parameters
    ----------
    values
        (Z, Y, X) image of a single bead, its focus at least a voxel inside.
    spacing_um
        Its voxel size (z, y, x) in micrometres.
    background
        Grey level without light; by default the median of the image's outer faces.

    Raises
    ------
    InputError
        This is not an image of a point.
    """
    image = np.asarray(values, dtype=np.float64)
    if image.ndim != 3 or min(image.shape) < 3 or not np.isfinite(image).all():
        raise _no_psf(f"is not a stack of finite values: {describe_shape(image.shape)}")
    inner = np.zeros(image.shape, dtype=bool)
    inner[1:-1, 1:-1, 1:-1] = True
    shell = image[~inner]
    if background is None:
        background = float(np.median(shell))
    noise = 1.4826 * float(np.median(np.abs(shell - np.median(shell))))
    light = image - background
    light[light <= 3 * noise] = 0
    if not light.any():
        raise _no_psf("shows no point above its background")
    centre = np.rint(core(light)).astype(int)
    if light[tuple(centre)] < light.max() / 2:
        raise _no_psf("shows more than one point")
    if light[~inner].max() >= light.max() / 2:
        raise _no_psf("has its bright core on the border of the image")
    reach = np.minimum(centre, np.array(light.shape) - 1 - centre)
    window = tuple(slice(c - r, c + r + 1) for c, r in zip(centre, reach, strict=True))
    light = trimmed(light[window], 1e-3)
    return PSF(light / light.sum(), check_voxel_um(spacing_um))


def gaussian_taps(sigma: float) -> Floats:
    """A Gaussian sampled to 4 sigma whose variance on the grid is `sigma` squared.

    Below about 0.6 samples, mere sampling would lose variance; variances then would no
    longer add when kernels are convolved.

    Parameters
    ----------
    sigma
        Standard deviation in samples.

    Returns
    -------
    Array of odd length, its sum 1.
    """
    from scipy.optimize import brentq

    if sigma < 0.05:
        return np.ones(1)
    position = np.arange(-math.ceil(4 * sigma), math.ceil(4 * sigma) + 1, dtype=np.float64)

    def taps(width: float) -> Floats:
        weights = np.exp(-0.5 * (position / width) ** 2)
        return np.asarray(weights / weights.sum())

    def excess(width: float) -> float:
        return float(taps(width) @ position**2) - sigma**2

    return taps(brentq(excess, 0.05, 2 * sigma + 1))


def trimmed(values: Floats, tolerance: float) -> Floats:
    """Cut off rims, alike at both ends of an axis, that hold less than `tolerance` of the sum."""
    for axis in range(values.ndim):
        line = values.sum(axis=tuple(a for a in range(values.ndim) if a != axis))
        rim = np.cumsum(line + line[::-1])[: len(line) // 2]
        cut = int(np.count_nonzero(rim < tolerance * line.sum()))
        values = np.take(values, range(cut, len(line) - cut), axis=axis)
    return values


def _no_psf(why: str) -> InputError:
    return InputError(
        f"the PSF {why}", where="--psf", remedy="Give the image of a single bead, in focus inside"
    )


def core(values: Floats) -> Floats:
    """Centre of mass (z, y, x) of what exceeds half of the maximum."""
    bright = np.maximum(values - values.max() / 2, 0)
    axes = (np.arange(n, dtype=np.float64) for n in values.shape)
    moments = [(bright * grid).sum() for grid in np.meshgrid(*axes, indexing="ij", sparse=True)]
    return np.asarray(moments / bright.sum())


def _interpolated(values: Floats, old_um: VoxelSize, new_um: VoxelSize) -> Floats:
    """Spline-interpolate a PSF about its core and average it over new voxels."""
    from scipy.ndimage import map_coordinates

    coordinates, parts = [], []
    for middle, n, old, new in zip(core(values), values.shape, old_um, new_um, strict=True):
        half = max(1, math.floor(min(middle, n - 1 - middle) * old / new))
        part = math.ceil(new / old) | 1
        fine = (np.arange((2 * half + 1) * part) - part // 2) / part - half
        coordinates.append(middle + fine * new / old)
        parts.append(part)
    points = np.meshgrid(*coordinates, indexing="ij")
    fine_values = map_coordinates(values, points, order=3, mode="constant")
    shape = [side for c, p in zip(coordinates, parts, strict=True) for side in (len(c) // p, p)]
    coarse = np.maximum(fine_values.reshape(shape).mean(axis=(1, 3, 5)), 0)
    return np.asarray(coarse / coarse.sum())
