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
from carescope.pairs import LateralPairs
from carescope.recipe import Recipe
from carescope.train import checkpoint
from carescope.train.schedule import Plateau


@dataclass
class State:
    """Network, optimiser and counters of a run."""

    network: nn.Module
    architecture: dict[str, Any]
    optimizer: torch.optim.Adam
    recipe: Recipe
    task: str  # identifies recipe and data; a checkpoint of another task is refused
    step: int = 0
    seconds: float = 0.0
    train_loss: float = math.nan
    val_loss: float = math.nan
    best_loss: float = math.inf
    best: dict[str, Tensor] = field(default_factory=dict)
    plateau: Plateau = field(default_factory=Plateau)
    slowed: float = 1.0  # factor on the learning rate after restarts
    restarts: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def begin(cls, recipe: Recipe, pairs: LateralPairs, device: torch.device) -> State:
        """Fresh weights and a fresh optimiser."""
        architecture = net.resolve(recipe.network, factor=pairs.grid.factor)
        network = net.build(**architecture, seed=recipe.seed).to(device)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        task = json.dumps([recipe.model_dump(), pairs.identity()], sort_keys=True)
        digest = hashlib.sha256(task.encode()).hexdigest()
        return cls(network, architecture, _adam(network, recipe), recipe, digest)

    def begin_again(self, recipe: Recipe, pairs: LateralPairs, device: torch.device) -> None:
        """Other weights and half the learning rate; step, time and the best weights go on."""
        self.restarts += 1
        self.slowed /= 2
        fresh = State.begin(
            recipe.model_copy(update={"seed": recipe.seed + 1000 * self.restarts}), pairs, device
        )
        self.network, self.optimizer = fresh.network, fresh.optimizer
        self.plateau = Plateau()

    def observe(self) -> None:
        """Take note of a validation; keep the weights if they are the best so far."""
        improved = self.val_loss < self.best_loss
        self.plateau.observe(improved)
        if improved:
            self.best_loss = self.val_loss
            self.best = {name: t.detach().clone() for name, t in self.network.state_dict().items()}

    def save(self, run: Path) -> None:
        """Write a checkpoint."""
        tensors = {f"network.{k}": t for k, t in self.network.state_dict().items()}
        tensors |= {f"best.{k}": t for k, t in self.best.items()}
        for i, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{k}": torch.as_tensor(t) for k, t in moments.items()}
        counters = ("step", "seconds", "train_loss", "val_loss", "best_loss", "slowed", "restarts")
        facts = {name: getattr(self, name) for name in counters}
        facts |= {"task": self.task, "plateau": asdict(self.plateau), "rows": self.rows}
        checkpoint.save(run, self.step, tensors, facts)

    def resume(self, run: Path, *, discard: bool = False) -> list[str]:
        """Take up the newest sound checkpoint, if there is one; returns warnings.

        With `discard`, a checkpoint of another recipe or other data is removed instead.

        Raises
        ------
        OutputError
            The checkpoint belongs to another recipe or other data.
        """
        found, warnings = checkpoint.load(run)
        if found is None:
            return warnings
        tensors, facts = found
        if facts.pop("task") != self.task:
            if discard:
                checkpoint.clear(run)
                return ["An interrupted training of another recipe or other data was discarded."]
            raise OutputError(
                "an interrupted training of another recipe or other data lies here",
                where=run,
                remedy="Repeat the command that began it, choose another folder with --model, "
                "or discard it with --overwrite",
            )
        self.plateau = Plateau(**facts.pop("plateau"))
        for name, value in facts.items():
            setattr(self, name, value)
        self.network.load_state_dict(_part(tensors, "network."))
        self.best = _part(tensors, "best.")
        adam = self.optimizer.state_dict()
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _part(tensors, "adam.").items():
            index, key = name.split(".", 1)
            moments.setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict({**adam, "state": moments})
        return [*warnings, f"Training went on from step {self.step} of an interrupted run."]

    def model(self, pairs: LateralPairs, warnings: list[str]) -> Model:
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
        facts = pairs.facts() | {
            "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "steps": self.step,
            "seconds": round(self.seconds, 1),
            "best_validation_loss": self.best_loss,
            "weights": sum(p.numel() for p in self.network.parameters()),
            "restarts": self.restarts,
            "warnings": [*warnings, *pairs.doubts()],
            "history": self.rows,
        }
        return Model(
            network=self.network.cpu().eval(),
            architecture=self.architecture,
            recipe=self.recipe,
            affine=pairs.affine,
            factor=pairs.grid.factor,
            step_um=pairs.grid.step_um,
            pixel_um=pairs.pixel_um,
            facts=facts,
        )


def _adam(network: nn.Module, recipe: Recipe) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), recipe.rate, eps=1e-7)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
