"""Losses, a function each: (restored, target) of shape (N, C, *space) to one number."""

from __future__ import annotations

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


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mae": mae, "mse": mse, "psnr": psnr}
