"""Batches made by threads while the network works on earlier ones."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TypeVar

import torch

from carescope.errors import UsageError
from carescope.files import processor

T = TypeVar("T")

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


def ahead(make: Callable[[int], T], first: int, workers: int) -> Generator[T, None, None]:
    """Yield ``make(first)``, ``make(first + 1)`` and so on, in order and without end.

    Parameters
    ----------
    make
        Depends on nothing but its argument, so that the number of workers changes nothing.
        An exception of it is raised when its turn comes.
    first
        Its first argument.
    workers
        Threads; 0 calls `make` here, when its value is asked for.
    """
    if workers == 0:
        yield from map(make, count(first))
        return
    pool = ThreadPoolExecutor(workers, "batch")
    try:
        waiting = deque(pool.submit(make, number) for number in range(first, first + 2 * workers))
        for number in count(first + 2 * workers):
            made = waiting.popleft().result()
            waiting.append(pool.submit(make, number))
            yield made
    finally:
        pool.shutdown(cancel_futures=True)
