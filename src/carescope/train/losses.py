"""Losses, a function each: (restored, target) of shape (N, C, *space) to one number.

Those in `SPREADS` are negative log-likelihoods, and take (N, 2C, *space) for what was restored: the
means mu of the channels, then their scales sigma.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

#: Keeps a perfectly restored patch from an infinite loss: -60 dB of a target of range 1.
PSNR_EPSILON = 1e-6


def mae(restored: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error, CARE's choice: robust to rare bright pixels."""
    return (restored - target).abs().mean()


def mse(restored: Tensor, target: Tensor) -> Tensor:
    """Mean squared error: its minimum is the expected image, and the highest PSNR."""
    return ((restored - target) ** 2).mean()


def psnr(restored: Tensor, target: Tensor) -> Tensor:
    """IsoNet's loss (eq. 3), the negative PSNR of each patch in decibels, averaged.

    ``-[20 log10 max(g) - 10 log10(mean |g - g~|^2 + epsilon)]``; the maximum of a patch is
    held above 0.05 so that patches of background do not divide by zero.
    """
    dims = tuple(range(1, target.ndim))
    error = ((restored - target) ** 2).mean(dims)
    peak = target.amax(dims).clamp_min(0.05)
    return (10 * torch.log10(error + PSNR_EPSILON) - 20 * torch.log10(peak)).mean()


def laplace(restored: Tensor, target: Tensor) -> Tensor:
    """CARE's probabilistic loss, the mean of ``|mu - y| / sigma + log sigma + log 2`` [1]_.

    Sigma is the scale of a Laplace distribution: at its best the mean absolute error.

    References
    ----------
    .. [1] Weigert et al., Content-aware image restoration: pushing the limits of fluorescence
       microscopy, Nature Methods 15 (2018). https://doi.org/10.1038/s41592-018-0216-7
    """
    mu, sigma = restored.chunk(2, dim=1)
    return ((mu - target).abs() / sigma + sigma.log()).mean() + math.log(2)


def gaussian(restored: Tensor, target: Tensor) -> Tensor:
    """The mean of ``((mu - y) / sigma)^2 / 2 + log sigma + log(2 pi) / 2`` [1]_.

    Sigma is a standard deviation: at its best the root of the mean squared error.

    References
    ----------
    .. [1] Nix and Weigend, Estimating the mean and variance of the target probability
       distribution, ICNN 1994. https://doi.org/10.1109/ICNN.1994.374138
    """
    mu, sigma = restored.chunk(2, dim=1)
    return (((mu - target) / sigma) ** 2 / 2 + sigma.log()).mean() + math.log(2 * math.pi) / 2


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mae": mae,
    "mse": mse,
    "psnr": psnr,
    "laplace": laplace,
    "gaussian": gaussian,
}

SPREADS = frozenset({"laplace", "gaussian"})
"""Losses whose networks have scales; each has the name of its distribution in `trust`."""
