"""Where to look at an ensemble: where its members differ most, and where they agree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError
from carescope.metrics.strongest import LOCAL_PX, Place, strongest


def most_disputed(disagreement: npt.ArrayLike, count: int = 1, size_px: int = 64) -> list[Place]:
    """Find the windows around the places where the members differ most.

    Parameters
    ----------
    disagreement : (..., Y, X) array
        D in [0, 1], as `disagreement` returns it.
    count
        How many windows.
    size_px
        Their side along Y and X.

    Returns
    -------
    list of Place
        As `metrics.strongest`, with means of D over squares of a quarter of a window's side.
    """
    return strongest(disagreement, count, size_px, local_px=max(1, size_px // 4))


def best_agreed(
    disagreement: npt.ArrayLike, mean: npt.ArrayLike, count: int = 1, size_px: int = 64
) -> list[Place]:
    """Find the windows that hold much structure on which the members agree.

    Parameters
    ----------
    disagreement, mean : (..., Y, X) arrays
        D in [0, 1], and the restored image in any unit.
    count
        How many windows.
    size_px
        Their side along Y and X.

    Returns
    -------
    list of Place
        Windows about the places where the image varies most, of those whose D is, all around
        within a window, on average below the median; the values are local standard deviations.

    Raises
    ------
    InputError
        The shapes differ, or the map has no Y and X.
    """
    from scipy.ndimage import uniform_filter

    among, image = np.asarray(disagreement, np.float32), np.asarray(mean, np.float32)
    if among.shape != image.shape or among.ndim < 2:
        raise InputError(
            f"the disagreement is {describe_shape(among.shape)}, the image "
            f"{describe_shape(image.shape)}",
            remedy="Give both for the same pixels, with at least the axes Y and X",
        )

    def smooth(values: npt.NDArray[np.float32], over: int) -> npt.NDArray[np.float32]:
        smoothed: npt.NDArray[np.float32] = uniform_filter(
            values, (*(1,) * (values.ndim - 2), over, over), mode="nearest"
        )
        return smoothed

    centred = image - np.float32(np.nanmean(image))
    varies = np.sqrt(np.maximum(smooth(centred**2, LOCAL_PX) - smooth(centred, LOCAL_PX) ** 2, 0))
    around = smooth(among, size_px)
    return strongest(np.where(around <= np.nanmedian(around), varies, np.nan), count, size_px)
