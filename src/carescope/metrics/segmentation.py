"""Simple segmentations, to see how far a restoration helps: no learning, next to no parameters.

Both take any image; both are meant to be applied alike to what is compared. The threshold is
chosen by a rule, or on other images (`best_threshold`), never by hand for each image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError, UsageError
from carescope.metrics.arrays import real, refuse_constant
from carescope.metrics.objects import seg

Labels = npt.NDArray[np.int32]
Real = npt.NDArray[Any]

BINS = 256
MOST_SMOOTHINGS = 10_000


def intermodes(image: npt.ArrayLike) -> float:
    """The grey level half-way between the two modes of a histogram.

    A histogram of 256 bins is smoothed by running means of three bins, again and again, until two
    maxima are left; the threshold lies in the middle between them.

    Parameters
    ----------
    image : array of any shape
        Grey levels.

    Raises
    ------
    InputError
        The image is constant or not finite, or its histogram has no two modes.

    References
    ----------
    J. Prewitt, M. Mendelsohn, Ann. N. Y. Acad. Sci. 128, 1966,
    doi:10.1111/j.1749-6632.1965.tb11715.x.
    """
    from scipy.ndimage import uniform_filter1d

    grey = real(image, "the image")
    refuse_constant(grey, "the image")
    counts, edges = np.histogram(grey, BINS)
    smooth = counts.astype(np.float64)
    for _ in range(MOST_SMOOTHINGS):
        modes = _maxima(smooth)
        if len(modes) <= 2:
            break
        smooth = uniform_filter1d(smooth, 3, mode="nearest")
    if len(modes) != 2:
        raise InputError(
            "the histogram of the image has no two modes, so no threshold lies between them",
            remedy="Take another threshold, such as Otsu's",
        )
    return float((edges[:-1] + edges[1:])[modes].mean() / 2)


def otsu(image: npt.ArrayLike) -> float:
    """The grey level that divides an image with the least variance within both parts.

    References
    ----------
    N. Otsu, IEEE Trans. Syst. Man Cybern. 9, 1979, doi:10.1109/TSMC.1979.4310076.
    """
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(np.asarray(image)))  # type: ignore[no-untyped-call]


def components(image: npt.ArrayLike, threshold: float, *, least_px: int = 1) -> Labels:
    """Connected parts of an image above a threshold.

    Parameters
    ----------
    image : (Y, X) or (Z, Y, X) array
        Grey levels.
    threshold
        Grey level; what is brighter belongs to an object.
    least_px
        Smaller parts are left out.

    Returns
    -------
    int32 array of the same shape
        0 for background, objects from 1 on. Pixels that share an edge (voxels that share a face)
        are connected.
    """
    from scipy.ndimage import label

    found, _ = label(np.asarray(image) > threshold)
    return _without_small(found, least_px)


def watershed(
    image: npt.ArrayLike,
    threshold: float,
    *,
    spacing: Sequence[float] | None = None,
    depth: float = 0.5,
    least_px: int = 1,
) -> Labels:
    """Threshold, fill holes, and cut clumps where they are thin.

    Holes are filled, and what is left is split by a watershed of the Euclidean distance to the
    background: one object for each maximum of that distance that rises at least `depth` above the
    pass to a higher one. With the threshold of `intermodes` that is the "simple 3D segmentation"
    of the IsoNet paper.

    Parameters
    ----------
    image : (Y, X) or (Z, Y, X) array
        Grey levels.
    threshold
        Grey level; what is brighter belongs to an object.
    spacing
        Distance of neighbouring pixels along each axis, in units of which `depth` is meant: for a
        stack the voxel size over the pixel size. All 1 without it.
    depth
        Above 0. More of it cuts less.
    least_px
        Smaller objects are left out.

    Returns
    -------
    int32 array of the same shape
        0 for background, objects from 1 on. Pixels that share a corner are connected.

    Raises
    ------
    UsageError
        `depth` is not positive.

    References
    ----------
    M. Weigert et al., MICCAI 2017, doi:10.1007/978-3-319-66185-8_15, section 3; L. Vincent,
    P. Soille, IEEE Trans. Pattern Anal. Mach. Intell. 13, 1991, doi:10.1109/34.87344.
    """
    from scipy import ndimage
    from skimage.segmentation import watershed as flooded

    if not depth > 0:
        raise UsageError(f"depth is {depth:g}", remedy="Give a positive one, such as 0.5")
    mask = ndimage.binary_fill_holes(np.asarray(image) > threshold)
    if mask.all():
        return np.ones(mask.shape, np.int32)
    distance = ndimage.distance_transform_edt(mask, sampling=spacing)
    # The background lies so deep that no part, however thin, is flattened into it.
    peaks = tops(np.where(mask, distance, -depth - 1), depth)
    everywhere = np.ones((3,) * mask.ndim, bool)
    seeds, _ = ndimage.label(peaks & mask, everywhere)
    found = flooded(  # type: ignore[no-untyped-call]
        -distance, seeds, connectivity=everywhere, mask=mask
    )
    return _without_small(np.asarray(found), least_px)


def best_threshold(
    images: Sequence[Real], truths: Sequence[Real], *, count: int = 40, least_px: int = 1
) -> float:
    """The threshold at which `components` of images have the highest mean SEG.

    Parameters
    ----------
    images : (Y, X) or (Z, Y, X) arrays
        Of comparable grey levels, none of which should be among those that are scored afterwards.
    truths : label images of the same shapes
        As for `carescope.metrics.seg`.
    count
        How many thresholds are tried: percentiles of all images, closer together where bright.
    least_px
        As for `components`.

    Raises
    ------
    InputError
        There are no images.
    """
    check_examples(images, truths)
    values = np.concatenate([np.ravel(image) for image in images])
    tried = np.unique(np.percentile(values, 100 * (1 - np.geomspace(0.5, 1e-3, count))))

    def score(threshold: float) -> float:
        return mean_seg(
            lambda image: components(image, threshold, least_px=least_px), images, truths
        )

    return float(max(tried, key=score))


def check_examples(images: Sequence[Real], truths: Sequence[Real]) -> None:
    """Refuse to choose anything on no images, or on such without labels."""
    if not len(images) or len(images) != len(truths):
        raise InputError(
            f"there are {len(images)} images and {len(truths)} label images",
            remedy="Give a label image for each image, and one at least",
        )


def mean_seg(
    segment: Callable[[Real], Labels], images: Sequence[Real], truths: Sequence[Real]
) -> float:
    """The mean SEG of images, segmented alike."""
    return float(np.mean([seg(t, segment(i)) for i, t in zip(images, truths, strict=True)]))


def tops(relief: npt.NDArray[np.float64], depth: float) -> npt.NDArray[np.bool_]:
    """Maxima that rise at least `depth` above the pass to a higher one."""
    from skimage.morphology import local_maxima, reconstruction

    # Cut down by `depth` and grown again below itself, a relief is flat wherever its maxima are
    # less than `depth` above the pass between them.
    everywhere = np.ones((3,) * relief.ndim, bool)
    flat = reconstruction(  # type: ignore[no-untyped-call]
        relief - depth, relief, footprint=everywhere
    )
    found: npt.NDArray[np.bool_] = local_maxima(flat)  # type: ignore[no-untyped-call]
    return found.astype(bool)


def _maxima(values: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Where values are higher than both neighbours; of a flat top, its first."""
    steps = np.sign(np.diff(values, prepend=-1, append=-1))
    rising = np.flatnonzero(steps)
    tops = rising[:-1][(steps[rising[:-1]] > 0) & (steps[rising[1:]] < 0)]
    return np.asarray(tops)


def _without_small(labels: Real, least_px: int) -> Labels:
    """Labels of objects of enough pixels, numbered from 1 on."""
    keep = np.bincount(labels.ravel()) >= least_px
    keep[0] = False
    number = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return np.asarray(number[labels])
