"""A network in torch, as it is or compiled, on a device and with products of a precision."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from carescope.train.device import tensor
from carescope.train.precision import autocast

Floats = npt.NDArray[np.float32]

_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def eager(
    network: nn.Module, precision: str, *, device: str | None = None, compiled: bool = False
) -> Callable[[Floats], Floats]:
    """What runs a network on (batch, C, *space), channels last in memory.

    Parameters
    ----------
    network
        Left where it is; a copy goes to another device.
    precision
        Of its products: ``float32`` or ``bfloat16``. What comes out is float32.
    device
        Where it runs; where it is unless given.
    compiled
        Have torch compile it, for all sizes of image, when it is first used.
    """
    network.eval()
    there = next(network.parameters()).device
    if device is not None and torch.device(device) != there:
        there = torch.device(device)
        network = copy.deepcopy(network).to(there)
    forward = torch.compile(network, dynamic=True) if compiled else network

    def run(patch: Floats) -> Floats:
        with torch.inference_mode(), autocast(_TYPES[precision], there), warnings.catch_warnings():
            if compiled:  # the compiler warns of itself
                warnings.simplefilter("ignore")
            seen = tensor(np.ascontiguousarray(patch, np.float32), there)
            return np.asarray(forward(seen).float().cpu().numpy())

    return run
