"""One block of an isotropic restoration, as a pure function of the stack around it.

|~~halo~~|======block======|~~halo~~|     read and interpolated
         |======block======|              restored and kept
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.predict.blocks import Block, looks, slices_at_once
from carescope.predict.estimate import Estimate, estimate, fused
from carescope.predict.seen import interpolated
from carescope.predict.window import window, within

Floats = npt.NDArray[np.float32]


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
    sizes = (grid.restored_planes, stack.size("Y"), stack.size("X"))
    axes = zip(block, sizes, *looks(model), strict=True)
    far = [window(*axis, model.task.margin_px) for axis in axes]
    near = tuple(within(kept, indices) for kept, indices in zip(block, far, strict=True))
    z, y, x = far
    stack = stack.arranged("CZYX")
    seen = interpolated(stack, grid, maps, z, y, x, model.task.interpolation)
    shape = (_parts(model), *(s.stop - s.start for s in block))
    members = np.empty((len(model.members), *shape), np.float32)
    for one, member in zip(members, model.members, strict=True):
        one[:] = fused(_views(member, seen, near), model)
    del seen
    return estimate(members, model, maps, disagreement=disagreement)


def _parts(model: Model | Ensemble) -> int:
    return model.task.channels_out * (2 if model.spread else 1)


def _views(model: Model, seen: Floats, near: tuple[slice, ...]) -> Floats:
    """A member's restoration from xz and from yz slices, (2, C or 2C, Z, Y, X)."""
    z, y, x = near
    views = np.empty((2, _parts(model), *(s.stop - s.start for s in near)), np.float32)
    _restore(model, seen[:, :, y].transpose(2, 0, 1, 3), z, x, views[0].transpose(2, 0, 1, 3))
    _restore(model, seen[..., x].transpose(3, 0, 1, 2), z, y, views[1].transpose(3, 0, 1, 2))
    return views


def _restore(model: Model, slices: Floats, rows: slice, columns: slice, kept: Floats) -> None:
    """Restore slices (N, C, Z, X) a few at a time into `kept`: the given rows and columns."""
    count = slices_at_once(model, slices.shape[2] * slices.shape[3])
    for first in range(0, len(slices), count):
        restored = model.apply(slices[first : first + count])
        kept[first : first + count] = restored[:, :, rows, columns]
