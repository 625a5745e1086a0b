"""One training by several processes, as torchrun starts them.

Each process trains with its share of every batch, and gradients are averaged, so that all
have the same weights at every moment. The first process alone writes, and its clock counts.
In a single process nothing here does anything.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from carescope.errors import CarescopeError, OutputError, UsageError

#: How long a process waits for another one that is alive: the first may be restoring a draft.
PATIENCE = timedelta(days=7)


def share() -> tuple[int, int]:
    """The number of this process, from 0, and how many there are; (0, 1) without torchrun."""
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR")
    if not all(name in os.environ for name in names):
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def is_main() -> bool:
    """Whether this is the process that writes files and talks to the user."""
    return share()[0] == 0


def own_device(device: torch.device, batch_size: int) -> torch.device:
    """The device of this process among others.

    Raises
    ------
    UsageError
        A batch cannot be shared out evenly, or there are fewer GPUs than processes.
    """
    _, world = share()
    if world == 1:
        return device
    if batch_size % world:
        raise UsageError(
            f"a batch of {batch_size} patches cannot be shared by {world} processes",
            where="--batch-size",
            remedy=f"Give a multiple of {world}",
        )
    if device.type == "cuda":
        device = _own_gpu()
        torch.cuda.set_device(device)
    elif device.type != "cpu":
        raise UsageError(
            f"several processes cannot train on {device.type}",
            where="--device",
            remedy="Give cpu, or leave torchrun out",
        )
    return device


def wait() -> None:
    """Go on only when every process has come here."""
    _sum(torch.zeros(1))


def by_main(work: Callable[[], object]) -> None:
    """Let the first process do something, such as writing a file, while the others wait."""
    if is_main():
        work()
    wait()


def mean(value: Tensor) -> float:
    """The mean of a number over the processes."""
    return _sum(value.detach().clone()).item() / share()[1]


def average_gradients(network: nn.Module) -> None:
    """Give every process the mean of all gradients, in one exchange."""
    _, world = share()
    if world == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    together = _sum(torch.cat([gradient.flatten() for gradient in gradients])) / world
    parts = together.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def agree(seconds: float, asked: bool) -> tuple[float, bool]:
    """The clock of the first process, and whether any process was asked to end."""
    if share()[1] == 1:
        return seconds, asked
    both = torch.tensor([seconds if is_main() else 0.0, asked], dtype=torch.float64)
    with _together():
        dist.all_reduce(both, dist.ReduceOp.MAX)
    return both[0].item(), bool(both[1])


def told(values: Sequence[float]) -> list[float]:
    """The numbers that the first process has; the others give as many of their own."""
    if share()[1] == 1:
        return list(values)
    numbers = torch.tensor(values, dtype=torch.float64)
    with _together():
        dist.broadcast(numbers, 0)
    return numbers.tolist()


def check_same(step: int, run: Path) -> None:
    """Wait for all, and refuse where they do not go on from the same step.

    Raises
    ------
    OutputError
        The processes see different checkpoints.
    """
    if share()[1] > 1 and _sum(torch.tensor(float(step))) != step * share()[1]:
        raise OutputError(
            "the processes of this training see different checkpoints",
            where=run,
            remedy="Choose with --model a folder that all computers share",
        )


def _sum(tensor: Tensor) -> Tensor:
    """Add up a tensor over the processes, in place."""
    if share()[1] > 1:
        with _together():
            dist.all_reduce(tensor)
    return tensor


def _own_gpu() -> torch.device:
    local, here = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local >= here:
        raise UsageError(
            f"process {local + 1} of this computer finds only {here} GPU(s)",
            where="--device",
            remedy=f"Start torchrun with --nproc-per-node {here}, or give --device cpu",
        )
    return torch.device("cuda", local)


@contextmanager
def _together() -> Iterator[None]:
    """Talk to the other processes, having met them."""
    try:
        if not dist.is_initialized():
            # Weights and gradients may live on a GPU; clocks and decisions are on the CPU.
            on_gpus = torch.cuda.is_available() and dist.is_nccl_available()
            dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo", timeout=PATIENCE)
            atexit.register(dist.destroy_process_group)
        yield
    except (RuntimeError, ValueError) as error:
        raise CarescopeError(
            "the processes of this training lost each other",
            remedy="Where one of them ended, its own message says why",
        ) from error
