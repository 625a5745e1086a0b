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

#: Pixels along each axis below which a block is not cut, where the network looks along it; sides
#: are multiples of it.
SMALLEST_PX = 16
#: Sides of more than twice as many pixels are multiples of this: chunks of files fit into them.
WHOLE_PX = 64
#: What the network may take for the slices that it sees at once.
BATCH_BYTES = 1 << 28
#: For what skips past the widest layer, and copies in another order of axes: measured 1.3 to 2.5.
OVERHEAD = 2.5

_known: WeakKeyDictionary[nn.Module, float] = WeakKeyDictionary()


def plan(
    model: Model | Ensemble, shape: tuple[int, int, int], memory_bytes: int
) -> Iterator[Block]:
    """Blocks that cover a volume, each with a working set that fits in memory.

    Whichever axis is longest beside its halo is halved, to a round number of pixels, until they
    fit, so that little is read twice; an axis of 16 pixels or less is not cut.

    Parameters
    ----------
    model
        What restores.
    shape
        Planes, rows and columns of the restored volume.
    memory_bytes
        What a block may take, all channels and members of an ensemble.
    """
    return cut(shape, block_size(model, shape, memory_bytes))


def cut(shape: tuple[int, int, int], size: tuple[int, int, int]) -> Iterator[Block]:
    """Blocks of a size that cover a volume; the last along an axis may be smaller."""
    starts = [range(0, whole, part) for whole, part in zip(shape, size, strict=True)]
    for corner in itertools.product(*starts):
        z, y, x = (
            slice(first, min(first + part, whole))
            for first, part, whole in zip(corner, size, shape, strict=True)
        )
        yield z, y, x


def block_size(
    model: Model | Ensemble, shape: tuple[int, int, int], memory_bytes: int
) -> tuple[int, int, int]:
    """The size of the blocks of `plan`."""
    halo = _halo(model)
    size = list(shape)
    while working_bytes(model, shape, (size[0], size[1], size[2])) > memory_bytes:
        long = [a for a in range(3) if size[a] > (SMALLEST_PX if halo[a] else 1)]
        if model.task.kind == "project" and 0 in long:
            long.remove(0)  # the surface may lie in any plane
        if not long:
            break
        axis = max(long, key=lambda a: size[a] / (halo[a] + 1))
        half = -(-size[axis] // 2)
        whole = WHOLE_PX if half > 2 * WHOLE_PX else SMALLEST_PX if halo[axis] else 1
        size[axis] = -(-half // whole) * whole
    return size[0], size[1], size[2]


def working_bytes(
    model: Model | Ensemble, shape: tuple[int, int, int], size: tuple[int, int, int]
) -> float:
    """What it takes to restore a block of a size of a volume of a shape."""
    _, cells = looks(model)
    # Beyond the mirrored volume there is nothing to look at.
    margin = model.task.margin_px
    ends = [n + 2 * (margin + c) for n, c in zip(shape, cells, strict=True)]
    seen = [min(n + h, end) for n, h, end in zip(size, _halo(model), ends, strict=True)]
    return _bytes(model, list(size), seen)


def _halo(model: Model | Ensemble) -> list[int]:
    """How much more is seen than kept along each axis, at most."""
    return [2 * (r + c) if r else 0 for r, c in zip(*looks(model), strict=True)]


def looks(model: Model | Ensemble) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Reach and pooling cell in pixels along z, y and x that serve all members at once.

    Where axial sections are restored, both lateral axes are the sections' second one; where planes
    are, nothing is looked for along z.
    """
    reaches = [net.reach(member.network) for member in model.members]
    cells = [net.grid(member.network) for member in model.members]
    reach = tuple(map(max, zip(*reaches, strict=True)))
    cell = tuple(math.lcm(*sizes) for sizes in zip(*cells, strict=True))
    if model.task.kind == "isotropic":
        return (*reach, reach[1]), (*cell, cell[1])
    if model.task.axes == "YX":
        return (0, *reach), (1, *cell)
    return reach, cell


def slices_at_once(model: Model, pixels: int) -> int:
    """How many slices of so many pixels a network may see at once, at least 1."""
    return max(1, int(BATCH_BYTES / (pixels * bytes_per_px(model.network))))


def _bytes(model: Model | Ensemble, kept: list[int], seen: list[int]) -> float:
    """What it takes to restore a block of `kept` pixels along each axis from `seen` ones.

    Of what is seen: the interpolated channels, and two more while one is interpolated. Of what is
    kept: all that each member restores, and two views, or later the result in grey levels. And
    the slices that are within the network.
    """
    task = model.task
    parts = task.channels_out * (2 if model.spread else 1)
    arrays = (task.channels_in + 2) * math.prod(seen)
    arrays += parts * (len(model.members) + 2) * math.prod(kept)
    widest = max(bytes_per_px(member.network) for member in model.members)
    if task.axes == "ZYX":
        return 4.0 * arrays + widest * math.prod(seen)
    sections = task.kind == "isotropic"
    one = widest * (seen[0] * max(seen[1:]) if sections else seen[1] * seen[2])
    count = max(kept[1:]) if sections else kept[0]
    return 4.0 * arrays + max(one, min(BATCH_BYTES, one * count))


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
        channels, space = int(network.channels_in), [max(4 * n, 16) for n in net.grid(network)]  # type: ignore[arg-type]
        device = next(network.parameters()).device
        network.eval()(torch.zeros(1, channels, *space, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return OVERHEAD * 4 * max(floats) / math.prod(space)
