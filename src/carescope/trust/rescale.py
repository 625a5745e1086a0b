"""Rescaling of predicted scales, found on held-out images, with which intervals keep their word.

Images are counted one at a time: how often would the truth lie in each central interval, had the
scales been multiplied by each of a series of factors? All the rest needs these shares alone, so
that images are read once and need not fit in memory together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError, UsageError
from carescope.rng import generator
from carescope.trust.calibration import Calibration, flat, refuse_unknown, share_covered
from carescope.trust.mixture import FAMILIES, LEAST_SCALE, Float64, Real, standard_quantiles

LEVELS = np.arange(1, 100) / 100
"""Confidence levels at which intervals are counted."""
FACTORS = 2.0 ** (np.arange(-32, 33) / 8)
"""Factors on the scales for which they are counted: 1/16 to 16."""

_MOST_PX = 1 << 18  # of an image; fields differ from each other by far more than this loses
_STEPS = 16  # between neighbouring factors: half a per cent
_RESAMPLES = 2000


class Rescaling(NamedTuple):
    """How to read the scales that a network predicts: `factor` times wider, as those of `family`.

    The factor has no unit: it is the same for scales in normalised units and in grey levels.
    """

    family: str
    factor: float = 1.0


class Tally(NamedTuple):
    """What one image says of the intervals predicted for it."""

    covered: Float64
    """(families, factors, levels): the share of its pixels in each interval."""
    pixels: int
    """How many pixels it has: its weight among others."""


class Coverage(NamedTuple):
    """How many pixels the intervals of some levels hold, and how sure that is."""

    levels: Float64
    covered: Float64
    """The share of all pixels."""
    low: Float64
    """Lower bound of the 95 % interval of that share; not-a-number for a single image."""
    high: Float64
    """Its upper bound."""


def tally(truth: npt.ArrayLike, means: npt.ArrayLike, scales: npt.ArrayLike) -> Tally:
    """Count how often the truth of one image lies in the intervals predicted for it.

    Parameters
    ----------
    truth : (...) array
        The ground truth of one channel, in the unit of the means. Where it was recorded with
        another gain or offset, `metrics.match_truth` comes first.
    means, scales : (...) or (M, ...) arrays
        What one network predicts, or each of M members; scales are >= 0. Each factor multiplies
        the scales of all members, before they are mixed. Of M members the mixture is judged; to
        judge the one distribution that replaces it, give what `fuse` returned.

    Raises
    ------
    InputError
        The shapes differ, there is no pixel, a number is not finite, or a scale is negative.

    Notes
    -----
    Of an image of more than 2^18 / M pixels so many are taken, spread evenly but at random.
    """
    y, mu, sigma = flat(truth, means, scales, FAMILIES[0])
    pixels, most = y.size, _MOST_PX // len(mu)
    if pixels > most:
        random = generator(0, "tally").random(most)
        some = ((np.arange(most) + random) * (pixels / most)).astype(np.intp)
        y, mu, sigma = y[some], mu[:, some], sigma[:, some]
    if len(mu) == 1:
        return Tally(_of_one(y, mu[0], sigma[0]), pixels)
    covered = [[share_covered(y, mu, c * sigma, f, LEVELS) for c in FACTORS] for f in FAMILIES]
    return Tally(np.array(covered), pixels)


def rescaling(tallies: Sequence[Tally], families: Sequence[str] = FAMILIES) -> Rescaling:
    """Find how to read the scales of a network so that its intervals hold what they promise.

    Parameters
    ----------
    tallies
        One for each image of a channel, of images that the network was not trained on.
    families
        The distributions to choose from. Whatever loss a network was trained with, its errors
        have a shape of their own, and no factor makes a Laplace distribution of a Gaussian one.

    Returns
    -------
    Rescaling
        The family and factor for which the larger is least of the expected calibration error and
        the error of the 90 % interval, |share of pixels in it - 0.9|.

    Raises
    ------
    InputError
        The best factor is the first or last of those counted: the scales have nothing to do
        with the errors.
    UsageError
        There is no image, or no such family.

    Notes
    -----
    The factor of maximum likelihood, the mean of |y - mu| / scale for Laplace distributions,
    is drawn off by a few pixels that are far out. The least calibration error alone can leave the
    90 % interval, which people look at, at 95 %, and the right 90 % interval alone those of all
    other levels. Where the shape fits, all of these agree.
    """
    _refuse_none(tallies)
    fine = np.linspace(0, len(FACTORS) - 1, _STEPS * (len(FACTORS) - 1) + 1)
    factors = np.exp(np.interp(fine, np.arange(len(FACTORS)), np.log(FACTORS)))
    best = (np.inf, Rescaling(FAMILIES[0]))
    for family in families:
        counted = _mean(np.stack([t.covered[_number(family)] for t in tallies]), tallies)
        covered = np.stack([_between(counted, place) for place in fine])
        wrong = np.abs(covered - LEVELS)
        worst = np.maximum(wrong.mean(axis=1), wrong[:, np.searchsorted(LEVELS, 0.9)])
        least = int(np.argmin(worst))
        if 0 < least < len(fine) - 1:
            best = min(best, (float(worst[least]), Rescaling(family, float(factors[least]))))
    if best[0] == np.inf:
        raise InputError(
            "no factor from 1/16 to 16 on the scales makes them fit the errors",
            remedy="Check that each truth shows what its image shows, in the same grey levels",
        )
    return best[1]


def leave_one_out(tallies: Sequence[Tally], families: Sequence[str] = FAMILIES) -> list[Rescaling]:
    """For each image the rescaling found on all others, by which it can be judged fairly.

    Parameters and errors are those of `rescaling`; there must be two images.
    """
    if len(tallies) < 2:
        raise UsageError(
            "one image cannot be judged by the others", remedy="Give at least two, better ten"
        )
    return [rescaling([*tallies[:n], *tallies[n + 1 :]], families) for n in range(len(tallies))]


def combined(tallies: Sequence[Tally], scales: Rescaling | Sequence[Rescaling]) -> Calibration:
    """The calibration curve over all pixels of all images, with scales read as told.

    Parameters
    ----------
    tallies
        One for each image.
    scales
        How the predicted scales are read, of all images or of each.

    Raises
    ------
    UsageError
        There is no image, no such family, or the factor is not within 1/16 and 16.
    """
    covered = _mean(_at(tallies, scales), tallies)
    return Calibration(LEVELS, covered, float(np.abs(covered - LEVELS).mean()))


def coverage(
    tallies: Sequence[Tally],
    scales: Rescaling | Sequence[Rescaling],
    *,
    levels: Sequence[float] = (0.5, 0.8, 0.9, 0.95),
    seed: int = 0,
) -> Coverage:
    """How many pixels a few intervals hold, with errors from resampling whole images.

    Parameters
    ----------
    tallies
        One for each field. Pixels of a field err together, and so do fields of one sample: the
        errors hold for fields like these.
    scales
        How the predicted scales are read, of all images or of each: as they are with
        ``Rescaling("laplace")``.
    levels
        Some of 0.01, 0.02, ..., 0.99.
    seed
        What the resampling is drawn from.

    Returns
    -------
    Coverage
        The bounds are the 2.5 and 97.5 percentiles of 2,000 resamples [1]_; of few images, say
        five, they are too close.

    Raises
    ------
    UsageError
        There is no image, no such family, the factor is not within 1/16 and 16, or a level is
        none of those counted.

    References
    ----------
    .. [1] Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7 (1979).
       https://doi.org/10.1214/aos/1176344552
    """
    wanted = np.asarray(levels, np.float64)
    where = np.clip(np.rint(100 * wanted).astype(int) - 1, 0, len(LEVELS) - 1)
    if not np.allclose(LEVELS[where], wanted):
        raise UsageError(
            f"intervals of the levels {list(levels)} were not counted",
            remedy="Choose among 0.01, 0.02, ..., 0.99",
        )
    shares = _at(tallies, scales)[:, where]
    low = high = np.full(len(wanted), np.nan)
    if len(tallies) > 1:
        count = len(tallies)
        drawn = generator(seed, "coverage").integers(count, size=(_RESAMPLES, count))
        weights = np.array([t.pixels for t in tallies], np.float64)[drawn]
        means = np.einsum("ri,ril->rl", weights, shares[drawn]) / weights.sum(axis=1)[:, None]
        low, high = np.percentile(means, (2.5, 97.5), axis=0)
    return Coverage(wanted, _mean(shares, tallies), low, high)


def _of_one(y: Real, mu: Real, sigma: Real) -> Float64:
    """The shares for one network: its intervals grow as its scales, so that one sort counts all."""
    ratios = np.sort(np.abs(y - mu) / np.maximum(sigma, LEAST_SCALE, dtype=np.float64))
    refuse_unknown(ratios)
    half = np.stack([standard_quantiles((1 + LEVELS) / 2, family) for family in FAMILIES])
    return np.searchsorted(ratios, FACTORS[:, None] * half[:, None], side="right") / y.size


def _at(tallies: Sequence[Tally], scales: Rescaling | Sequence[Rescaling]) -> Float64:
    """(images, levels): the shares for scales read as told."""
    _refuse_none(tallies)
    each = [scales] * len(tallies) if isinstance(scales, Rescaling) else scales
    return np.stack([_shares(t, one) for t, one in zip(tallies, each, strict=True)])


def _shares(one: Tally, scales: Rescaling) -> Float64:
    if not FACTORS[0] <= scales.factor <= FACTORS[-1]:
        raise UsageError(
            f"the factor {scales.factor:g} on the scales is not within 1/16 and 16",
            remedy="Find it with rescaling; a scale so far off describes no error",
        )
    place = np.interp(np.log(scales.factor), np.log(FACTORS), np.arange(len(FACTORS)))
    return _between(one.covered[_number(scales.family)], float(place))


def _between(covered: Float64, place: float) -> Float64:
    """The shares at a place between two of the factors counted, (levels)."""
    below = min(int(place), len(FACTORS) - 2)
    share = place - below
    between: Float64 = (1 - share) * covered[below] + share * covered[below + 1]
    return between


def _mean(shares: Float64, tallies: Sequence[Tally]) -> Float64:
    """The mean over images, the first axis, weighted with their pixels."""
    return np.average(shares, axis=0, weights=[t.pixels for t in tallies])


def _number(family: str) -> int:
    if family not in FAMILIES:
        raise UsageError(
            f"there is no family of distributions {family!r}",
            remedy=f"Choose one of {', '.join(FAMILIES)}",
        )
    return FAMILIES.index(family)


def _refuse_none(tallies: Sequence[Tally]) -> None:
    if not tallies:
        raise UsageError("there is no image to judge by", remedy="Give at least one, better ten")
