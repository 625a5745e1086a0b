"""Errors that follow the noise of an image more closely than predicted scales do.

A network that learns for minutes restores dark images worse than bright ones, but does not yet say
so in full: the factor that its scales need then grows with the noise of the image. Calibration
images tell by how much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from carescope.errors import InputError
from carescope.trust.rescale import FACTORS, Tally, rescaling

#: Fewer images than this do not tell a trend.
FEWEST = 3
#: What keeps a trend from following chance where images are alike in noise: so many squared
#: logarithms of noise, at which half of the trend is believed.
DOUBT = 0.01
#: A trend is followed beyond the noise of the calibration images by a factor of 2.
BEYOND = math.log(2)


class Trend(NamedTuple):
    """How the factor on scales follows the noise of an image: as its power.

    Parameters
    ----------
    slope
        The exponent: 0 where scales follow the noise by themselves, 1 where not at all.
    noise
        The logarithm of the noise at which the factor is 1, in normalised units.
    reach
        How far from it, in the logarithm, the trend is followed; beyond that it is held.
    """

    slope: float = 0.0
    noise: float = 0.0
    reach: float = 0.0

    def factor(self, noise: float | None) -> float:
        """The factor for an image of this noise, a logarithm; 1 where it is not known."""
        if noise is None or not math.isfinite(noise):
            return 1.0
        return math.exp(self.slope * min(max(noise - self.noise, -self.reach), self.reach))


def trend(tallies: Sequence[Tally], noise: Sequence[float | None], family: str) -> Trend:
    """Find how the factor on scales follows the noise.

    Parameters
    ----------
    tallies
        One for each image of a channel, of images that the network was not trained on.
    noise
        The logarithm of each one's noise in normalised units; None where it is not known.
    family
        As which the scales are read.

    Returns
    -------
    Trend
        Of slope 0 where fewer than 3 images tell.

    Notes
    -----
    A straight line through the logarithms x of the noise and y of each image's own best factor, its
    slope shrunk: ``sum(x y) / (sum(x^2) + 0.01)`` about the means, within -1 and 1.
    """
    known = []
    for one, level in zip(tallies, noise, strict=True):
        if level is not None and math.isfinite(level):
            try:
                known.append((level, math.log(rescaling([one], [family]).factor)))
            except InputError:  # no factor makes its scales fit
                continue
    if len(known) < FEWEST:
        return Trend()
    x, y = np.array(known).T
    off = x - x.mean()
    slope = float(np.clip((off * y).sum() / ((off**2).sum() + DOUBT), -1, 1))
    return Trend(round(slope, 4), round(float(x.mean()), 4), round(float(np.ptp(x)) + BEYOND, 4))


def widened(one: Tally, factor: float) -> Tally:
    """What an image says once all scales that were predicted for it are so many times wider.

    Beyond 1/16 and 16 in all, shares are those of these ends.
    """
    log = np.log(FACTORS)
    place = np.interp(log + math.log(factor), log, np.arange(len(log)))
    below = np.minimum(place.astype(int), len(log) - 2)
    share = (place - below)[None, :, None]
    covered = (1 - share) * one.covered[:, below] + share * one.covered[:, below + 1]
    return one._replace(covered=covered)
