"""The state of a run: all that a checkpoint must hold for training to go on as if never cut."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from carescope import net
from carescope.errors import ModelError, OutputError
from carescope.model import Model
from carescope.pairs import Pairs
from carescope.recipe import Recipe
from carescope.train import checkpoint, distributed
from carescope.train.judge import Judge
from carescope.train.losses import SPREADS
from carescope.train.schedule import Plateau
from carescope.train.start import check_start

#: Changes where checkpoints of before can no longer be taken up.
FORMAT = 3

COUNTERS = (
    "step",
    "seconds",
    "train_loss",
    "val_loss",
    "best_loss",
    "slowed",
    "usual_gradient",
    "restarts",
    "rows",
    "warnings",
    "resumed",
)


@dataclass
class State:
    """Network, optimiser and counters of a run."""

    network: nn.Module
    architecture: dict[str, Any]
    optimizer: torch.optim.Adam
    recipe: Recipe
    start: Model | None
    task: str  # identifies recipe and data; a checkpoint of another task is refused
    step: int = 0
    seconds: float = 0.0
    train_loss: float = math.nan
    val_loss: float = math.nan
    best_loss: float = math.inf
    best: dict[str, Tensor] = field(default_factory=dict)
    plateau: Plateau = field(default_factory=Plateau)
    slowed: float = 1.0  # factor on the learning rate after restarts
    usual_gradient: float = 0.0  # length, of all weights together
    restarts: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    resumed: list[int] = field(default_factory=list)  # the steps from which it went on

    @classmethod
    def begin(
        cls,
        recipe: Recipe,
        pairs: Pairs,
        device: torch.device,
        start: Model | None = None,
    ) -> State:
        """Fresh weights, or those of `start`, and a fresh optimiser.

        Raises
        ------
        UsageError
            `start` has other channels, or scales where the loss has none or the other way round.
        """
        architecture = net.resolve(
            recipe.network,
            pairs.task,
            planes=pairs.planes,
            scales=recipe.loss in SPREADS,
            per_channel=recipe.per_channel,
        )
        if start:
            check_start(start, recipe, pairs.task)
            architecture = start.architecture
        network = net.build(**architecture, seed=recipe.seed)
        if start:
            network.load_state_dict(start.network.state_dict())
        network = network.to(device)
        net.set_share(network, *distributed.share())
        origin = start.sha256 if start else None
        task = json.dumps([FORMAT, recipe.model_dump(), pairs.identity(), origin], sort_keys=True)
        digest = hashlib.sha256(task.encode()).hexdigest()
        return cls(network, architecture, _adam(network, recipe), recipe, start, digest)

    def begin_again(self, pairs: Pairs) -> None:
        """Other weights and half the learning rate; step, time and the best weights go on."""
        self.restarts += 1
        self.slowed /= 2
        seed = (self.recipe.seed + 1000 * self.restarts) % 2**32
        other = self.recipe.model_copy(update={"seed": seed})
        device = next(self.network.parameters()).device
        fresh = State.begin(other, pairs, device, self.start)
        self.network, self.optimizer = fresh.network, fresh.optimizer
        self.plateau, self.usual_gradient = Plateau(), 0.0

    def observe(self) -> None:
        """Take note of a validation; keep the weights if they are the best so far."""
        improved = self.val_loss < self.best_loss
        self.plateau.observe(improved)
        if improved:
            self.best_loss = self.val_loss
            self.best = {name: t.detach().clone() for name, t in self.network.state_dict().items()}

    @property
    def size_bytes(self) -> int:
        """About the size of a checkpoint: the weights, the best ones, and Adam's two moments."""
        weights: dict[str, Tensor] = self.network.state_dict()
        return 4 * sum(tensor.nbytes for tensor in weights.values()) + (1 << 20)

    def save(self, run: Path) -> None:
        """Write a checkpoint."""
        tensors = {f"network.{k}": t for k, t in self.network.state_dict().items()}
        tensors |= {f"best.{k}": t for k, t in self.best.items()}
        for i, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{k}": torch.as_tensor(t) for k, t in moments.items()}
        facts = {name: getattr(self, name) for name in COUNTERS}
        facts |= {"task": self.task, "plateau": asdict(self.plateau)}
        checkpoint.save(run, self.step, tensors, facts)

    def resume(self, run: Path, *, discard: bool = False) -> None:
        """Take up the newest sound checkpoint, if there is one.

        With `discard`, a checkpoint of another recipe or other data is removed instead.

        Raises
        ------
        OutputError
            The checkpoint belongs to another recipe or other data.
        """
        found, damaged = checkpoint.load(run)
        if found and found[1]["task"] != self.task:
            _discard(run, agreed=discard)
            self.warnings.append(
                "An interrupted training of another recipe or other data was discarded."
            )
            return
        if found:
            self._take(*found)
            self.resumed.append(self.step)
        self.warnings += damaged

    def _take(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Become what a checkpoint holds."""
        self.plateau = Plateau(**facts["plateau"])
        for name in COUNTERS:
            setattr(self, name, facts[name])
        self.network.load_state_dict(_part(tensors, "network."))
        self.best = _part(tensors, "best.")
        adam = self.optimizer.state_dict()
        parameters = list(self.network.parameters())
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _part(tensors, "adam.").items():
            index, key = name.split(".", 1)
            if tensor.ndim:  # in the memory order that Adam gave it, for the same rounding
                tensor = torch.empty_like(parameters[int(index)]).copy_(tensor)
            moments.setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict({**adam, "state": moments})

    def model(self, pairs: Pairs, judge: Judge) -> Model:
        """The model that was learnt: the best weights, on the CPU.

        Raises
        ------
        ModelError
            No validation gave a loss that is a number.
        """
        if not self.best:
            raise ModelError(
                f"nothing was learnt in {self.step} steps: the network died, or its validation "
                "loss became NaN or infinite",
                remedy=f"Train longer, or with a --learning-rate below {self.recipe.rate:g}",
            )
        self.network.load_state_dict(self.best)
        net.set_share(self.network, 0, 1)
        warnings = [*self.warnings, *self._interruptions(), *judge.doubts(self.network)]
        facts = pairs.facts() | {
            "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "steps": self.step,
            "seconds": round(self.seconds, 1),
            "best_validation_loss": self.best_loss,
            "weights": sum(p.numel() for p in self.network.parameters()),
            "restarts": self.restarts,
            "started_from": self.start.sha256 if self.start else None,
            "warnings": [*warnings, *pairs.doubts()],
            "history": self.rows,
        }
        return Model(
            network=self.network.cpu().eval(),
            architecture=self.architecture,
            recipe=self.recipe,
            task=pairs.task,
            facts=facts,
        )

    def _interruptions(self) -> list[str]:
        if not self.resumed:
            return []
        steps = ", ".join(map(str, dict.fromkeys(self.resumed)))
        return [f"Training went on from step {steps} of an interrupted run."]


def _discard(run: Path, *, agreed: bool) -> None:
    """Remove the checkpoints of something else, if the user has agreed to it."""
    if not agreed:
        raise OutputError(
            "an interrupted training of another recipe or other data lies here",
            where=run,
            remedy="Repeat the command that began it, choose another folder with --model, "
            "or discard it with --overwrite",
        )
    if distributed.is_main():
        checkpoint.clear(run)


def _adam(network: nn.Module, recipe: Recipe) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), recipe.rate, eps=1e-7)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
