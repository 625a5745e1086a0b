"""Where a network trains, and how arrays get there."""

from __future__ import annotations

import torch
from torch import Tensor

from carescope.errors import UsageError
from carescope.net.build import CHANNELS_LAST


def choose_device(name: str) -> torch.device:
    """The device of a name; ``auto`` takes a GPU where there is one.

    Raises
    ------
    UsageError
        There is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise UsageError(
            f"there is no device {name!r} here",
            where="--device",
            remedy="Leave --device out, or give cpu",
        ) from None
    return device


def tensor(array: object, device: torch.device) -> Tensor:
    """An array (N, C, *space) on a device, in the memory order in which convolutions are fast."""
    there = torch.as_tensor(array).to(device)
    return there.contiguous(memory_format=CHANNELS_LAST[there.ndim])
