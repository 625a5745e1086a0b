"""Dropout whose mask does not depend on how a batch is split over processes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carescope.errors import UsageError


class Dropout(nn.Dropout):
    """Dropout of single features that can draw the mask of a batch of which it sees a part.

    As long as `share` is ``(0, 1)`` it is torch's. With ``(index, count)`` the mask is drawn for
    ``count`` times the batch along axis 0, and block ``index`` of it is used. Processes that
    seed torch alike so drop together what one process with the whole batch would have dropped.
    """

    share: tuple[int, int] = (0, 1)

    def forward(self, input: Tensor) -> Tensor:
        """Silence features while training; scale the others by 1 / (1 - p)."""
        index, count = self.share
        if count == 1 or not self.training:
            return super().forward(input)
        ones = torch.ones_like(input)  # in the memory order in which random numbers are dealt
        mask = F.dropout(torch.cat([ones] * count), self.p)
        return input * mask.chunk(count)[index]


def set_share(network: nn.Module, index: int, count: int) -> None:
    """Tell every `Dropout` of a network which part of the batch it will see.

    Parameters
    ----------
    network
        A network of this package.
    index, count
        This process's number and that of all processes, 0 <= index < count. All have equally
        large parts of the batch; part `index` is block `index` along axis 0.

    Raises
    ------
    UsageError
        There is no such part.
    """
    if not 0 <= index < count:
        raise UsageError(
            f"a batch split over {count} processes has no part {index}",
            remedy="Number the processes from 0",
        )
    for module in network.modules():
        if isinstance(module, Dropout):
            module.share = (index, count)
