"""The U-Net of CARE."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from carescope.errors import UsageError
from carescope.net.block import (
    Size,
    activated,
    block,
    convolution,
    max_pool,
    per_axis,
    upsample,
)
from carescope.net.scale import ScaleHead, with_scales


class UNet(nn.Module):
    """A U-Net whose last step adds the input: the network learns what to change.

    Two convolutions a level, each with zero padding and ReLU unless told otherwise, maximum
    pooling on the way down, nearest-neighbour upsampling on the way up, the upsampled features
    before those of the skip connection. The defaults are the paper's network: 922,977 weights in
    2D with kernel 5, and 996,769 in 3D with kernel 3.

    Parameters
    ----------
    ndim
        Spatial axes, 2 (YX) or 3 (ZYX).
    channels_in, channels_out
        Channels of the input and of the output.
    depth
        How often the image is pooled, at least 1.
    first_filters
        Features of the finest level; each pooling doubles them.
    kernel
        Kernel size in pixels, odd; 5 in 2D and 3 in 3D unless given. One number, or one
        for each axis.
    pool
        Pooling factor, one number or one for each axis; 1 leaves an axis as it is.
    convolutions
        Convolutions a level, at least 1.
    activation
        What follows each of them: a name in `carescope.net.block.ACTIVATIONS`.
    last_activation
        What follows the last 1x1 convolution and the input added to it: another such name.
    residual
        Whether the input is added to the output; by default where both have as many channels.
    dropout
        Share of the features silenced after each convolution while training, in [0, 1).
    scales
        Whether a second 1x1 convolution returns the scale of each restored pixel as well.

    Raises
    ------
    UsageError
        A size is impossible, there is no such activation, or the input cannot be added to the
        output.

    Notes
    -----
    ``forward`` takes (batch, channels_in, [Z,] Y, X), each spatial length a multiple of
    `grid`, and returns (batch, channels_out, [Z,] Y, X); with scales (batch, 2 channels_out, ...):
    mu, then sigma. The input is added to mu alone.

    References
    ----------
    .. [1] Weigert et al., Content-aware image restoration: pushing the limits of fluorescence
       microscopy, Nature Methods 15 (2018). https://doi.org/10.1038/s41592-018-0216-7
    """

    def __init__(
        self,
        ndim: int = 2,
        channels_in: int = 1,
        channels_out: int = 1,
        *,
        depth: int = 2,
        first_filters: int = 32,
        kernel: Size | None = None,
        pool: Size = 2,
        convolutions: int = 2,
        activation: str = "relu",
        last_activation: str = "linear",
        residual: bool | None = None,
        dropout: float = 0.0,
        scales: bool = False,
    ) -> None:
        super().__init__()
        if min(depth, first_filters, convolutions) < 1:
            raise UsageError(
                f"a U-Net of depth {depth} with {first_filters} first filters and {convolutions} "
                "convolutions a level cannot be built",
                remedy="Choose a depth, first filters and convolutions of at least 1",
            )
        self.residual = channels_in == channels_out if residual is None else residual
        if self.residual and channels_in != channels_out:
            raise UsageError(
                f"an input of {channels_in} channels cannot be added to an output of "
                f"{channels_out}",
                remedy="Set residual to false, or ask for as many channels as come in",
            )
        if kernel is None:
            kernel = 5 if ndim == 2 else 3
        pool = per_axis(pool, ndim, "pool")
        self.channels_in, self.channels_out, self.scales = channels_in, channels_out, scales
        self.grid = tuple(factor**depth for factor in pool)

        def level(before: int, between: int, after: int) -> nn.Sequential:
            widths = [before, *[between] * (convolutions - 1), after]
            return nn.Sequential(
                *(block(ndim, n, m, kernel, dropout, activation) for n, m in pairwise(widths))
            )

        filters = [first_filters * 2**n for n in range(depth + 1)]
        before = [channels_in, *filters]
        self.down = nn.ModuleList(level(before[n], filters[n], filters[n]) for n in range(depth))
        self.bottom = level(filters[depth - 1], filters[depth], filters[depth - 1])
        # Each level hands the next finer one as many features as that level's skip has.
        self.up = nn.ModuleList(
            level(2 * filters[n], filters[n], filters[max(0, n - 1)])
            for n in reversed(range(depth))
        )
        self.pool, self.upsample = max_pool(pool), upsample(pool)
        self.last = activated(last_activation)
        self.head = convolution(ndim, first_filters, channels_out, 1)
        self.scale_head = ScaleHead(ndim, first_filters, channels_out, 1) if scales else None

    def features(self, x: Tensor) -> Tensor:
        """Return what the head reads: (batch, first_filters, [Z,] Y, X)."""
        skips = []
        for level in self.down:
            x = level(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for level, skip in zip(self.up, reversed(skips), strict=True):
            x = level(torch.cat([self.upsample(x), skip], dim=1))
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Restore a batch of images."""
        features = self.features(x)
        y: Tensor = self.head(features)
        return with_scales(self.last(x + y if self.residual else y), self.scale_head, features)
