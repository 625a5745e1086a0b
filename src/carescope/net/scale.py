"""The second head of a network that says how sure it is: a positive number for each pixel."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carescope.net.block import Size, convolution

LEAST_SCALE = 1e-3
"""The smallest scale, in normalised units: no pixel can make the loss infinite."""

FRESH_SCALE = 0.1
"""The scale everywhere before training, in normalised units: about the error of a fresh network."""


class ScaleHead(nn.Module):
    """A convolution and a softplus: ``sigma = softplus(w * features + b) + LEAST_SCALE``.

    Its weights begin at zero and its bias such that every pixel begins at `FRESH_SCALE`.

    Parameters
    ----------
    ndim
        Spatial axes, 2 or 3.
    channels_in, channels_out
        Features that it reads, and scales that it returns.
    kernel
        Kernel size in pixels, odd.

    References
    ----------
    .. [1] Weigert et al., Content-aware image restoration: pushing the limits of fluorescence
       microscopy, Nature Methods 15 (2018). https://doi.org/10.1038/s41592-018-0216-7
    """

    def __init__(self, ndim: int, channels_in: int, channels_out: int, kernel: Size) -> None:
        super().__init__()
        self.convolution = convolution(ndim, channels_in, channels_out, kernel)
        weight, bias = self.convolution.parameters()
        nn.init.zeros_(weight)
        nn.init.constant_(bias, math.log(math.expm1(FRESH_SCALE - LEAST_SCALE)))

    def forward(self, features: Tensor) -> Tensor:
        """Return sigma, (batch, channels_out, *space), from (batch, channels_in, *space)."""
        return F.softplus(self.convolution(features)) + LEAST_SCALE


def with_scales(mean: Tensor, head: ScaleHead | None, features: Tensor) -> Tensor:
    """Return (batch, C, *space) as it is, or with a head (batch, 2C, *space): mu, then sigma."""
    return mean if head is None else torch.cat([mean, head(features)], dim=1)
