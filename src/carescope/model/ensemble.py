"""Several models of one kind that restore together, and what their outputs are as one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import trust
from carescope.errors import ModelError
from carescope.model import calibrated
from carescope.model.model import Model
from carescope.recipe import Recipe
from carescope.task import Task

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Ensemble:
    """Models trained alike from other random numbers; where they differ, none is to be trusted.

    Parameters
    ----------
    members
        At least two models, alike in task, spread and percentiles.
    known
        What is known of them together, such as how their scales are to be read.

    Raises
    ------
    ModelError
        There are fewer than two, or they are not alike.
    """

    members: tuple[Model, ...]
    known: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(self.members))
        if len(self.members) < 2:
            raise ModelError(
                f"an ensemble has at least two members, not {len(self.members)}",
                remedy="Train more of them with --ensemble M, or use the model alone",
            )
        first = _kind(self.members[0])
        for number, member in enumerate(self.members):
            for name, value in _kind(member).items():
                if value != first[name]:
                    raise ModelError(
                        f"member {number} of the ensemble differs from member 0 in {name}: "
                        f"{value} and {first[name]}",
                        remedy="Train all members from one stack with one recipe",
                    )

    @property
    def recipe(self) -> Recipe:
        """That of the first member; the others differ in their seed."""
        return self.members[0].recipe

    @property
    def task(self) -> Task:
        return self.members[0].task

    @property
    def tta(self) -> bool:
        """Whether mirror images are restored too: see `with_tta`."""
        return self.members[0].tta

    @property
    def spread(self) -> str | None:
        """The family of the predicted distributions, laplace or gaussian; None without scales."""
        return self.members[0].spread

    @property
    def facts(self) -> dict[str, Any]:
        """The first member's facts; what members add up to is added up, warnings are joined."""
        told = [member.facts for member in self.members]
        sums = {
            name: sum(facts[name] for facts in told)
            for name in ("steps", "seconds", "weights", "restarts")
            if all(name in facts for facts in told)
        }
        if "seconds" in sums:
            sums["seconds"] = round(sums["seconds"], 1)
        warnings = dict.fromkeys(w for facts in told for w in facts.get("warnings", []))
        return told[0] | sums | {"warnings": list(warnings), "members": len(told)} | self.known

    @property
    def calibration(self) -> calibrated.Calibrated | None:
        """How its scales are to be read; None where they were never held against truths."""
        return calibrated.of(self.known)

    @property
    def family(self) -> str | None:
        """The family as which restored scales are to be read; None without scales."""
        return self.calibration.family if self.calibration else self.spread

    @property
    def sha256(self) -> str:
        """Hash of the members' hashes, by which a restoration names its model."""
        hashes = "\n".join(member.sha256 for member in self.members)
        return hashlib.sha256(hashes.encode()).hexdigest()

    def apply(self, patch: Floats) -> Floats:
        """What the members restore, as one: see `Model.apply` and `fuse`."""
        outputs = np.stack([member.apply(patch) for member in self.members])
        together = fuse(np.moveaxis(outputs, 2, 1), self.task.channels_out, self.spread)
        return np.asarray(np.moveaxis(together, 0, 1))


def with_tta(model: Model | Ensemble) -> Model | Ensemble:
    """The same model for restoring with test-time augmentation.

    It restores an image and three mirror images of it, along x, along y and along both, and gives
    their mean or, of scales, their mixture. That takes four times as long.
    """
    if isinstance(model, Ensemble):
        return Ensemble(tuple(replace(one, tta=True) for one in model.members), model.known)
    return replace(model, tta=True)


def fuse(outputs: Floats, channels: int, spread: str | None) -> Floats:
    """Several outputs for one place as one: their mixture where they have scales, or their mean.

    Parameters
    ----------
    outputs
        (parts, C, *space), or with scales (parts, 2C, *space).
    channels
        C.
    spread
        The family of the distributions, or None without scales.

    Returns
    -------
    (C, *space) or (2C, *space) float32
        mean = <mu>, variance = <variance> + <(mu - mean)^2>, see `carescope.trust.fuse`.
    """
    if len(outputs) == 1:
        return np.asarray(outputs[0])
    if spread is None:
        return np.asarray(outputs.mean(axis=0), np.float32)
    mean, scale = trust.fuse(outputs[:, :channels], outputs[:, channels:], family=spread)
    return np.concatenate([mean, scale])


def _kind(model: Model) -> dict[str, Any]:
    """What the members of an ensemble must have in common."""
    return {
        **model.task.model_dump(exclude={"step_um", "pixel_um"}),
        "spread": model.spread,
        "percentiles": model.recipe.percentiles,
    }
