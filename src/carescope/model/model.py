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

from carescope.errors import ModelError
from carescope.normalize import Affine
from carescope.recipe import Recipe


@dataclass
class Model:
    """A network with its recipe, normalisation and geometry.

    Parameters
    ----------
    network
        Maps (batch, channel, *space) to the same, in normalised units.
    architecture
        The name and options it was built with, as `carescope.net.build` takes them.
    recipe
        How it was trained.
    affine
        Its one normalisation, the same for input, target and restoration.
    factor
        Restored planes per recorded plane.
    step_um, pixel_um
        Plane distance and lateral pixel size it was trained on.
    facts
        What is worth knowing later: the stack's name, optics, noise, training time, best loss,
        warnings.
    """

    network: nn.Module
    architecture: dict[str, Any]
    recipe: Recipe
    affine: Affine
    factor: float
    step_um: float
    pixel_um: float
    facts: dict[str, Any] = field(default_factory=dict)

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
            (batch, channel, *space) in normalised units, axes of space in the order Z, Y, X;
            each length a multiple of `carescope.net.grid`.

        Returns
        -------
        ndarray
            The same shape, float32.

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
