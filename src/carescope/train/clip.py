"""Gradients much longer than those before them are shortened, so that no batch undoes the others.

Without it networks in 3D came near to death when they learnt to denoise: in their first hundreds of
steps some gradients are fifty times as long as usual.
"""

from __future__ import annotations

import math

from torch import nn

#: How many times as long as usual a gradient may be, and how slowly "usual" follows.
MOST = 3.0
MEMORY = 0.98


def shorten(network: nn.Module, usual: float) -> float:
    """Shorten the gradient of a network, all weights together, to `MOST` times the usual length.

    Parameters
    ----------
    network
        With gradients; they are changed in place.
    usual
        What the call before returned; 0 before the first.

    Returns
    -------
    float
        The running mean of lengths, none counted as longer than it may be.
    """
    most = MOST * (usual or math.inf)
    length = float(nn.utils.clip_grad_norm_(network.parameters(), most))
    if not math.isfinite(length):
        return usual  # the next loss says so
    return MEMORY * (usual or length) + (1 - MEMORY) * min(length, most)
