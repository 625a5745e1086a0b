"""Equal mixtures of the distributions that views or members of an ensemble predict for a pixel.

A distribution has a mean and a scale: the scale b of a Laplace distribution
``exp(-|x - mean| / b) / (2 b)``, whose variance is 2 b^2, or a Gaussian's standard deviation.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError, UsageError

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Real = npt.NDArray[np.floating]

FAMILIES = ("laplace", "gaussian")
"""The distributions that can be predicted; each is named as its loss is."""

_VARIANCE = {"laplace": 2.0, "gaussian": 1.0}  # of scale 1
LEAST_SCALE = 1e-30
"""What a scale of 0, a certainty, counts as: nothing is divided by 0."""

_HALVINGS = 60


def fuse(
    means: npt.ArrayLike, scales: npt.ArrayLike, *, family: str = "laplace"
) -> tuple[Float32, Float32]:
    """Replace an equal mixture by one distribution of the same mean and variance.

    Parameters
    ----------
    means, scales : (M, ...) arrays
        Mean and scale predicted by each of M views or members, in one unit; scales are >= 0.
    family
        ``laplace`` or ``gaussian``.

    Returns
    -------
    (...) float32 array
        The mean of the mixture.
    (...) float32 array
        The scale of the distribution of `family` with the mixture's variance.

    Raises
    ------
    InputError
        The shapes differ, or a scale is negative.
    UsageError
        There is no such family.

    Notes
    -----
    The variance of an equal mixture is the mean of the variances plus the variance of the
    means [1]_. For two Laplace distributions it is
    ``s1^2 + s2^2 + ((mu1 - mu2) / 2)^2``, and the scale is the root of its half.

    References
    ----------
    .. [1] Lakshminarayanan, Pritzel and Blundell, Simple and scalable predictive uncertainty
       estimation using deep ensembles, NeurIPS 2017. https://arxiv.org/abs/1612.01474
    """
    means, scales = members(means, scales, family)
    unit = _VARIANCE[family]
    mean: Float64 = means.mean(axis=0, dtype=np.float64)
    variance = np.zeros_like(mean)
    for m, s in zip(means, scales, strict=True):  # one at a time: M volumes may be large
        variance += unit * np.square(s, dtype=np.float64) + (m - mean) ** 2
    return mean.astype(np.float32), np.sqrt(variance / (unit * len(means))).astype(np.float32)


def interval(
    mean: npt.ArrayLike, scale: npt.ArrayLike, level: float, *, family: str = "laplace"
) -> tuple[Float32, Float32]:
    """Return the bounds between which the truth lies with a given confidence.

    Parameters
    ----------
    mean, scale : (...) arrays
        One predicted distribution a pixel.
    level
        The confidence, in [0, 1).
    family
        ``laplace`` or ``gaussian``.

    Returns
    -------
    (...) float32 array
        The lower bound, ``mean - h``.
    (...) float32 array
        The upper bound, ``mean + h``; h is ``-scale log(1 - level)`` for a Laplace distribution.

    Raises
    ------
    InputError
        The shapes differ, or a scale is negative.
    UsageError
        The level is not in [0, 1), or there is no such family.
    """
    if not 0 <= level < 1:
        raise UsageError(f"the confidence {level} is not in [0, 1)", remedy="Choose one, as 0.9")
    mu, sigma = members(np.asarray(mean)[None], np.asarray(scale)[None], family)
    half = standard_quantiles((1 + level) / 2, family) * sigma[0].astype(np.float64)
    return (mu[0] - half).astype(np.float32), (mu[0] + half).astype(np.float32)


def cdf(
    x: npt.ArrayLike, means: npt.ArrayLike, scales: npt.ArrayLike, *, family: str = "laplace"
) -> Float64:
    """Return the probability with which the mixture is at most x.

    Parameters
    ----------
    x : (...) array
        A value for each pixel.
    means, scales : (M, ...) arrays
        The members of the mixture; scales are >= 0.
    family
        ``laplace`` or ``gaussian``.

    Returns
    -------
    (...) float64 array
        ``(1/M) sum_m F_m(x)``, in [0, 1].

    Raises
    ------
    InputError
        The shapes differ, or a scale is negative.
    UsageError
        There is no such family.
    """
    means, scales = members(means, scales, family)
    values = np.asarray(x, dtype=np.float64)
    if values.shape != means.shape[1:]:
        raise InputError(
            f"the values are {describe_shape(values.shape)}, but each member is "
            f"{describe_shape(means.shape[1:])}",
            remedy="Crop them so that all show the same pixels",
        )
    return _mixed(values, means, scales, family)


def quantile(
    means: npt.ArrayLike, scales: npt.ArrayLike, share: float, *, family: str = "laplace"
) -> Float64:
    """Return the value that a share of the mixture lies below.

    Parameters
    ----------
    means, scales : (M, ...) arrays
        The members of the mixture; scales are >= 0.
    share
        In (0, 1); 0.5 gives the median.
    family
        ``laplace`` or ``gaussian``.

    Returns
    -------
    (...) float64 array
        The quantile, found by bisection between those of the members.

    Raises
    ------
    InputError
        The shapes differ, or a scale is negative.
    UsageError
        The share is not in (0, 1), or there is no such family.
    """
    if not 0 < share < 1:
        raise UsageError(f"the share {share} is not in (0, 1)", remedy="Choose one, as 0.5")
    means, scales = members(means, scales, family)
    own = means + scales * standard_quantiles(share, family)
    low, high = own.min(axis=0).astype(np.float64), own.max(axis=0).astype(np.float64)
    for _ in range(_HALVINGS if len(means) > 1 else 0):
        middle = (low + high) / 2
        below = _mixed(middle, means, scales, family) < share
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    found: Float64 = (low + high) / 2
    return found


def members(means: npt.ArrayLike, scales: npt.ArrayLike, family: str) -> tuple[Real, Real]:
    """Check what every function here takes: (M, ...) means and scales, and a family.

    Raises
    ------
    InputError
        The shapes differ, there is no member, or a scale is negative.
    UsageError
        There is no such family.
    """
    if family not in FAMILIES:
        raise UsageError(
            f"there is no family of distributions {family!r}",
            remedy=f"Choose one of {', '.join(FAMILIES)}",
        )
    mu, sigma = (
        a.astype(np.result_type(a, np.float32), copy=False)
        for a in map(np.asarray, (means, scales))
    )
    if mu.shape != sigma.shape or mu.ndim == 0 or len(mu) == 0:
        raise InputError(
            f"the means are {describe_shape(mu.shape)}, and the scales "
            f"{describe_shape(sigma.shape)}",
            remedy="Give both for the same pixels, with at least one member along the first axis",
        )
    if sigma.size and sigma.min() < 0:
        raise InputError(
            f"a scale is negative, {sigma.min():g}",
            remedy="Give means first and scales second; a scale is a width and at least 0",
        )
    return mu, sigma


def standard_quantiles(shares: npt.ArrayLike, family: str) -> Float64:
    """The quantiles of the distribution of mean 0 and scale 1, at shares in (0, 1)."""
    below = np.asarray(shares, dtype=np.float64)
    if family == "gaussian":
        from scipy.special import ndtri

        values: Float64 = ndtri(below)
        return values
    tail: Float64 = np.log(2 * np.minimum(below, 1 - below))
    return np.where(below < 0.5, tail, -tail)


def _mixed(x: Float64, means: Real, scales: Real, family: str) -> Float64:
    """The CDF of the mixture at x."""
    total = np.zeros_like(x)
    for mean, scale in zip(means, scales, strict=True):
        z = (x - mean) / np.maximum(scale, LEAST_SCALE, dtype=np.float64)
        total += _standard_cdf(z, family)
    return total / len(means)


def _standard_cdf(z: Float64, family: str) -> Float64:
    if family == "gaussian":
        from scipy.special import ndtr

        below: Float64 = ndtr(z)
        return below
    tail = np.exp(-np.abs(z)) / 2
    return np.where(z > 0, 1 - tail, tail)
