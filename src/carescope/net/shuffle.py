"""carescope's own network: a U-Net on unshuffled pixels.

A convolution on the full grid of an interpolated or oversampled image multiplies mostly what it
already knows. Here cells of pixels become channels before the first convolution and pixels again
after the last: the same field of view for a tenth of the arithmetic, in shapes that a processor's
matrix units are built for. Within a budget of minutes that is ten times the training (see
benchmarks/isotropic_nuclei.py).

References
----------
.. [1] Shi et al., Real-time single image and video super-resolution using an efficient
   sub-pixel convolutional neural network, CVPR 2016. https://doi.org/10.1109/CVPR.2016.207
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from carescope.net.block import Size, block, convolution, max_pool, per_axis, upsample
from carescope.net.scale import ScaleHead


class ShuffleUNet(nn.Module):
    """A U-Net between a pixel-unshuffle and a pixel-shuffle, which learns the residual.

    Parameters
    ----------
    ndim
        Spatial axes, 2 or 3.
    channels
        Channels of the input.
    channels_out
        Channels of the output; those of the input where None. Where they differ there is no
        residual: the network learns the whole image.
    cell
        Pixels along each axis that become channels; (4, 2), or (1, 2, 2), unless given.
    depth
        How often the image is pooled behind that, at least 1.
    pool
        Pooling factor, one number or one for each axis.
    first_filters
        Features of the finest level; each pooling doubles them.
    dropout
        Share of the features silenced after each convolution behind a pooling while training,
        in [0, 1): one stack holds few structures, and they are soon known by heart.
    scales
        Whether a second last convolution returns the scale of each restored pixel as well.

    Raises
    ------
    UsageError
        A size is impossible.

    Notes
    -----
    ``forward`` takes (batch, channels, *space), each length a multiple of `grid`, and returns
    (batch, channels_out, *space); with scales twice the channels: mu, then sigma.
    The last convolution of a residual begins at zero: training starts from the input.
    """

    def __init__(
        self,
        ndim: int = 2,
        channels: int = 1,
        *,
        channels_out: int | None = None,
        cell: Size | None = None,
        depth: int = 2,
        pool: Size = 2,
        first_filters: int = 32,
        dropout: float = 0.0,
        scales: bool = False,
    ) -> None:
        super().__init__()
        self.channels_in, self.channels_out = channels, channels_out or channels
        self.residual = self.channels_in == self.channels_out
        self.scales = scales
        if cell is None:
            cell = (4, 2) if ndim == 2 else (1, 2, 2)
        self.cell, pools = per_axis(cell, ndim, "cell"), per_axis(pool, ndim, "pool")
        self.grid = tuple(c * p**depth for c, p in zip(self.cell, pools, strict=True))
        pixels = math.prod(self.cell)
        filters = [first_filters * 2**level for level in range(depth + 1)]

        def pair(before: int, after: int, level: int) -> nn.Sequential:
            silenced = dropout if level else 0.0
            return nn.Sequential(
                block(ndim, before, after, 3, silenced), block(ndim, after, after, 3, silenced)
            )

        befores = [self.channels_in * pixels, *filters[:-1]]
        self.down = nn.ModuleList(pair(befores[n], filters[n], n) for n in range(depth + 1))
        self.up = nn.ModuleList(
            pair(filters[n + 1] + filters[n], filters[n], n) for n in reversed(range(depth))
        )
        self.pool, self.upsample = max_pool(pools), upsample(pools)
        inside = self.channels_out * pixels
        self.head = convolution(ndim, filters[0], inside, 3)
        if self.residual:
            nn.init.zeros_(self.head.weight)  # type: ignore[arg-type]
        self.scale_head = ScaleHead(ndim, filters[0], inside, 3) if scales else None

    def forward(self, x: Tensor) -> Tensor:
        """Restore a batch of images."""
        y = self.down[0](self._unshuffle(x))
        skips = []
        for level in list(self.down)[1:]:
            skips.append(y)
            y = level(self.pool(y))
        for level in self.up:
            y = level(torch.cat([self.upsample(y), skips.pop()], dim=1))
        mean = self._shuffle(self.head(y))
        mean = x + mean if self.residual else mean
        if self.scale_head is None:
            return mean
        return torch.cat([mean, self._shuffle(self.scale_head(y))], dim=1)

    def _unshuffle(self, x: Tensor) -> Tensor:
        """(N, C, *space) to (N, C * cell, *space / cell), each channel's cell row by row."""
        n, c, *space = x.shape
        split = [
            part for length, p in zip(space, self.cell, strict=True) for part in (length // p, p)
        ]
        d = len(space)
        within, between = [3 + 2 * i for i in range(d)], [2 + 2 * i for i in range(d)]
        cells = x.reshape(n, c, *split).permute(0, 1, *within, *between)
        order = torch.channels_last if d == 2 else torch.channels_last_3d
        fewer = [length // p for length, p in zip(space, self.cell, strict=True)]
        return cells.reshape(n, c * math.prod(self.cell), *fewer).contiguous(memory_format=order)

    def _shuffle(self, y: Tensor) -> Tensor:
        """The inverse of `_unshuffle`."""
        n, inside, *space = y.shape
        d, c = len(space), inside // math.prod(self.cell)
        order = [axis for i in range(d) for axis in (2 + d + i, 2 + i)]
        cells = y.reshape(n, c, *self.cell, *space).permute(0, 1, *order)
        return cells.reshape(n, c, *(s * p for s, p in zip(space, self.cell, strict=True)))
