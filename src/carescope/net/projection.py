"""The network that finds a surface in a stack and restores it: CARE's for the fly wing."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from carescope.errors import UsageError
from carescope.net.block import Size, block, convolution, max_pool, per_axis, upsample
from carescope.net.unet import UNet


class ProjectionNet(nn.Module):
    """A stack to one image: a small 3D network weighs the planes, a 2D U-Net restores their sum.

    With the weights ``w = softmax(g(x))`` along Z, one for each pixel whatever the channel, the
    U-Net sees ``sum over Z of w * x``. ``g`` has the same number of features everywhere, maximum
    pooling on the way down, nearest-neighbour upsampling on the way up, no skip connections,
    zero padding and ReLU except after its last convolution. The defaults are the paper's: 14,329
    weights before the U-Net.

    Parameters
    ----------
    channels_in, channels_out
        Channels of the stack and of the image.
    depth
        How often ``g`` pools the stack, at least 1.
    filters
        Features of ``g``.
    kernel
        Kernel size of ``g`` in pixels, odd; one number, or one for each of Z, Y and X.
    pool
        Pooling factor of ``g``, likewise. With 1 along Z the stack may have any number of planes.
    convolutions
        Convolutions a level of ``g``, at least 1.
    unet
        Further options of the `UNet`; its kernel is 3 unless they say otherwise.
    scales
        Whether the U-Net returns the scale of each restored pixel as well.

    Raises
    ------
    UsageError
        A size is impossible, or the U-Net cannot be built from its options.

    Notes
    -----
    ``forward`` takes (batch, channels_in, Z, Y, X), each length a multiple of `grid`, and returns
    (batch, channels_out, Y, X); with scales (batch, 2 channels_out, Y, X): mu, then sigma. The
    whole surface must be in sight: a stack is never cut along Z.

    References
    ----------
    .. [1] Weigert et al., Content-aware image restoration: pushing the limits of fluorescence
       microscopy, Nature Methods 15 (2018). https://doi.org/10.1038/s41592-018-0216-7
    """

    def __init__(
        self,
        channels_in: int = 1,
        channels_out: int = 1,
        *,
        depth: int = 4,
        filters: int = 8,
        kernel: Size = 3,
        pool: Size = (1, 2, 2),
        convolutions: int = 1,
        unet: dict[str, Any] | None = None,
        scales: bool = False,
    ) -> None:
        super().__init__()
        if min(depth, filters, convolutions) < 1:
            raise UsageError(
                f"a projection of depth {depth} with {filters} filters and {convolutions} "
                "convolutions a level cannot be built",
                remedy="Choose a depth, filters and convolutions of at least 1",
            )
        self.channels_in, self.channels_out, self.scales = channels_in, channels_out, scales
        pool = per_axis(pool, 3, "pool")

        def level(before: int) -> nn.Sequential:
            widths = [before, *[filters] * convolutions]
            return nn.Sequential(*(block(3, n, m, kernel) for n, m in pairwise(widths)))

        self.down = nn.ModuleList(level(channels_in if n == 0 else filters) for n in range(depth))
        self.bottom = level(filters)
        self.up = nn.ModuleList(level(filters) for _ in range(depth))
        self.height = convolution(3, filters, 1, kernel)
        self.pool, self.upsample = max_pool(pool), upsample(pool)
        self.unet = UNet(
            2, channels_in, channels_out, **{"kernel": 3} | (unet or {}), scales=scales
        )
        lateral = (math.lcm(p**depth, n) for p, n in zip(pool[1:], self.unet.grid, strict=True))
        self.grid = (pool[0] ** depth, *lateral)

    def weights(self, x: Tensor) -> Tensor:
        """Return how much each plane counts: (batch, 1, Z, Y, X), of sum 1 along Z."""
        for level in self.down:
            x = self.pool(level(x))
        x = self.bottom(x)
        for level in self.up:
            x = level(self.upsample(x))
        return torch.softmax(self.height(x), dim=2)

    def forward(self, x: Tensor) -> Tensor:
        """Restore the surface in each stack of a batch."""
        surface = (x * self.weights(x)).sum(dim=2)
        y: Tensor = self.unet(surface)
        return y
