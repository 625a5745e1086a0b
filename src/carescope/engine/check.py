"""How far what an engine makes of an image lies from what float32 does."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

#: Root mean square difference over range up to which an engine is believed.
TOLERANCE = 1e-3
#: An image ranges over at least this in normalised units, however dark the parts looked at.
LEAST_RANGE = 1.0


def difference(reference: Sequence[Floats], found: Sequence[Floats], *, scales: bool) -> float:
    """The root mean square difference over the range; the largest of all channels.

    Parameters
    ----------
    reference, found
        The same parts of an image, (batch, C or 2C, *space), normalised.
    scales
        Whether the second half of the channels are scales. Their range is from 0 to the largest,
        so that they are as right as the values whose errors they tell, however small.

    Returns
    -------
    float
        Infinite where `found` is not finite.
    """
    count = reference[0].shape[1]
    worst = 0.0
    for channel in range(count):
        right, told = (
            np.concatenate([part[:, channel].ravel() for part in parts], dtype=np.float64)
            for parts in (reference, found)
        )
        error = math.sqrt(np.square(told - right).mean())
        if scales and channel >= count // 2:
            error /= max(right.max(), np.finfo(np.float32).tiny)
        else:
            error /= max(np.ptp(right), LEAST_RANGE)
        worst = max(worst, error if math.isfinite(error) else math.inf)
    return worst
