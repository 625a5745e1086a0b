"""Which blocks a volume is restored in, so that each fits in memory with all that it needs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

from carescope import net
from carescope.model import Ensemble, Model
from carescope.predict.footprint import bytes_per_px

Block = tuple[slice, slice, slice]

#: Pixels along each axis below which a block is not cut, where the network looks along it; sides
#: are multiples of it.
SMALLEST_PX = 16
#: Sides of more than twice as many pixels are multiples of this: chunks of files fit into them.
WHOLE_PX = 64
#: What the network may take for the slices that it sees at once.
BATCH_BYTES = 1 << 28
#: Axes along which test-time augmentation mirrors what is seen. Light differs along z: not there.
MIRRORS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))
#: What reading and interpolating a pixel costs, in pixels that the network sees.
READING = 0.05
#: What a block costs beside its pixels, likewise.
EACH_BLOCK = 20_000


def plan(
    model: Model | Ensemble, shape: tuple[int, int, int], memory_bytes: int
) -> Iterator[Block]:
    """Blocks that cover a volume, each with a working set that fits in memory.

    Of all round sizes that fit, that with which the network sees the fewest pixels, halos
    included; an axis of 16 pixels or less is not cut.

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
    there = _Terms.of(model, shape)
    if there.bytes(shape) <= memory_bytes:
        return shape
    lengths = [_lengths(model, there, axis) for axis in range(3)]
    best = (lengths[0][0], lengths[1][0], lengths[2][0])
    least = math.inf
    for z, y in itertools.product(*lengths[:2]):
        # As much is read twice as there is memory for less: the longest that fits along x is best.
        x = _longest(there, z, y, lengths[2], memory_bytes)
        if x is not None and (cost := there.cost((z, y, x))) < least:
            least, best = cost, (z, y, x)
    return best


def _longest(there: _Terms, z: int, y: int, lengths: list[int], memory_bytes: int) -> int | None:
    """The length along x, of some that rise, that costs least of those that fit."""
    first, last = 0, len(lengths)
    while first < last:
        middle = (first + last) // 2
        if there.bytes((z, y, lengths[middle])) <= memory_bytes:
            first = middle + 1
        else:
            last = middle
    fitting = lengths[max(0, first - 4) : first]
    return min(fitting, key=lambda x: there.cost((z, y, x))) if fitting else None


def _lengths(model: Model | Ensemble, there: _Terms, axis: int) -> list[int]:
    """Lengths of blocks along an axis that are worth trying, rising: round, or the whole axis."""
    whole = there.shape[axis]
    if axis == 0 and model.task.kind == "project":
        return [whole]  # the surface may lie in any plane
    least = SMALLEST_PX if there.halo[axis] else 1
    found = {whole}
    for count in [*range(2, 17), *(round(2 ** (n / 2)) for n in range(9, 50))]:
        part = -(-whole // count)
        round_to = WHOLE_PX if part > 2 * WHOLE_PX else least
        found.add(min(whole, -(-part // round_to) * round_to))
    return sorted(found)


def working_bytes(
    model: Model | Ensemble, shape: tuple[int, int, int], size: tuple[int, int, int]
) -> float:
    """What it takes to restore a block of a size of a volume of a shape."""
    return _Terms.of(model, shape).bytes(size)


def seen_px(
    model: Model | Ensemble, shape: tuple[int, int, int], size: tuple[int, int, int]
) -> float:
    """How many pixels each network sees of a volume of a shape, in blocks of a size."""
    return _Terms.of(model, shape).seen(size) * (len(MIRRORS) if model.tta else 1)


def tile(
    model: Model | Ensemble, shape: tuple[int, int, int], size: tuple[int, int, int]
) -> tuple[int, ...]:
    """The spatial lengths that a network sees at once of a volume, in whole pooling cells."""
    _, cells = looks(model)
    seen = [-(-n // c) * c for n, c in zip(_Terms.of(model, shape).far(size), cells, strict=True)]
    if model.task.kind == "isotropic":
        return seen[0], seen[1]
    return tuple(seen if model.task.axes == "ZYX" else seen[1:])


class _Terms(NamedTuple):
    """What the cost of blocks depends on."""

    model: Model | Ensemble
    shape: tuple[int, int, int]
    halo: list[int]
    ends: list[int]

    @classmethod
    def of(cls, model: Model | Ensemble, shape: tuple[int, int, int]) -> _Terms:
        reaches, cells = looks(model)
        halo = [2 * (r + c) if r else 0 for r, c in zip(reaches, cells, strict=True)]
        # Beyond the mirrored volume there is nothing to look at.
        margin = model.task.margin_px
        ends = [n + 2 * (margin + c) for n, c in zip(shape, cells, strict=True)]
        return cls(model, shape, halo, ends)

    def far(self, size: tuple[int, int, int]) -> list[int]:
        """What is seen at most for a block of a size, along each axis."""
        return [min(n + h, end) for n, h, end in zip(size, self.halo, self.ends, strict=True)]

    def bytes(self, size: tuple[int, int, int]) -> float:
        """What it takes to restore a block of a size."""
        return _bytes(self.model, list(size), self.far(size))

    def seen(self, size: tuple[int, int, int]) -> float:
        """How many pixels the network sees for all blocks of a size."""
        terms = zip(self.shape, size, self.halo, self.ends, strict=True)
        z, y, x = (_seen_along(*each) for each in terms)
        depth, rows, columns = self.shape
        if self.model.task.kind == "isotropic":
            # xz sections of the rows that are kept, in all blocks along z and x; likewise yz.
            return z * (rows * x + columns * y)
        if self.model.task.axes == "YX":
            return depth * y * x
        return z * y * x

    def cost(self, size: tuple[int, int, int]) -> float:
        """What all blocks of a size cost, in pixels that the network sees."""
        terms = zip(self.shape, size, self.halo, self.ends, strict=True)
        read = math.prod(_seen_along(*each) for each in terms)
        blocks = math.prod(-(-n // part) for n, part in zip(self.shape, size, strict=True))
        return self.seen(size) + READING * read + EACH_BLOCK * blocks


def _seen_along(whole: int, length: int, halo: int, end: int) -> int:
    """What is seen of an axis in parts of a length, halos included."""
    count, left = divmod(whole, length)
    return count * min(length + halo, end) + (min(left + halo, end) if left else 0)


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


def parts(model: Model | Ensemble) -> int:
    """How many channels a network gives: values, and their scales where it has such."""
    return model.task.channels_out * (2 if model.spread else 1)


def slices_at_once(model: Model, pixels: int) -> int:
    """How many slices of so many pixels a network may see at once, at least 1."""
    return max(1, int(BATCH_BYTES / (pixels * bytes_per_px(model))))


def _bytes(model: Model | Ensemble, kept: list[int], seen: list[int]) -> float:
    """What it takes to restore a block of `kept` pixels along each axis from `seen` ones.

    Of what is seen: the channels, those of the next block, once more as they were recorded, and
    two while one is interpolated. Of what is kept: all that each member restores, two views, or
    later the result in grey levels, and the last block twice, with the members' disagreement, which
    is being written. With test-time augmentation a mirror image of what is seen, and what comes of
    all of them. And the slices that are within the network.
    """
    task = model.task
    several = len(model.members) > 1
    layers = parts(model) + (task.channels_out if model.spread and several else 0)
    arrays = (3 * task.channels_in + 2) * math.prod(seen)
    arrays += (parts(model) * (len(model.members) + 2) + 2 * layers) * math.prod(kept)
    if model.tta:
        arrays += task.channels_in * math.prod(seen) + len(MIRRORS) * parts(model) * math.prod(kept)
    widest = max(bytes_per_px(member) for member in model.members)
    if task.axes == "ZYX":
        return 4.0 * arrays + widest * math.prod(seen)
    sections = task.kind == "isotropic"
    one = widest * (seen[0] * max(seen[1:]) if sections else seen[1] * seen[2])
    count = max(kept[1:]) if sections else kept[0]
    return 4.0 * arrays + max(one, min(BATCH_BYTES, one * count))
