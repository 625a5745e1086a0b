"""Classical denoisers: arrays in, arrays out.

Each takes a plane (Y, X) or a volume (Z, Y, X) of real grey levels of any unit, and returns float32
of the same shape and unit. Beyond its borders an image goes on as its own mirror image. A parameter
that ends in ``_px`` counts pixels, the same along each axis; one that ends in ``_grey`` has the
unit of the image. None of them looks at the noise by itself: `carescope.baselines.apply` does, and
`carescope.baselines.tune` chooses parameters.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.errors import UsageError

Floats = npt.NDArray[np.float32]
Real = npt.NDArray[Any]


def low_pass(image: Real, *, sigma_px: float) -> Floats:
    """Gaussian filter.

    Parameters
    ----------
    image : (Y, X) or (Z, Y, X) array
        Grey levels.
    sigma_px
        Standard deviation of the Gaussian, positive.

    References
    ----------
    T. Lindeberg, IEEE Trans. Pattern Anal. Mach. Intell. 12, 1990, doi:10.1109/34.49051.
    """
    from scipy import ndimage

    values = _floats(image, sigma_px=sigma_px)
    return np.asarray(ndimage.gaussian_filter(values, sigma_px), np.float32)


def median(image: Real, *, radius_px: float) -> Floats:
    """Median over a disk, or over a ball in volumes.

    Parameters
    ----------
    image : (Y, X) or (Z, Y, X) array
        Grey levels.
    radius_px
        Pixels whose centres are not further away count: 1 takes the 4 neighbours (6 in
        volumes), 1.5 the diagonal ones too.

    References
    ----------
    T. Huang, G. Yang, G. Tang, IEEE Trans. Acoust. 27, 1979, doi:10.1109/TASSP.1979.1163188.
    """
    from scipy import ndimage

    values = _floats(image, radius_px=radius_px)
    side = np.arange(-int(radius_px), int(radius_px) + 1)
    distance = sum(d**2 for d in np.meshgrid(*[side] * values.ndim, indexing="ij", sparse=True))
    ball = np.asarray(distance) <= radius_px**2
    return np.asarray(ndimage.median_filter(values, footprint=ball), np.float32)


def bilateral(image: Real, *, sigma_px: float, sigma_grey: float) -> Floats:
    r"""Weighted mean of the pixels that are near in space and in grey level.

    A pixel at a distance d that differs by :math:`\delta` weighs
    :math:`\exp(-d^2 / 2\sigma_{px}^2 - \delta^2 / 2\sigma_{grey}^2)`, up to three
    :math:`\sigma_{px}` away along each axis. In volumes that takes minutes, so
    `carescope.baselines.METHODS` has the planes of a volume filtered one by one.

    Parameters
    ----------
    image : (Y, X) or (Z, Y, X) array
        Grey levels.
    sigma_px
        Standard deviation of the weights in space, positive.
    sigma_grey
        Standard deviation of the weights in grey level, positive.

    References
    ----------
    C. Tomasi, R. Manduchi, ICCV 1998, doi:10.1109/ICCV.1998.710815.
    """
    values = _floats(image, sigma_px=sigma_px, sigma_grey=sigma_grey)
    # Written out, because scikit-image 0.26 mistakes the places of the weights in space: its
    # result of a single bright pixel is not round.
    reach = math.ceil(3 * sigma_px)
    around = np.pad(values, reach, mode="symmetric")
    total, weights = np.zeros_like(values), np.zeros_like(values)
    for start in np.ndindex(*[2 * reach + 1] * values.ndim):
        there = around[tuple(slice(i, i + n) for i, n in zip(start, values.shape, strict=True))]
        distance = sum((i - reach) ** 2 for i in start) / (2 * sigma_px**2)
        weight = np.exp(-np.square(there - values) / np.float32(2 * sigma_grey**2) - distance)
        total += weight * there
        weights += weight
    return np.asarray(total / weights, np.float32)


def non_local_means(
    image: Real, *, strength_grey: float, sigma_grey: float, patch_px: int, search_px: int
) -> Floats:
    r"""Mean of the pixels whose surroundings look alike.

    A pixel at a mean square distance :math:`d^2` between surroundings weighs
    :math:`\exp(-\max(d^2 - 2 s^2, 0) / h^2)` with the strength h and the noise s.

    Parameters
    ----------
    image : (Y, X) or (Z, Y, X) array
        Grey levels.
    strength_grey
        h, positive.
    sigma_grey
        s, the standard deviation of the noise.
    patch_px
        Side of the surroundings that are compared, odd.
    search_px
        How far away pixels may be, along each axis.

    References
    ----------
    A. Buades, B. Coll, J.-M. Morel, CVPR 2005, doi:10.1109/CVPR.2005.38; made fast by J. Darbon et
    al., ISBI 2008, doi:10.1109/ISBI.2008.4541250.
    """
    from skimage.restoration import denoise_nl_means

    values = _floats(image, strength_grey=strength_grey, patch_px=patch_px, search_px=search_px)
    return np.asarray(
        denoise_nl_means(
            values,
            patch_size=int(patch_px),
            patch_distance=int(search_px),
            h=strength_grey,
            sigma=sigma_grey,
            fast_mode=True,
            preserve_range=True,
        ),
        np.float32,
    )


def total_variation(image: Real, *, weight_grey: float) -> Floats:
    r"""Minimise :math:`\frac12 \lVert u - g \rVert^2 + w\,TV(u)`, by Chambolle's dual iteration.

    Parameters
    ----------
    image : (Y, X) or (Z, Y, X) array
        Grey levels g.
    weight_grey
        w, positive; more of it flattens more.

    References
    ----------
    L. Rudin, S. Osher, E. Fatemi, Physica D 60, 1992, doi:10.1016/0167-2789(92)90242-F;
    A. Chambolle, J. Math. Imaging Vis. 20, 2004, doi:10.1023/B:JMIV.0000011325.36760.1e.
    """
    from skimage.restoration import denoise_tv_chambolle

    values = _floats(image, weight_grey=weight_grey)
    # At the library's own tolerance (2e-4) it often stops far from the minimum.
    found = denoise_tv_chambolle(  # type: ignore[no-untyped-call]
        values, weight=weight_grey, eps=2e-5, max_num_iter=300
    )
    return np.asarray(found, np.float32)


def bm3d(image: Real, *, sigma_grey: float) -> Floats:
    """Block matching and filtering of stacks of like blocks (BM3D), planes of a volume one by one.

    The package bm3d must be installed; its licence allows non-commercial use only.

    Parameters
    ----------
    image : (Y, X) or (Z, Y, X) array
        Grey levels.
    sigma_grey
        Standard deviation of the noise; more of it smooths more.

    Raises
    ------
    UsageError
        The package is not installed.

    References
    ----------
    K. Dabov et al., IEEE Trans. Image Process. 16, 2007, doi:10.1109/TIP.2007.901238; Y. Mäkinen,
    L. Azzari, A. Foi, IEEE Trans. Image Process. 29, 2020, doi:10.1109/TIP.2020.3014721.
    """
    try:
        from bm3d import bm3d as filtered
    except ImportError as error:
        raise _absent("bm3d") from error
    values = _floats(image, sigma_grey=sigma_grey)
    planes = values if values.ndim == 3 else values[np.newaxis]
    found = [filtered(plane.astype(np.float64), sigma_grey) for plane in planes]
    return np.asarray(np.reshape(found, values.shape), np.float32)


def bm4d(image: Real, *, sigma_grey: float) -> Floats:
    """Block matching and filtering of stacks of like cubes (BM4D), for volumes.

    The package bm4d must be installed; its licence allows non-commercial use only.

    Parameters
    ----------
    image : (Z, Y, X) array
        Grey levels.
    sigma_grey
        Standard deviation of the noise; more of it smooths more.

    Raises
    ------
    UsageError
        The package is not installed.

    References
    ----------
    M. Maggioni et al., IEEE Trans. Image Process. 22, 2013, doi:10.1109/TIP.2012.2210725.
    """
    try:
        from bm4d import bm4d as filtered
    except ImportError as error:
        raise _absent("bm4d") from error
    values = _floats(image, sigma_grey=sigma_grey)
    # Its cubes and its planes want 8 of everything.
    lack = [(0, max(0, 8 - n)) for n in values.shape]
    found = filtered(np.pad(values, lack, mode="symmetric").astype(np.float64), sigma_grey)
    return np.asarray(found[tuple(slice(n) for n in values.shape)], np.float32)


def _floats(image: Real, **positive: float) -> Floats:
    """The image as float32, or a refusal; so of parameters that are not positive."""
    for name, value in positive.items():
        if not value > 0:
            raise UsageError(f"{name} is {value:g}", remedy=f"Give {name} a positive number")
    values = np.asarray(image, np.float32)
    if values.ndim not in (2, 3) or values.size == 0:
        raise UsageError(
            f"the array has {values.ndim} dimensions and {values.size} pixels",
            remedy="Give a plane (Y, X) or a volume (Z, Y, X); channels and time points one by one",
        )
    return values


def _absent(package: str) -> UsageError:
    return UsageError(
        f"{package.upper()} needs the package {package}, which is not installed",
        remedy=f"Run pip install {package}, if its licence (non-commercial use) allows you to",
    )
