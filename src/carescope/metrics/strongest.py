"""Where an image is worst: the windows around the largest values of a map."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError, UsageError
from carescope.metrics.restoration import match, normalise_truth

Float32 = npt.NDArray[np.float32]

LOCAL_PX = 5
"""Values are means of so many pixels along Y and X, as a small structure fills them."""


class Place(NamedTuple):
    """A window of an image, and how large the local value is that it was chosen for."""

    value: float
    window: tuple[slice, ...]
    """A slice for each axis, of length 1 along all but Y and X."""


def strongest(
    values: npt.ArrayLike, count: int = 1, size_px: int = 64, *, local_px: int = LOCAL_PX
) -> list[Place]:
    """Find the windows around the largest local means of a map, the largest first.

    Parameters
    ----------
    values : (..., Y, X) array
        A map such as of errors, or of the disagreement of an ensemble. What is not-a-number is
        never the largest.
    count
        How many to find. There are fewer where no more fit.
    size_px
        Side of the windows along Y and X; a smaller image is shown whole.
    local_px
        Side of the squares over which the map is averaged first.

    Returns
    -------
    list of Place
        No two windows of a plane overlap, nor do those of planes less than `size_px` apart.

    Raises
    ------
    InputError
        The map has no Y and X, or no pixel.
    UsageError
        A count or size is below 1.
    """
    from scipy.ndimage import uniform_filter

    array = np.asarray(values, np.float32)
    if array.ndim < 2 or array.size == 0:
        raise InputError(
            f"a map of shape {describe_shape(array.shape)} has no windows",
            remedy="Give one with at least the axes Y and X",
        )
    if min(count, size_px, local_px) < 1:
        raise UsageError(
            f"{count} windows of {size_px} pixels cannot be chosen", remedy="Ask for at least 1"
        )
    known = np.isfinite(array)
    means = uniform_filter(
        np.where(known, array, 0), (*(1,) * (array.ndim - 2), local_px, local_px), mode="nearest"
    )
    means[~known] = -np.inf
    found: list[Place] = []
    while len(found) < count and (best := means.max()) > -np.inf:
        peak = np.unravel_index(int(np.argmax(means)), means.shape)
        window = _window(peak, array.shape, size_px)
        found.append(Place(float(best), window))
        means[_near(window, array.shape, size_px)] = -np.inf
    return found


def strongest_errors(
    truth: npt.ArrayLike,
    restored: npt.ArrayLike,
    count: int = 2,
    size_px: int = 64,
    *,
    scale: npt.ArrayLike | None = None,
) -> list[Place]:
    """Find where a restoration is farthest from the truth: the paper's search for hallucinations.

    Of a whole test set, take those of all its images and keep the largest: the values can be
    compared between images.

    Parameters
    ----------
    truth, restored : (..., Y, X) arrays of one shape
        In any units; the restoration is brought onto the truth by the best gain and offset, as
        for `nrmse`.
    count
        How many places to find.
    size_px
        Side of the windows along Y and X.
    scale : (..., Y, X) array, optional
        How far off the network expects to be. With it the errors are in units of the scale, and
        truth, restoration and scale are taken as they are, in one unit: what is found is where
        the network is most wrong about itself.

    Returns
    -------
    list of Place
        Values are local means of the absolute error, over the truth's range from its 0.1 to its
        99.9 percentile or over the scale.

    Raises
    ------
    InputError
        The shapes differ, a value is not finite, or an image is constant.
    UsageError
        A count or size is below 1.

    References
    ----------
    .. [1] Weigert et al., Content-aware image restoration: pushing the limits of fluorescence
       microscopy, Nature Methods 15 (2018), Supplementary Figure 25.
       https://doi.org/10.1038/s41592-018-0216-7
    """
    if scale is None:
        target = normalise_truth(truth)
        return strongest(np.abs(target - match(target, restored)), count, size_px)
    y, mu, sigma = (np.asarray(a, np.float64) for a in (truth, restored, scale))
    if not y.shape == mu.shape == sigma.shape:
        shapes = ", ".join(describe_shape(a.shape) for a in (y, mu, sigma))
        raise InputError(
            f"truth, restoration and scale are {shapes}",
            remedy="Crop them so that all show the same pixels",
        )
    return strongest(np.abs(y - mu) / np.maximum(sigma, 1e-30), count, size_px)


def _window(peak: tuple[np.intp, ...], shape: tuple[int, ...], size_px: int) -> tuple[slice, ...]:
    """The window about a peak, shifted to lie within the image."""
    plane = [slice(int(p), int(p) + 1) for p in peak[:-2]]
    starts = [_start(np.asarray(p), n, size_px) for p, n in zip(peak[-2:], shape[-2:], strict=True)]
    return *plane, *(
        slice(int(start), min(n, int(start) + size_px))
        for start, n in zip(starts, shape[-2:], strict=True)
    )


def _near(window: tuple[slice, ...], shape: tuple[int, ...], size_px: int) -> tuple[slice, ...]:
    """The peaks whose own windows would overlap this one."""
    near = [slice(max(0, w.start - size_px + 1), w.start + size_px) for w in window[:-2]]
    for taken, n in zip(window[-2:], shape[-2:], strict=True):
        starts = _start(np.arange(n), n, size_px)
        at = np.flatnonzero(np.abs(starts - taken.start) < size_px)
        near.append(slice(int(at[0]), int(at[-1]) + 1))
    return tuple(near)


def _start(peak: npt.NDArray[np.intp], length: int, size_px: int) -> npt.NDArray[np.intp]:
    """Where the window about a peak begins along an axis."""
    return np.clip(peak - size_px // 2, 0, max(0, length - size_px))
