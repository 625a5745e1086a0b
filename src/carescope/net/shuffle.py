"""carescope's own network for isotropic restoration: a U-Net on unshuffled pixels.

An interpolated axial slice holds one recorded line in `factor` rows, so a convolution on its
full grid multiplies mostly what it already knows. Here cells of pixels become channels before
the first convolution and pixels again after the last: the same field of view for a tenth of the
arithmetic, in shapes that a processor's matrix units are built for. Within a budget of
minutes that is ten times the training (see benchmarks/isotropic_nuclei.py).

References
----------
.. [1] Shi et al., Real-time single image and video super-resolution using an efficient
   sub-pixel convolutional neural network, CVPR 2016. https://doi.org/10.1109/CVPR.2016.207
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from carescope.net.block import block, convolution, max_pool, upsample
from carescope.net.scale import ScaleHead


class ShuffleUNet(nn.Module):
    """A U-Net between a pixel-unshuffle and a pixel-shuffle, which learns the residual.

    Parameters
    ----------
    channels
        Channels of the input and of the output.
    cell
        Rows (axial) and columns (lateral) of pixels that become channels.
    depth
        How often the image is pooled behind that, at least 1.
    first_filters
        Features of the finest level; each pooling doubles them.
    dropout
        Share of the features silenced after each convolution behind a pooling while training,
        in [0, 1): one stack holds few structures, and they are soon known by heart.
    scales
        Whether a second last convolution returns the scale of each restored pixel as well.

    Notes
    -----
    ``forward`` takes and returns (batch, channels, Z, X), Z and X multiples of `grid`; with scales
    it returns (batch, 2 channels, Z, X): mu, then sigma.
    The last convolution begins at zero: training starts from the interpolated slice.
    """

    def __init__(
        self,
        channels: int = 1,
        *,
        cell: tuple[int, int] = (4, 2),
        depth: int = 2,
        first_filters: int = 32,
        dropout: float = 0.0,
        scales: bool = False,
    ) -> None:
        super().__init__()
        self.channels_in = self.channels_out = channels
        self.scales = scales
        self.cell = (int(cell[0]), int(cell[1]))
        self.grid = (self.cell[0] * 2**depth, self.cell[1] * 2**depth)
        inside = channels * self.cell[0] * self.cell[1]
        filters = [first_filters * 2**level for level in range(depth + 1)]

        def pair(before: int, after: int, level: int) -> nn.Sequential:
            silenced = dropout if level else 0.0
            return nn.Sequential(
                block(2, before, after, 3, silenced), block(2, after, after, 3, silenced)
            )

        befores = [inside, *filters[:-1]]
        self.down = nn.ModuleList(pair(befores[n], filters[n], n) for n in range(depth + 1))
        self.up = nn.ModuleList(
            pair(filters[n + 1] + filters[n], filters[n], n) for n in reversed(range(depth))
        )
        self.pool, self.upsample = max_pool((2, 2)), upsample((2, 2))
        self.head = convolution(2, filters[0], inside, 3)
        nn.init.zeros_(self.head.weight)  # type: ignore[arg-type]
        self.scale_head = ScaleHead(2, filters[0], inside, 3) if scales else None

    def forward(self, x: Tensor) -> Tensor:
        """Restore a batch of slices."""
        y = self.down[0](self._unshuffle(x))
        skips = []
        for level in list(self.down)[1:]:
            skips.append(y)
            y = level(self.pool(y))
        for level in self.up:
            y = level(torch.cat([self.upsample(y), skips.pop()], dim=1))
        mean = x + self._shuffle(self.head(y))
        if self.scale_head is None:
            return mean
        return torch.cat([mean, self._shuffle(self.scale_head(y))], dim=1)

    def _unshuffle(self, x: Tensor) -> Tensor:
        """(N, C, Z, X) to (N, C * cell, Z / cell, X / cell)."""
        n, c, z, w = x.shape
        p, q = self.cell
        cells = x.reshape(n, c, z // p, p, w // q, q).permute(0, 1, 3, 5, 2, 4)
        return cells.reshape(n, c * p * q, z // p, w // q).contiguous(
            memory_format=torch.channels_last
        )

    def _shuffle(self, y: Tensor) -> Tensor:
        """The inverse of `_unshuffle`."""
        n, inside, z, w = y.shape
        p, q = self.cell
        cells = y.reshape(n, inside // (p * q), p, q, z, w).permute(0, 1, 4, 2, 5, 3)
        return cells.reshape(n, inside // (p * q), z * p, w * q)
