"""Cells of an image of their outlines, such as membranes, and how their setting is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.errors import UsageError
from carescope.metrics.arrays import real, refuse_constant
from carescope.metrics.segmentation import check_examples, mean_seg, tops

Labels = npt.NDArray[np.int32]
Real = npt.NDArray[Any]


def cells(image: npt.ArrayLike, *, sigma_px: float, depth: float) -> Labels:
    """Cells of an image of their bright outlines, such as membranes or junctions of a tissue.

    The image is smoothed, and flooded from its dark basins: one cell for each that is at least
    `depth` deep, cut where floods meet, which is on the outlines. Cells fill the image; there is
    no background between them.

    Parameters
    ----------
    image : (Y, X) or (Z, Y, X) array
        Grey levels, on any scale: an image times a positive number plus another has the same cells.
    sigma_px
        Standard deviation of the Gaussian that smooths, from 0 on.
    depth
        By how much the inside of a cell is at least darker than the darkest way into a darker one,
        as a share of the difference between the 1st and the 99th percentile of the smoothed image;
        above 0. More of it finds fewer cells.

    Returns
    -------
    int32 array of the same shape
        Cells from 1 on.

    Raises
    ------
    InputError
        The image is constant, over 98 % of it at least, or not finite.
    UsageError
        `sigma_px` or `depth` is out of its range.

    References
    ----------
    L. Vincent, P. Soille, IEEE Trans. Pattern Anal. Mach. Intell. 13, 1991, doi:10.1109/34.87344;
    in epithelia, with other seeds: D. Heller et al., Dev. Cell 36, 2016,
    doi:10.1016/j.devcel.2015.12.012.
    """
    from scipy import ndimage
    from skimage.segmentation import watershed as flooded

    if not (sigma_px >= 0 and depth > 0):
        raise UsageError(
            f"sigma_px is {sigma_px:g} and depth {depth:g}",
            remedy="Give a sigma_px from 0 on and a positive depth, such as 2 and 0.1",
        )
    smooth = ndimage.gaussian_filter(real(image, "the image"), sigma_px)
    dark, bright = np.percentile(smooth, (1, 99))
    if dark == bright:
        refuse_constant(np.array([dark, bright]), "the image, smoothed and but for 2 % of it,")
    everywhere = np.ones((3,) * smooth.ndim, bool)
    seeds, count = ndimage.label(tops(-smooth, depth * (bright - dark)), everywhere)
    if count == 0:  # no basin is that deep
        return np.ones(smooth.shape, np.int32)
    found = flooded(smooth, seeds, connectivity=everywhere)  # type: ignore[no-untyped-call]
    return np.asarray(found, np.int32)


def best_cells(
    images: Sequence[Real],
    truths: Sequence[Real],
    *,
    sigmas_px: Sequence[float] = (0, 0.5, 1, 1.5, 2, 3, 4),
    depths: Sequence[float] = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4),
) -> dict[str, float]:
    """The setting at which `cells` of images have the highest mean SEG.

    Parameters
    ----------
    images : (Y, X) or (Z, Y, X) arrays
        None of which should be among those that are scored afterwards.
    truths : label images of the same shapes
        As for `carescope.metrics.seg`.
    sigmas_px, depths
        What is tried, each with each.

    Returns
    -------
    dict
        ``sigma_px`` and ``depth``, as `cells` takes them.

    Raises
    ------
    InputError
        There are no images.
    """
    check_examples(images, truths)
    tried = [{"sigma_px": s, "depth": d} for s, d in product(sigmas_px, depths)]
    return max(tried, key=lambda s: mean_seg(lambda image: cells(image, **s), images, truths))
