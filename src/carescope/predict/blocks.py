"""Which blocks a volume is restored in, so that each fits in memory with all that it needs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from carescope import net
from carescope.model import Ensemble, Model

Block = tuple[slice, slice, slice]

#: How far a volume is mirrored beyond its borders, at least.
MARGIN_PX = 32
#: Pixels along each axis below which a block is not cut.
SMALLEST_PX = 16
#: What the network may take for the slices that it sees at once.
BATCH_BYTES = 1 << 28
#: For what skips past the widest layer, and copies in another order of axes: measured 1.3 to 2.5.
OVERHEAD = 2.5

_known: WeakKeyDictionary[nn.Module, float] = WeakKeyDictionary()


def plan(
    model: Model | Ensemble, shape: tuple[int, int, int], memory_bytes: int
) -> Iterator[Block]:
    """Blocks that cover a volume, each with a working set that fits in memory.

    Whichever axis is longest beside its halo is halved until they fit, so that little is read
    twice; an axis of 16 pixels or less is not cut.

    Parameters
    ----------
    model
        What restores.
    shape
        Planes, rows and columns of the restored volume.
    memory_bytes
        What a block may take, all channels and members of an ensemble.
    """
    (axial, lateral), (rows, columns) = looks(model)
    halo = [2 * (axial + rows), 2 * (lateral + columns), 2 * (lateral + columns)]
    # Beyond the mirrored volume there is nothing to look at.
    ends = [n + 2 * (MARGIN_PX + c) for n, c in zip(shape, (rows, columns, columns), strict=True)]
    size = list(shape)

    def seen() -> list[int]:
        return [min(n + h, end) for n, h, end in zip(size, halo, ends, strict=True)]

    while _working_bytes(model, size, seen()) > memory_bytes:
        axis = max(range(3), key=lambda a: size[a] / (halo[a] + 1))
        if size[axis] <= SMALLEST_PX:
            break
        size[axis] = -(-size[axis] // 2)
    starts = [range(0, whole, part) for whole, part in zip(shape, size, strict=True)]
    for corner in itertools.product(*starts):
        z, y, x = (
            slice(first, min(first + part, whole))
            for first, part, whole in zip(corner, size, shape, strict=True)
        )
        yield z, y, x


def looks(model: Model | Ensemble) -> tuple[tuple[int, int], tuple[int, int]]:
    """Reach and pooling cell, axial and lateral in pixels, that serve all members at once."""
    reaches = [net.reach(member.network) for member in model.members]
    cells = [net.grid(member.network) for member in model.members]
    axial, lateral = zip(*reaches, strict=True)
    rows, columns = zip(*cells, strict=True)
    return (max(axial), max(lateral)), (math.lcm(*rows), math.lcm(*columns))


def slices_at_once(model: Model, pixels: int) -> int:
    """How many slices of so many pixels a network may see at once, at least 1."""
    return max(1, int(BATCH_BYTES / (pixels * bytes_per_px(model.network))))


def _working_bytes(model: Model | Ensemble, kept: list[int], seen: list[int]) -> float:
    """What it takes to restore a block of `kept` pixels along each axis from `seen` ones.

    Of what is seen: the interpolated channels, and two more while one is interpolated. Of what is
    kept: all that each member restores, and two views, or later the result in grey levels. And
    the slices that are within the network.
    """
    parts = model.channels * (2 if model.spread else 1)
    arrays = (model.channels + 2) * math.prod(seen)
    arrays += parts * (len(model.members) + 2) * math.prod(kept)
    widest = max(bytes_per_px(member.network) for member in model.members)
    one = seen[0] * max(seen[1:]) * widest
    return 4.0 * arrays + max(one, min(BATCH_BYTES, one * max(kept[1:])))


def bytes_per_px(network: nn.Module) -> float:
    """What a forward pass takes for each pixel of its input.

    What the widest layer reads and writes, found by running the network once on a small image,
    times `OVERHEAD`.
    """
    if network not in _known:
        _known[network] = _measured(network)
    return _known[network]


@torch.inference_mode()
def _measured(network: nn.Module) -> float:
    floats = [0]

    def note(_module: nn.Module, seen: tuple[Tensor, ...], given: Tensor) -> None:
        floats.append(sum(t.numel() for t in seen) + given.numel())

    leaves = [m for m in network.modules() if not list(m.children())]
    hooks = [leaf.register_forward_hook(note) for leaf in leaves]
    try:
        channels, space = int(network.channels_in), [4 * n for n in net.grid(network)]  # type: ignore[arg-type]
        device = next(network.parameters()).device
        network.eval()(torch.zeros(1, channels, *space, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return OVERHEAD * 4 * max(floats) / math.prod(space)
