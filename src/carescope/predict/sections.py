"""One block of an isotropic restoration, as a pure function of the stack around it.

Beyond its borders a volume goes on for `MARGIN_PX`, rounded up to whole pooling cells, as its own
mirror image, so that a border is like any other place. Where that ends is fixed by the volume, and
up to there a block reads as far as the network reaches: it is the same whatever the blocks beside
it.

    |~~halo~~|======block======|~~halo~~|     read and interpolated
             |======block======|              restored and kept
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from carescope import normalize, trust
from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Ensemble, Model, fuse
from carescope.normalize import Affine
from carescope.physics import sampling
from carescope.predict.blocks import MARGIN_PX, Block, looks, slices_at_once

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


class Estimate(NamedTuple):
    """What is restored of a block, or of a volume: arrays of one shape.

    Parameters
    ----------
    mean
        Grey levels.
    scale
        Laplace scale b, or Gaussian standard deviation, in grey levels; None without scales.
    disagreement
        Of the members of an ensemble with scales, 0 to 1; None for any other model.
    """

    mean: Floats
    scale: Floats | None = None
    disagreement: Floats | None = None


def restore_block(
    model: Model | Ensemble,
    stack: Image,
    grid: Grid,
    maps: Sequence[Affine],
    block: Block,
    *,
    disagreement: bool = True,
) -> Estimate:
    """Restore one block: the restored xz and yz slices as one (CARE, Fig. 3a).

    The two views of a member are fused first, by their mean or, with scales, as a mixture; then
    the members of an ensemble in the same way. Members disagree about fused views.

    Parameters
    ----------
    model
        An isotropic model.
    stack
        One recorded time point, axes CZYX or ZYX, grey levels.
    grid
        Its axial geometry with the model's factor.
    maps
        What normalises each channel: `carescope.normalize.fit` with the recipe's percentiles.
    block
        Planes, rows and columns of the restored volume, each slice with start and stop.
    disagreement
        Whether to find that of an ensemble's members.

    Returns
    -------
    Estimate
        Of (C, Z, Y, X) float32.
    """
    z, y, x = block
    reach, cell = looks(model)
    far_z = _window(z, grid.restored_planes, reach[0], cell[0])
    far_y = _window(y, stack.size("Y"), reach[1], cell[1])
    far_x = _window(x, stack.size("X"), reach[1], cell[1])
    near = (_within(z, far_z), _within(y, far_y), _within(x, far_x))
    seen = _interpolate(stack.arranged("CZYX"), grid, maps, far_z, far_y, far_x)
    parts = model.channels * (2 if model.spread else 1)
    members = np.empty((len(model.members), parts, *(s.stop - s.start for s in block)), np.float32)
    for one, member in zip(members, model.members, strict=True):
        one[:] = _fused(_views(member, seen, near), model)
    del seen
    differ = _disagreement(members, model) if disagreement else None
    return _grey(_fused(members, model), differ, model, maps)


def _window(kept: slice, size: int, reach: int, cell: int) -> Indices:
    """Indices to look at for what is kept: `reach` more on each side, in whole pooling cells.

    They end where the mirrored volume of `size` pixels does.
    """
    first = max((kept.start - reach) // cell, MARGIN_PX // -cell)
    last = min(-((kept.stop + reach) // -cell), -((size + MARGIN_PX) // -cell))
    return np.arange(first * cell, last * cell)


def _within(kept: slice, far: Indices) -> slice:
    """Where what is kept lies in a window."""
    return slice(kept.start - int(far[0]), kept.stop - int(far[0]))


def _mirror(indices: Indices, size: int) -> Indices:
    """Indices folded into [0, size) by reflection at the first and last sample."""
    if size == 1:
        return np.zeros_like(indices)
    folded = np.abs(indices) % (2 * size - 2)
    return np.asarray(np.where(folded < size, folded, 2 * size - 2 - folded), np.intp)


def _interpolate(
    stack: Image, grid: Grid, maps: Sequence[Affine], z: Indices, y: Indices, x: Indices
) -> Floats:
    """The normalised stack, cubically interpolated along z, at three lists of indices."""
    fine = np.empty((len(maps), len(z), len(y), len(x)), np.float32)
    z = _mirror(z, grid.restored_planes)
    y, x = _mirror(y, stack.size("Y")), _mirror(x, stack.size("X"))
    first = int(z.min())
    weights, planes = sampling.upsample_window(grid, first, int(z.max()) + 1)
    part = np.asarray(stack.data[:, planes, y.min() : y.max() + 1, x.min() : x.max() + 1])
    for channel, (one, grey) in enumerate(zip(maps, part, strict=True)):
        coarse = one.apply(grey)[:, y - y.min()][:, :, x - x.min()]
        fine[channel] = sampling.resample(weights[z - first], coarse)
    return fine


def _views(model: Model, seen: Floats, near: tuple[slice, slice, slice]) -> Floats:
    """A member's restoration from xz and from yz slices, (2, C or 2C, Z, Y, X)."""
    z, y, x = near
    parts = model.channels * (2 if model.spread else 1)
    views = np.empty((2, parts, *(s.stop - s.start for s in near)), np.float32)
    _restore(model, seen[:, :, y].transpose(2, 0, 1, 3), z, x, views[0].transpose(2, 0, 1, 3))
    _restore(model, seen[..., x].transpose(3, 0, 1, 2), z, y, views[1].transpose(3, 0, 1, 2))
    return views


def _restore(model: Model, slices: Floats, rows: slice, columns: slice, kept: Floats) -> None:
    """Restore slices (N, C, Z, X) a few at a time into `kept`: the given rows and columns."""
    count = slices_at_once(model, slices.shape[2] * slices.shape[3])
    for first in range(0, len(slices), count):
        restored = model.apply(slices[first : first + count])
        kept[first : first + count] = restored[:, :, rows, columns]


def _fused(parts: Floats, model: Model | Ensemble) -> Floats:
    """Views or members (parts, C or 2C, Z, Y, X) as one; plane by plane, as memory is short."""
    if len(parts) == 1:
        return np.asarray(parts[0])
    whole: Floats = np.empty(parts.shape[1:], np.float32)
    for z in range(whole.shape[1]):
        whole[:, z] = fuse(parts[:, :, z], model.channels, model.spread)
    return whole


def _disagreement(members: Floats, model: Model | Ensemble) -> Floats | None:
    """How much the members of an ensemble disagree, (C, Z, Y, X); None without scales."""
    if model.spread is None or len(members) == 1:
        return None
    means, scales = members[:, : model.channels], members[:, model.channels :]
    told: Floats = np.empty(means.shape[1:], np.float32)
    for z in range(told.shape[1]):
        told[:, z] = trust.disagreement(means[:, :, z], scales[:, :, z], family=model.spread)
    return told


def _grey(
    fused: Floats, disagreement: Floats | None, model: Model | Ensemble, maps: Sequence[Affine]
) -> Estimate:
    """The normalisation undone: mu becomes a mu + b and sigma a sigma, a > 0 for each channel."""
    mean = normalize.undo(maps, fused[: model.channels])
    if model.spread is None:
        return Estimate(mean)
    widths = np.array([one.width for one in maps], np.float32)
    scale = fused[model.channels :] * widths[:, None, None, None]
    return Estimate(mean, scale, disagreement)
