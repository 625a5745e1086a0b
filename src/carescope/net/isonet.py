"""IsoNet-1 and IsoNet-2: the two networks of the isotropic reconstruction paper.

References
----------
.. [1] Weigert, Royer, Jug and Myers, Isotropic reconstruction of 3D fluorescence microscopy
   images using convolutional neural networks, MICCAI 2017, section 2.2.
   https://doi.org/10.1007/978-3-319-66185-8_15
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from carescope.errors import UsageError
from carescope.net.block import block, convolution, max_pool, upsample
from carescope.net.scale import ScaleHead, with_scales


class IsoNet1(nn.Module):
    """Four convolutions, a ReLU after each of them: ``C64,9,9 - C32,5,5 - C1,5,5 - C1,1,1``.

    57,283 weights. Its output is never negative; and where the last ReLU is 0 everywhere no
    gradient comes through it, so that training cannot recover: begin again with another seed.

    Parameters
    ----------
    channels_in, channels_out
        Channels of the input and of the output; the paper has one.
    dropout
        Share of the features silenced while training, in [0, 1). It follows the two layers
        of features; on the one-channel layers it would blank pixels of the image itself.
    scales
        Must be false: behind its last ReLU there are no features that a scale could be read from.

    Raises
    ------
    UsageError
        Scales are asked for.

    Notes
    -----
    ``forward`` takes (batch, channels_in, Y, X) of any size and returns (batch, channels_out,
    Y, X).
    """

    def __init__(
        self,
        channels_in: int = 1,
        channels_out: int = 1,
        *,
        dropout: float = 0.2,
        scales: bool = False,
    ) -> None:
        super().__init__()
        if scales:
            raise UsageError(
                "isonet1 cannot say how sure it is: it ends in the image, not in features",
                where="--network",
                remedy="Choose --network auto, care or isonet2, or another --loss",
            )
        self.channels_in, self.channels_out, self.scales = channels_in, channels_out, False
        self.grid = (1, 1)
        self.layers = nn.Sequential(
            block(2, channels_in, 64, 9, dropout),
            block(2, 64, 32, 5, dropout),
            block(2, 32, channels_out, 5),
            block(2, channels_out, channels_out, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Restore a batch of images."""
        y: Tensor = self.layers(x)
        return y


class IsoNet2(nn.Module):
    """A small U-Net with kernel 7 and one convolution a level, which learns the residual.

    ``C16,7,7 - M2,2 - C32,7,7 - M2,2 - C64,7,7 - U2,2 - C32,7,7 - U2,2 - C16,7,7 - C1,1,1``
    with symmetric skip connections, which concatenate: 314,561 weights. The last convolution
    is linear, and the input is added to it.

    Parameters
    ----------
    channels
        Channels of the input and of the output; the paper has one.
    dropout
        Share of the features silenced after each 7x7 convolution while training, in [0, 1).
    scales
        Whether a second 1x1 convolution returns the scale of each restored pixel as well.

    Notes
    -----
    ``forward`` takes and returns (batch, channels, Y, X), Y and X multiples of `grid`; with scales
    it returns (batch, 2 channels, Y, X): mu, then sigma.
    """

    def __init__(self, channels: int = 1, *, dropout: float = 0.2, scales: bool = False) -> None:
        super().__init__()
        self.channels_in = self.channels_out = channels
        self.scales = scales
        self.grid = (4, 4)
        self.fine_in = block(2, channels, 16, 7, dropout)
        self.middle_in = block(2, 16, 32, 7, dropout)
        self.coarse = block(2, 32, 64, 7, dropout)
        self.middle_out = block(2, 64 + 32, 32, 7, dropout)
        self.fine_out = block(2, 32 + 16, 16, 7, dropout)
        self.head = convolution(2, 16, channels, 1)
        self.scale_head = ScaleHead(2, 16, channels, 1) if scales else None
        self.pool, self.upsample = max_pool((2, 2)), upsample((2, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Restore a batch of images."""
        fine = self.fine_in(x)
        middle = self.middle_in(self.pool(fine))
        coarse = self.coarse(self.pool(middle))
        up = self.middle_out(torch.cat([self.upsample(coarse), middle], dim=1))
        up = self.fine_out(torch.cat([self.upsample(up), fine], dim=1))
        residual: Tensor = self.head(up)
        return with_scales(x + residual, self.scale_head, up)
