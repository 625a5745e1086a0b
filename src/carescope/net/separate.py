"""A network for each channel, none of which sees another's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from carescope.errors import UsageError


class Separate(nn.Module):
    """Networks side by side, each for one channel.

    Parameters
    ----------
    parts
        A network of one channel for each channel, all of one kind.

    Raises
    ------
    UsageError
        There is no part, or one has more channels than one, or they are of different kinds.

    Notes
    -----
    ``forward`` takes (batch, channels, *space) and returns as much, or twice the channels where
    the parts have scales: the means of all channels, then the scales of all.
    """

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        kinds = {(p.grid, p.scales) for p in parts}
        if len(kinds) != 1 or any(n != 1 for p in parts for n in (p.channels_in, p.channels_out)):
            raise UsageError(
                "separate networks are one for each channel, all alike, of one channel each",
                remedy="Build each of them with one channel and the same options",
            )
        self.channels_in = self.channels_out = len(parts)
        self.grid: tuple[int, ...] = parts[0].grid  # type: ignore[assignment]
        self.scales = bool(parts[0].scales)
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        """Restore a batch of images."""
        restored = [part(x[:, i : i + 1]) for i, part in enumerate(self.parts)]
        return torch.stack(restored, dim=2).flatten(1, 2)
