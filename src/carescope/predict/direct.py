"""One block of an image whose pixels are restored from their surroundings: a pure function."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.predict.blocks import Block, looks, slices_at_once
from carescope.predict.estimate import Estimate, estimate
from carescope.predict.seen import interpolated, recorded
from carescope.predict.window import window, within

Floats = npt.NDArray[np.float32]

#: Standard deviation of the Gaussian over which the light of a surface is averaged.
LATERAL_PX = 2.0


def restore_block(
    model: Model | Ensemble,
    image: Image,
    maps: Sequence[Affine],
    block: Block,
    *,
    grid: Grid | None = None,
    disagreement: bool = True,
    height: bool = False,
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
    height
        Whether to say where the surface is that a projecting model saw.

    Returns
    -------
    Estimate
        Of (channels_out, Z, Y, X) float32; Z is 1 of a projection.
    """
    seen, near = sight(model, image, maps, block, grid=grid)
    first = _restored(model.members[0], seen, near)
    members = np.empty((len(model.members), *first.shape), np.float32)
    members[0] = first
    for number, member in enumerate(model.members[1:], 1):  # each is let go before the next
        members[number] = _restored(member, seen, near)
    found = estimate(members, model, maps, disagreement=disagreement)
    if not height:
        return found
    return found._replace(height=np.broadcast_to(height_of(model, seen, near), found.mean.shape))


def sight(
    model: Model | Ensemble,
    image: Image,
    maps: Sequence[Affine],
    block: Block,
    *,
    grid: Grid | None = None,
) -> tuple[Floats, tuple[slice, slice, slice]]:
    """What a network needs to see for a block: the block and its halo, (C, Z, Y, X), normalised.

    And where in it the block itself lies. Parameters as for `restore_block`.
    """
    sizes = (grid.restored_planes if grid else image.size("Z"), *image.shape[2:])
    margins = [model.task.margin_px if name in model.task.axes else 0 for name in "ZYX"]
    if model.task.kind == "project":
        margins[0] = 0
    axes = zip(block, sizes, *looks(model), margins, strict=True)
    z, y, x = far = [window(*axis) for axis in axes]
    first, second, third = (within(kept, at) for kept, at in zip(block, far, strict=True))
    if grid:
        seen = interpolated(image, grid, maps, z, y, x, model.task.interpolation)
    else:
        seen = recorded(image, maps, z, y, x)
    return seen, (first, second, third)


def height_of(model: Model | Ensemble, seen: Floats, near: tuple[slice, ...]) -> Floats:
    """In which plane a projecting model sees the surface of a block, (Y, X); see `sight`.

    Of an ensemble it is the mean over the members.
    """
    _, y, x = near
    heights = [_height(member, seen)[y, x] for member in model.members]
    return np.asarray(np.mean(heights, axis=0))


def _height(model: Model, seen: Floats) -> Floats:
    """In which plane a projecting network sees the surface, (Y, X), halo included.

    Where most of the light comes from that it sums up: the maximum along z of weight times
    brightness, averaged over some pixels, and the centre of mass of the three planes about it. The
    weights alone spread over all planes in which there is nothing to be seen.

    Parameters
    ----------
    model
        One that projects.
    seen
        (C, Z, Y, X) normalised, a block and its halo.
    """
    from scipy.ndimage import gaussian_filter

    network = model.network.eval()
    on = next(network.parameters()).device
    with torch.inference_mode():
        weights = network.weights(torch.from_numpy(seen[None]).to(on))  # type: ignore[operator]
        share = weights[0, 0].float().cpu().numpy()
    light = share * np.maximum(seen, 0).sum(axis=0)
    light = gaussian_filter(light, (0, LATERAL_PX, LATERAL_PX))
    middle = light.argmax(axis=0)[None]
    planes = np.clip(middle + np.array([-1, 0, 1])[:, None, None], 0, len(light) - 1)
    about = np.take_along_axis(light, planes, axis=0) + np.finfo(np.float32).tiny
    return np.asarray((about * planes).sum(axis=0) / about.sum(axis=0), np.float32)


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
