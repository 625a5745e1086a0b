"""How many threads make batches while the network works on earlier ones."""

from __future__ import annotations

import os

import torch

from carescope.errors import UsageError
from carescope.files import processor

#: On a GPU a step takes less time than a batch does; on a CPU about ten times as much.
MOST_FOR_A_GPU = 8


def choose(workers: int | None, device: torch.device) -> int:
    """How many threads make batches: what was asked for, or what the device needs.

    Where the network itself keeps all cores busy nothing is gained by a thread beside it.

    Raises
    ------
    UsageError
        The number is negative.
    """
    if workers is None:
        cores = _cores()
        if device.type == "cpu":
            return 1 if torch.get_num_threads() < cores else 0
        return min(MOST_FOR_A_GPU, cores)
    if workers < 0:
        raise UsageError(
            f"there cannot be {workers} workers",
            where="--workers",
            remedy="Give 0 to make batches in the loop itself, or a few",
        )
    return workers


def _cores() -> int:
    """Processor cores for this process, where torchrun has started several on this computer."""
    return max(1, processor.cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
