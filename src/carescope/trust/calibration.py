"""Whether predicted distributions keep their word: how often the truth lies where they say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError, UsageError
from carescope.trust.mixture import Float64, Real, cdf, members

_CHUNK_PX = 1 << 20


class Calibration(NamedTuple):
    """What was promised, what was kept, and how far the two are apart."""

    levels: Float64
    """Confidence levels, rising, in [0, 1]."""
    covered: Float64
    """The share of pixels whose truth lies in the central interval of each level."""
    error: float
    """Expected calibration error: the mean of ``|covered - levels|``."""


def calibration(
    truth: npt.ArrayLike,
    means: npt.ArrayLike,
    scales: npt.ArrayLike,
    *,
    family: str = "laplace",
    levels: npt.ArrayLike | None = None,
) -> Calibration:
    """Compare confidence with accuracy, over all pixels of held-out images.

    Parameters
    ----------
    truth : (...) array
        The ground truth, in the unit of the means.
    means, scales : (...) or (M, ...) arrays
        What one network predicts, or each of M members; scales are >= 0.
    family
        ``laplace`` or ``gaussian``.
    levels : (L,) array, optional
        Confidence levels, rising, in [0, 1]; 0.01, 0.02, ..., 0.99 unless given.

    Returns
    -------
    Calibration
        ``levels`` and ``covered``, the curve, and ``error``. A curve below the diagonal is that
        of predictions which are surer than they should be.

    Raises
    ------
    InputError
        The shapes differ, there is no pixel, a number is not finite, or a scale is negative.
    UsageError
        The levels are not rising or not in [0, 1], or there is no such family.

    Notes
    -----
    The central interval of level c lies between the quantiles (1 - c) / 2 and (1 + c) / 2 of the
    predicted mixture with the CDF F, so that it holds the truth y where ``|2 F(y) - 1| <= c``
    [1]_. Other quantities than the mean over levels exist under the same name [2]_.

    References
    ----------
    .. [1] Weigert et al., Content-aware image restoration: pushing the limits of fluorescence
       microscopy, Nature Methods 15 (2018), Supplementary Note 3.
       https://doi.org/10.1038/s41592-018-0216-7
    .. [2] Kuleshov, Fenner and Ermon, Accurate uncertainties for deep learning using calibrated
       regression, ICML 2018. https://arxiv.org/abs/1807.00263
    """
    promised = np.arange(1, 100) / 100 if levels is None else np.asarray(levels, np.float64)
    if promised.ndim != 1 or not len(promised) or not _rising_within_0_and_1(promised):
        raise UsageError(
            f"the confidence levels {promised} do not rise within 0 to 1",
            remedy="Give a list such as 0.1, 0.5, 0.9",
        )
    covered = share_covered(*flat(truth, means, scales, family), family, promised)
    return Calibration(promised, covered, float(np.abs(covered - promised).mean()))


def flat(
    truth: npt.ArrayLike, means: npt.ArrayLike, scales: npt.ArrayLike, family: str
) -> tuple[Real, Real, Real]:
    """Check what is to be compared, and give it as pixels: (N), (M, N) and (M, N).

    Raises
    ------
    InputError
        The shapes differ, there is no pixel, or a scale is negative.
    UsageError
        There is no such family.
    """
    y = np.asarray(truth)
    mu, sigma = np.asarray(means), np.asarray(scales)
    if mu.ndim == y.ndim:
        mu, sigma = mu[None], sigma[None] if sigma.ndim == y.ndim else sigma
    mu, sigma = members(mu, sigma, family)
    if mu.shape[1:] != y.shape or y.size == 0:
        raise InputError(
            f"the truth is {describe_shape(y.shape)}, but each prediction is "
            f"{describe_shape(mu.shape[1:])}",
            remedy="Crop or resample one so that both show the same pixels, at least one",
        )
    return y.reshape(-1), mu.reshape(len(mu), -1), sigma.reshape(len(mu), -1)


def share_covered(y: Real, mu: Real, sigma: Real, family: str, levels: Float64) -> Float64:
    """The share of pixels (N) whose truth lies in the central interval of each level (L).

    Raises
    ------
    InputError
        A number is not finite.
    """
    counts = np.zeros(len(levels) + 1, np.int64)
    for start in range(0, y.size, _CHUNK_PX):
        part = slice(start, start + _CHUNK_PX)
        needed = np.abs(2 * cdf(y[part], mu[:, part], sigma[:, part], family=family) - 1)
        refuse_unknown(needed)
        counts += np.bincount(np.searchsorted(levels, needed), minlength=len(counts))
    return np.cumsum(counts[:-1]) / y.size


def refuse_unknown(values: Real) -> None:
    """Refuse what was computed from a truth or a prediction that is no number.

    Raises
    ------
    InputError
        A value is not finite.
    """
    if not np.isfinite(values).all():
        raise InputError(
            "the truth or a prediction holds values that are no numbers",
            remedy="Leave those pixels out",
        )


def _rising_within_0_and_1(levels: Float64) -> bool:
    return bool((np.diff(levels) > 0).all() and levels[0] >= 0 and levels[-1] <= 1)
