"""The cross-section of thin structures."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# (1 - u^2)^3 falls to one half where u^2 = 1 - 0.5^(1/3): there lies half of the width.
REACH_PER_WIDTH = 0.5 / (1 - 0.5 ** (1 / 3)) ** 0.5


def bump(distance_px: npt.NDArray[np.float32], width_px: Any) -> npt.NDArray[np.float32]:
    """Brightness of a thin structure at a distance from its middle, smooth and anti-aliased.

    It is (1 - u^2)^3 with u = distance / reach: nearly a Gaussian, but one that ends, so that
    each structure concerns few voxels.

    Parameters
    ----------
    distance_px
        Any shape, in voxels, not negative.
    width_px
        Full width at half maximum, in voxels; one number or as many as distances.

    Returns
    -------
    Array of the same shape, 1 at distance 0, 0 from `REACH_PER_WIDTH` widths on.
    """
    inside = 1 - np.square(distance_px / (REACH_PER_WIDTH * width_px))
    return np.asarray(np.maximum(inside, 0) ** 3, np.float32)
