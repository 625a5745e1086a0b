"""Find bright spots in a stack, fit them, and cut them out between voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

# A Gaussian of standard deviation 1 is this wide at half maximum.
FWHM = 2.3548
# Above the noise, in standard deviations; and as a share of a typical spot.
CLEARLY = 8.0
TYPICAL_SHARE = 0.2
MOST = 5000
# Less smoothing would let single photons pass for spots.
LEAST_SIGMA = 0.8
# Beyond it, a cubic spline depends on a voxel by less than 1e-3.
MARGIN = 6


@dataclass(frozen=True, eq=False)
class Spots:
    """Bright spots, the brightest first.

    Parameters
    ----------
    at
        (N, 3) voxels of the maxima.
    height
        (N,) brightness above the stack's median.
    fwhm_px
        (3,) median full width at half maximum along each axis, in voxels.
    """

    at: Places
    height: Floats
    fwhm_px: Floats


def find(image: npt.NDArray[Any]) -> Spots | None:
    """Find spots of about the same brightness; None where there are none.

    They are sought twice: first after slight smoothing, which tells how wide spots are; then
    smoothed by a share of that width, so that noise does not split a wide one.

    Parameters
    ----------
    image
        (Z, Y, X) array in grey levels.
    """
    grey = image.astype(np.float32)
    smooth, at, height = _maxima(grey, np.ones(3), np.full(3, 2))
    widths = [_widths(smooth, place, tall) for place, tall in zip(at, height, strict=True)]
    known = np.array([w for w in widths if np.isfinite(w).all()])
    if len(known) == 0:
        return None
    fwhm_px = np.sqrt(np.maximum(np.median(known, axis=0) ** 2 - FWHM**2, 1.5**2))
    sigma = np.maximum(0.4 * fwhm_px, LEAST_SIGMA)
    _, at, height = _maxima(grey, sigma, np.ceil(0.75 * fwhm_px).astype(np.int64))
    return Spots(at, height, fwhm_px) if len(at) else None


def fit(image: npt.NDArray[Any], at: Places, fwhm_px: Floats) -> Floats:
    """Fit a Gaussian to a spot and what surrounds it within a width.

    Returns
    -------
    (7,) position z, y, x; height above the background; standard deviation z, y, x; in voxels
    and grey levels. Not-a-number where no Gaussian fits that peaks within half a width.
    """
    from scipy.optimize import least_squares

    half = np.maximum(np.rint(fwhm_px), 2).astype(np.int64)
    values, start = crop(image, at, half)
    values = values.astype(np.float64)
    axes = [np.arange(n) + s for n, s in zip(values.shape, start, strict=True)]
    dark, bright = np.quantile(values, [0.1, 1.0])
    scale = max(bright - dark, 1e-12)

    def model(p: Floats) -> Floats:
        z, y, x = (
            np.exp(-0.5 * ((a - c) / s) ** 2) for a, c, s in zip(axes, p[:3], p[4:7], strict=True)
        )
        return np.asarray(p[3] * z[:, None, None] * y[:, None] * x + p[7])

    first = np.concatenate([at, [1.0], fwhm_px / FWHM, [0.0]])
    scaled = (values - dark) / scale
    found = least_squares(lambda p: (model(p) - scaled).ravel(), first, method="lm", max_nfev=400)
    result = np.array(found.x[:7])
    result[4:] = np.abs(result[4:])
    if result[3] <= 0 or (np.abs(result[:3] - at) > np.maximum(fwhm_px / 2, 1)).any():
        return np.full(7, np.nan)
    result[3] *= scale
    return result


def crop(image: npt.NDArray[Any], at: Places, half: Places) -> tuple[npt.NDArray[Any], Places]:
    """What lies around a voxel within the image, and where that begins."""
    start = np.maximum(at - half, 0)
    stop = np.minimum(at + half + 1, image.shape)
    return image[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))], start


def shifted(image: npt.NDArray[Any], at: Floats, half: Places) -> Floats:
    """What surrounds a place between voxels, less the median of its outer faces.

    Returns
    -------
    (2 half + 1) array whose middle voxel is `at`, by cubic splines.
    """
    from scipy.ndimage import map_coordinates

    values, start = crop(image, np.rint(at).astype(np.int64), half + MARGIN)
    steps = [np.arange(-h, h + 1) + a - s for h, a, s in zip(half, at, start, strict=True)]
    points = np.meshgrid(*steps, indexing="ij")
    cut = map_coordinates(values.astype(np.float64), points, order=3, mode="nearest")
    inner = np.zeros(cut.shape, np.bool_)
    inner[1:-1, 1:-1, 1:-1] = True
    return np.asarray(cut - np.median(cut[~inner]))


def _maxima(grey: npt.NDArray[np.float32], sigma: Floats, apart: Places) -> Any:
    """The smoothed stack less its median, and its clear maxima: where and how high."""
    from scipy.ndimage import gaussian_filter, maximum_filter

    smooth = gaussian_filter(grey, sigma)
    smooth -= np.median(smooth)
    highest = smooth == maximum_filter(smooth, size=tuple(2 * apart + 1))
    at = np.argwhere(highest & (smooth > CLEARLY * _noise(smooth)))
    height = smooth[tuple(at.T)].astype(np.float64)
    order = np.argsort(-height, kind="stable")[:MOST]
    at, height = at[order], height[order]
    if len(height):
        # The root is a weight by which neither many specks nor a few clumps pass for typical.
        weight = np.cumsum(np.sqrt(height))
        typical = height[np.searchsorted(weight, weight[-1] / 2)]
        at, height = (
            at[height >= TYPICAL_SHARE * typical],
            height[height >= TYPICAL_SHARE * typical],
        )
    return smooth, at, height


def _noise(values: npt.NDArray[np.float32]) -> float:
    """Standard deviation of the background: of what is within five of it of the mean.

    A median would say 0 where most voxels are clipped to the same value.
    """
    background = values.ravel()
    for _ in range(20):
        mean, spread = float(background.mean()), float(background.std())
        inside = background[np.abs(background - mean) <= 5 * spread]
        if len(inside) == len(background):
            break
        background = inside
    return spread


def _widths(smooth: npt.NDArray[np.float32], at: Places, height: float) -> Floats:
    """Full widths at half maximum (3,) through a maximum; infinite where a border cuts one."""
    widths = np.empty(3)
    for axis in range(3):
        line = smooth[tuple(slice(None) if a == axis else at[a] for a in range(3))]
        sides = (line[at[axis] :], line[at[axis] :: -1])
        widths[axis] = sum(_until_half(side, height) for side in sides)
    return widths


def _until_half(side: npt.NDArray[np.float32], height: float) -> float:
    """How far a line, from its maximum on, stays above half of it, linear between samples."""
    below = np.flatnonzero(side < height / 2)
    if len(below) == 0:
        return np.inf
    last = int(below[0]) - 1
    return last + float((side[last] - height / 2) / (side[last] - side[last + 1]))
