"""Whole volumes: a loop over blocks that fit in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import carescope
from carescope import net
from carescope.errors import InputError
from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Model
from carescope.predict.block import Block, Floats, restore_block

#: What a block and its halo may take while it is restored.
WORKING_MEMORY_BYTES = 1 << 30
#: Relative difference of step/pixel ratios that rounding in metadata explains.
RATIO_TOLERANCE = 0.02


#: The paper's caution, carried by every restored image.
CAUTION = (
    "Restored by a neural network. Not for intensity-based quantification such as counting "
    "fluorophores (Weigert et al. 2018)."
)


@dataclass(frozen=True)
class Restored:
    """A restoration and where it came from.

    Parameters
    ----------
    mean
        The restored volume, grey levels, float32.
    grid
        Where its planes lie.
    provenance
        What its metadata should say when it is written: the caution, the model's hash, the
        source. `carescope.save` takes it.
    """

    mean: Image
    grid: Grid
    provenance: dict[str, str]


def provenance(model: Model, stack: Image) -> dict[str, str]:
    """What the metadata of a restoration says: the caution, the model, the source."""
    return {
        "software": f"carescope {carescope.__version__}",
        "caution": CAUTION,
        "model_sha256": model.sha256,
        "source": Path(stack.source or "array").name,
    }


def restore(model: Model, stack: Image, *, force: bool = False) -> Restored:
    """Restore a stack in memory.

    Parameters
    ----------
    model
        An isotropic model.
    stack
        Axes ZYX with a voxel size, grey levels without NaN.
    force
        Restore also where plane distance and pixel size have another ratio than the model's.

    Returns
    -------
    Restored
        Its `mean` has floor((planes - 1) * factor) + 1 planes and isotropic voxels.

    Raises
    ------
    InputError
        The stack does not have the geometry that the model was trained for.
    """
    grid = geometry(model, stack, force=force)
    out = np.empty((grid.restored_planes, stack.size("Y"), stack.size("X")), np.float32)

    def keep(block: Block, values: Floats) -> None:
        out[block] = values

    restore_into(keep, model, stack, grid)
    mean = Image(out, "ZYX", voxel_um(stack, grid), stack.channel_names, stack.source)
    return Restored(mean, grid, provenance(model, stack))


def restore_into(
    keep: Callable[[Block, Floats], None],
    model: Model,
    stack: Image,
    grid: Grid,
    *,
    memory_bytes: int = WORKING_MEMORY_BYTES,
    watch: Callable[[float], None] | None = None,
) -> None:
    """Restore block by block, handing each block to `keep`; memory stays bounded.

    Parameters
    ----------
    keep
        Called with each block and its grey levels, float32.
    model, stack, grid
        As for `restore_block`.
    memory_bytes
        What a block may take while it is restored.
    watch
        Called with the share that is done, 0 to 1.
    """
    shape = (grid.restored_planes, stack.size("Y"), stack.size("X"))
    blocks = list(plan(model, shape, memory_bytes))
    for number, block in enumerate(blocks):
        keep(block, restore_block(model, stack, grid, block))
        if watch:
            watch((number + 1) / len(blocks))


def plan(model: Model, shape: tuple[int, int, int], memory_bytes: int) -> Iterator[Block]:
    """Blocks that cover a volume, each with a working set that fits in memory.

    Whichever axis is longest beside its halo is halved until they fit, so that little is read
    twice; an axis of 16 pixels or less is not cut.
    """
    reach, cell = net.reach(model.network), net.grid(model.network)
    halo = [
        2 * (r + c)
        for r, c in zip((reach[0], reach[1], reach[1]), (cell[0], cell[1], cell[1]), strict=True)
    ]
    size = list(shape)
    # Interpolated input, two views, their mean, and the batch inside the network.
    while (
        16 * np.prod([n + h for n, h in zip(size, halo, strict=True)], dtype=float) > memory_bytes
    ):
        axis = max(range(3), key=lambda a: size[a] / (halo[a] + 1))
        if size[axis] <= 16:
            break
        size[axis] = -(-size[axis] // 2)
    starts = [range(0, whole, part) for whole, part in zip(shape, size, strict=True)]
    for corner in itertools.product(*starts):
        z, y, x = (
            slice(first, min(first + part, whole))
            for first, part, whole in zip(corner, size, shape, strict=True)
        )
        yield z, y, x


def geometry(model: Model, stack: Image, *, force: bool = False) -> Grid:
    """The axial geometry of a stack under a model, or a refusal where they do not match."""
    grid = Grid.of(stack, factor=model.factor)
    pixel = stack.voxel()[2]
    ratio, trained = grid.step_um / pixel, model.step_um / model.pixel_um
    if abs(ratio / trained - 1) > RATIO_TOLERANCE and not force:
        raise InputError(
            f"its planes lie {ratio:.3g} pixels apart, and the model was trained for {trained:.3g}",
            where=stack.source,
            remedy="Correct --voxel-um, train a model for this stack, or go on with --force",
        )
    return grid


def voxel_um(stack: Image, grid: Grid) -> tuple[float, float, float]:
    """Voxel size of the restoration of a stack."""
    _, y, x = stack.voxel()
    return (grid.spacing_um, y, x)
