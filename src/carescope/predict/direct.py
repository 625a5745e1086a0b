"""One block of an image whose pixels are restored from their surroundings: a pure function."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.predict.blocks import Block, looks, slices_at_once
from carescope.predict.estimate import Estimate, estimate
from carescope.predict.seen import interpolated, recorded
from carescope.predict.window import window, within

Floats = npt.NDArray[np.float32]


def restore_block(
    model: Model | Ensemble,
    image: Image,
    maps: Sequence[Affine],
    block: Block,
    *,
    grid: Grid | None = None,
    disagreement: bool = True,
) -> Estimate:
    """Restore one block by a network that sees YX, plane by plane, or ZYX.

    Parameters
    ----------
    model
        One that denoises, makes more planes of few, or projects.
    image
        One time point, axes CZYX (Z of length 1 for a single plane), grey levels.
    maps
        What normalises each channel: `carescope.normalize.fit` with the recipe's percentiles.
    block
        Planes, rows and columns, each slice with start and stop; of a projection all planes.
    grid
        Where restored planes lie, if there are to be more than were recorded.
    disagreement
        Whether to find that of an ensemble's members.

    Returns
    -------
    Estimate
        Of (channels_out, Z, Y, X) float32; Z is 1 of a projection.
    """
    sizes = (grid.restored_planes if grid else image.size("Z"), *image.shape[2:])
    margins = [model.task.margin_px if name in model.task.axes else 0 for name in "ZYX"]
    if model.task.kind == "project":
        margins[0] = 0
    axes = zip(block, sizes, *looks(model), margins, strict=True)
    z, y, x = far = [window(*axis) for axis in axes]
    near = tuple(within(kept, indices) for kept, indices in zip(block, far, strict=True))
    if grid:
        seen = interpolated(image, grid, maps, z, y, x, model.task.interpolation)
    else:
        seen = recorded(image, maps, z, y, x)
    members = np.stack([_restored(member, seen, near) for member in model.members])
    del seen
    return estimate(members, model, maps, disagreement=disagreement)


def _restored(model: Model, seen: Floats, near: tuple[slice, ...]) -> Floats:
    """What a network makes of a block and its halo: the block, (C or 2C, Z, Y, X)."""
    z, y, x = near
    if model.task.kind == "project":
        return np.ascontiguousarray(model.apply(seen[None])[0][:, None, y, x])
    if model.task.axes == "ZYX":
        return np.ascontiguousarray(model.apply(seen[None])[0][:, z, y, x])
    planes = seen[:, z].transpose(1, 0, 2, 3)
    count = slices_at_once(model, planes.shape[2] * planes.shape[3])
    parts = [
        model.apply(planes[first : first + count])[:, :, y, x]
        for first in range(0, len(planes), count)
    ]
    return np.ascontiguousarray(np.concatenate(parts).transpose(1, 0, 2, 3))
