"""Choose the setting of a classical method on pairs that are kept for that purpose.

A fair comparison needs both: enough settings to choose from, and a choice that never saw the images
on which methods are compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import metrics
from carescope.axes import describe_shape
from carescope.baselines.methods import Method, Setting, apply, find
from carescope.errors import InputError

Real = npt.NDArray[Any]
Pair = tuple[Real, Real]

MOST_PLANES, LEAST_SIDE_PX = 16, 16


def tune(method: str | Method, pairs: Sequence[Pair], *, pixels: int | None = None) -> Setting:
    """The setting of the least mean NRMSE on validation pairs.

    Parameters
    ----------
    method
        A key of `METHODS`, or a method.
    pairs
        (noisy, clean) images (Y, X) or (Z, Y, X), of which none should be among those on
        which methods are compared afterwards.
    pixels
        How many pixels of each pair are looked at, instead of what the method says; see `window`.

    Raises
    ------
    InputError
        A pair has two shapes, or there is none.
    UsageError
        There is no such method.
    """
    tried = trials(method, pairs, pixels=pixels)
    return min(tried, key=lambda trial: trial[1])[0]


def trials(
    method: str | Method, pairs: Sequence[Pair], *, pixels: int | None = None
) -> list[tuple[Setting, float]]:
    """Every setting of a method, with its mean NRMSE on the pairs; see `tune`."""
    chosen = find(method)
    if not pairs:
        raise InputError("there are no pairs to choose settings on", remedy="Give one at least")
    cut = [window(*pair, pixels=pixels or chosen.tuned_on) for pair in pairs]
    return [
        (setting, float(np.mean([_score(chosen, setting, *pair) for pair in cut])))
        for setting in chosen.settings(cut[0][0].ndim)
    ]


def window(low: Real, high: Real, *, pixels: int) -> Pair:
    """The part of a pair, of at most so many pixels, that is most like the whole.

    Of windows side by side it is the one over which the clean image varies most nearly as it
    does as a whole: neither an empty corner nor the brightest cell.

    Raises
    ------
    InputError
        The two have different shapes, or neither 2 nor 3 dimensions.
    """
    if low.shape != high.shape or low.ndim not in (2, 3):
        raise InputError(
            f"a pair to choose settings on has the shapes {describe_shape(low.shape)} and "
            f"{describe_shape(high.shape)}",
            remedy="Give planes or volumes, both of one shape",
        )
    lead = [min(n, MOST_PLANES) for n in low.shape[:-2]]
    side = max(LEAST_SIDE_PX, math.isqrt(pixels // math.prod(lead)))
    sides = [*lead, *(min(n, side) for n in low.shape[-2:])]
    if low.shape[-2] * low.shape[-1] <= side**2:
        sides[-2:] = low.shape[-2:]
    spread = float(np.std(high))

    def unlike(place: tuple[slice, ...]) -> float:
        return abs(float(np.std(high[place])) - spread)

    starts = np.ndindex(*(n // s for n, s in zip(low.shape, sides, strict=True)))
    places = [
        tuple(slice(i * s, (i + 1) * s) for i, s in zip(start, sides, strict=True))
        for start in starts
    ]
    best = min(places, key=unlike)
    return low[best], high[best]


def _score(method: Method, setting: Setting, low: Real, high: Real) -> float:
    """NRMSE of one setting; where nothing is left of an image, it is infinite."""
    restored = apply(method, low, setting)
    if restored.min() == restored.max():
        return math.inf
    return metrics.nrmse(high, restored)
