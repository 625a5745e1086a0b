"""A trained network and all that is needed to use it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from torch import nn

from carescope import trust
from carescope.errors import ModelError
from carescope.model import calibrated
from carescope.recipe import Recipe
from carescope.task import Task


@dataclass
class Model:
    """A network with its recipe and its task.

    It holds no grey levels: what normalises an image is the rule `recipe.percentiles`, applied to
    the image at hand, in training and in restoring alike.

    Parameters
    ----------
    network
        Maps (batch, channels_in, *space) in normalised units to (batch, channels_out, *space), or
        with scales to twice as many channels: mu of each, then its scale.
    architecture
        The name and options it was built with, as `carescope.net.build` takes them.
    recipe
        How it was trained.
    task
        What it restores to what.
    facts
        What is worth knowing later: the stack's name, optics, noise, training time, best loss,
        warnings.
    tta
        Whether it restores mirror images too, and gives the mean: see `carescope.model.with_tta`.
    """

    network: nn.Module
    architecture: dict[str, Any]
    recipe: Recipe
    task: Task
    facts: dict[str, Any] = field(default_factory=dict)
    tta: bool = False

    @property
    def members(self) -> tuple[Model, ...]:
        """The models that restore together: this one."""
        return (self,)

    @property
    def imported(self) -> bool:
        """Whether CSBDeep trained it."""
        return self.facts.get("source") == "CSBDeep"

    @property
    def spread(self) -> str | None:
        """The family of its predicted distributions, laplace or gaussian; None without scales."""
        return self.recipe.loss if self.recipe.loss in trust.FAMILIES else None

    @property
    def calibration(self) -> calibrated.Calibrated | None:
        """How its scales are to be read; None where they were never held against truths."""
        return calibrated.of(self.facts)

    @property
    def family(self) -> str | None:
        """The family as which restored scales are to be read; None without scales."""
        return self.calibration.family if self.calibration else self.spread

    def packed(self) -> bytes:
        """The weights as the content of a safetensors file."""
        state = self.network.state_dict()
        return safetensors.torch.save({k: t.detach().cpu().contiguous() for k, t in state.items()})

    @property
    def sha256(self) -> str:
        """Hash of the weights, by which a restoration names its model."""
        return hashlib.sha256(self.packed()).hexdigest()

    def apply(self, patch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The raw network, always in float32.

        Parameters
        ----------
        patch
            (batch, channels_in, *space) in normalised units, space in the order Z, Y, X;
            each length a multiple of `carescope.net.grid`.

        Returns
        -------
        ndarray
            (batch, channels_out, *space) float32, or with scales twice the channels: mu, then
            scale.

        Raises
        ------
        ModelError
            The network gave NaN or infinity for a finite patch.
        """
        self.network.eval()
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            tensor = torch.from_numpy(np.ascontiguousarray(patch, np.float32)).to(device)
            restored = self.network(tensor).float().cpu().numpy()
        if not np.isfinite(restored).all() and np.isfinite(patch).all():
            raise ModelError(
                "the network gave NaN or infinity for a finite image",
                remedy="Train the model again; its weights are not usable",
            )
        return np.asarray(restored, np.float32)
