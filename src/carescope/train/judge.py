"""What a network makes of patches that no step has seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from carescope.pairs import Pairs
from carescope.recipe import Recipe
from carescope.train.device import tensor
from carescope.train.losses import LOSSES, SPREADS, mse

#: A mean squared error so many times that of plain interpolation is beyond recovery.
LOST = 1e6


#: What a network's input is, in words.
PLAIN = {"isotropic": "plain interpolation", "upsample": "plain interpolation"} | dict.fromkeys(
    ("denoise", "project"), "the recorded image"
)

Loss = Callable[[Tensor, Tensor], Tensor]


class Verdict(NamedTuple):
    """The validation loss; whether a restored channel is flat, or all is far from all sense."""

    loss: float
    dead: bool
    lost: bool


class Judge:
    """The validation patches on a device, and what is asked of them.

    Where the network gives scales too, only its first channels, the mean, can be dead or lost,
    and be compared with what went in.

    Parameters
    ----------
    pairs
        Whose validation patches these are.
    recipe
        Names the loss.
    device
        Where the network is.
    """

    def __init__(self, pairs: Pairs, recipe: Recipe, device: torch.device) -> None:
        batches = pairs.validation()
        self.inputs = [tensor(inputs, device) for inputs, _ in batches]
        self.targets = [tensor(targets, device) for _, targets in batches]
        self.channels = pairs.task.channels_out
        # What a network must be better than: its input, or grey where that has other channels.
        self.plain, self.called = self.inputs, PLAIN[pairs.task.kind]
        if self.inputs[0].shape != self.targets[0].shape:
            self.plain = [torch.full_like(each, each.mean().item()) for each in self.targets]
            self.called = "one grey level everywhere"
        self.loss = LOSSES[recipe.loss]
        self.plain_loss = mse if recipe.loss in SPREADS else self.loss

    def look(self, network: nn.Module) -> Verdict:
        """Judge a network."""
        restored = self._restore(network)
        loss = self._mean(self.loss, restored)
        if not math.isfinite(loss):
            return Verdict(loss, dead=False, lost=False)  # the next step meets it
        means = [each[:, : self.channels] for each in restored]
        # A flat band says nothing about life.
        pairs = zip(_flat(means), _flat(self.targets), strict=True)
        dead = any(restored and not target for restored, target in pairs)
        plain = self._mean(mse, self.plain)
        return Verdict(loss, dead, lost=0 < plain < self._mean(mse, means) / LOST)

    def doubts(self, network: nn.Module) -> list[str]:
        """A warning where what went in validates as well as what the network made of it."""
        means = [each[:, : self.channels] for each in self._restore(network)]
        learnt, plain = (self._mean(self.plain_loss, each) for each in (means, self.plain))
        if learnt < plain:
            return []
        return [
            f"The network's validation loss, {learnt:.4g}, is no better than that of "
            f"{self.called}, {plain:.4g}. Train longer, or with a lower learning rate."
        ]

    @torch.no_grad()
    def _restore(self, network: nn.Module) -> list[Tensor]:
        network.eval()
        return [network(inputs).float() for inputs in self.inputs]

    def _mean(self, loss: Loss, restored: list[Tensor]) -> float:
        pairs = zip(restored, self.targets, strict=True)
        losses = [loss(each, target).item() for each, target in pairs]
        return sum(losses) / len(losses)


def _flat(batches: list[Tensor]) -> list[bool]:
    """For each channel whether it holds one value only."""
    together = torch.cat([batch.transpose(0, 1).flatten(1) for batch in batches], dim=1)
    return [bool(one.max() == one.min()) for one in together]
