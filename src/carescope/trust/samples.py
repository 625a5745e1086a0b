"""Images drawn from predicted distributions, pixel by pixel: what the network thinks possible."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from carescope.errors import UsageError
from carescope.rng import generator
from carescope.trust.mixture import Float32, Real, members, standard_quantiles

_LEAST_SHARE = 2.0**-54  # a share of exactly 0 lies infinitely far away


def samples(
    means: npt.ArrayLike,
    scales: npt.ArrayLike,
    count: int,
    *,
    family: str = "laplace",
    seed: int = 0,
    first: int = 0,
) -> Iterator[Float32]:
    """Draw images from what was predicted, one after the other.

    Pixels are drawn independently of each other, though the errors of a network are not: where
    an image flickers its values are doubtful, but a single frame is no likely truth.

    Parameters
    ----------
    means, scales : (M, ...) arrays
        What each of M >= 1 members predicts, in one unit; scales are >= 0.
    count
        How many images, at least 1.
    family
        ``laplace`` or ``gaussian``.
    seed
        What all of them are drawn from.
    first
        The number of the first image. Image n is the same whichever is drawn before it.

    Yields
    ------
    (...) float32 array
        A draw from the equal mixture of the members; not-a-number where a member predicts no
        number.

    Raises
    ------
    InputError
        The shapes differ, there is no member, or a scale is negative.
    UsageError
        No image is asked for, or there is no such family.

    Notes
    -----
    Each pixel chooses a member, and takes the quantile of its distribution at a share that is
    uniform in (0, 1): the CDF's inverse.

    References
    ----------
    .. [1] Weigert et al., Content-aware image restoration: pushing the limits of fluorescence
       microscopy, Nature Methods 15 (2018), Supplementary Video 9.
       https://doi.org/10.1038/s41592-018-0216-7
    """
    mu, sigma = members(means, scales, family)
    if count < 1:
        raise UsageError(
            f"{count} samples cannot be drawn", remedy="Ask for at least 1 with --frames"
        )
    return (_sample(mu, sigma, family, seed, n) for n in range(first, first + count))


def _sample(means: Real, scales: Real, family: str, seed: int, number: int) -> Float32:
    """One image, from random numbers of its own."""
    random = generator(seed, "sample", number)
    mean, scale = means[0], scales[0]
    if len(means) > 1:
        who = random.integers(len(means), size=(1, *mean.shape))
        mean, scale = (np.take_along_axis(a, who, axis=0)[0] for a in (means, scales))
        unknown = ~(np.isfinite(means) & np.isfinite(scales)).all(axis=0)
        mean = np.where(unknown, np.nan, mean)
    share = np.clip(random.random(mean.shape), _LEAST_SHARE, None)
    drawn: Float32 = (mean + scale * standard_quantiles(share, family)).astype(np.float32)
    return drawn
