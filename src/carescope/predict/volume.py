"""Whole volumes, with their channels and time points: loops over blocks that fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from carescope import normalize, trust
from carescope.errors import ModelError
from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.predict.block import Estimate, Floats, restore_block
from carescope.predict.blocks import Block, plan
from carescope.predict.outline import geometry, layer_names, layout, provenance, voxel_um

#: What a block and its halo may take while it is restored.
WORKING_MEMORY_BYTES = 1 << 30

Place = tuple[Any, ...]


@dataclass(frozen=True)
class Restored:
    """A restoration and where it came from.

    Parameters
    ----------
    mean
        The restored image, grey levels, float32.
    grid
        Where its planes lie.
    provenance
        What its metadata should say when it is written: the caution, the model's hash, the
        source. `carescope.save` takes it.
    scale
        For a model with scales the spread of each voxel, in grey levels: Laplace scale b, or
        Gaussian standard deviation.
    disagreement
        For an ensemble of such models how much they disagree, from 0 to 1.
    spread
        The family of the distributions, laplace or gaussian; None without scales.
    """

    mean: Image
    grid: Grid
    provenance: dict[str, str]
    scale: Image | None = None
    disagreement: Image | None = None
    spread: str | None = None

    def interval(self, level: float) -> tuple[Image, Image]:
        """The central interval that holds the truth of each voxel with a probability.

        Parameters
        ----------
        level
            The probability, in [0, 1).

        Returns
        -------
        low, high
            Grey levels, float32.

        Raises
        ------
        ModelError
            The model has no scales.
        UsageError
            The level is none.
        """
        if self.scale is None or self.spread is None:
            raise ModelError(
                "the model does not say how sure it is, so there is no interval",
                remedy="Train it with --laplace",
            )
        low, high = trust.interval(self.mean.array(), self.scale.array(), level, family=self.spread)
        return replace(self.mean, data=low), replace(self.mean, data=high)


def restore(model: Model | Ensemble, stack: Image, *, force: bool = False) -> Restored:
    """Restore a stack in memory.

    Parameters
    ----------
    model
        An isotropic model, or an ensemble of them.
    stack
        Axes ZYX, with C, T or both, and a voxel size; grey levels without NaN.
    force
        Restore also where plane distance and pixel size have another ratio than the model's.

    Returns
    -------
    Restored
        Its `mean` has floor((planes - 1) * factor) + 1 planes and isotropic voxels; its axes are
        the stack's, in the order TCZYX.

    Raises
    ------
    InputError
        The stack does not have the geometry or the channels that the model was trained for, or
        is constant.
    """
    grid = geometry(model, stack, force=force)
    axes, shape = layout(stack, grid)
    layers: dict[str, Floats] = {n: np.empty(shape, np.float32) for n in layer_names(model)}

    def keep(place: Place, part: Estimate) -> None:
        for name, values in layers.items():
            values[place] = getattr(part, name)

    restore_into(keep, model, stack, grid)
    voxel, names = voxel_um(stack, grid), stack.channel_names
    images = {n: Image(v, axes, voxel, names, stack.source) for n, v in layers.items()}
    return Restored(grid=grid, provenance=provenance(model, stack), spread=model.spread, **images)


def restore_into(
    keep: Callable[[Place, Estimate], None],
    model: Model | Ensemble,
    stack: Image,
    grid: Grid,
    *,
    maps: Sequence[Affine] | None = None,
    memory_bytes: int = WORKING_MEMORY_BYTES,
    disagreement: bool = True,
    watch: Callable[[float], None] | None = None,
) -> None:
    """Restore block by block, handing each block to `keep`; memory stays bounded.

    Parameters
    ----------
    keep
        Called with the place of each block in an array of `layout`, and with what was restored.
    model, stack, grid
        As for `restore`.
    maps
        What normalises each channel; by default the recipe's percentiles of the whole stack, all
        time points together.
    memory_bytes
        What a block may take while it is restored.
    disagreement
        Whether to find that of an ensemble's members, which takes a while.
    watch
        Called with the share that is done, 0 to 1.
    """
    maps = normalize.fit(stack, model.recipe.percentiles) if maps is None else maps
    shape = (grid.restored_planes, stack.size("Y"), stack.size("X"))
    blocks = list(plan(model, shape, memory_bytes))
    frames = stack.frames()
    for time, frame in enumerate(frames):
        for number, block in enumerate(blocks):
            part = restore_block(model, frame, grid, maps, block, disagreement=disagreement)
            keep(_place(stack, time, block), part if "C" in stack.axes else _alone(part))
            if watch:
                watch((time + (number + 1) / len(blocks)) / len(frames))


def _place(stack: Image, time: int, block: Block) -> Place:
    """Where a block lies in the restoration of a stack."""
    return (
        *((time,) if "T" in stack.axes else ()),
        *((slice(None),) if "C" in stack.axes else ()),
        *block,
    )


def _alone(part: Estimate) -> Estimate:
    """The only channel, without its axis."""
    mean, *spread = part
    return Estimate(mean[0], *(values if values is None else values[0] for values in spread))
