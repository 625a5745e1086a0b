"""A block of an image whose pixels are restored from their surroundings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from carescope.model import Ensemble, Model
from carescope.predict.blocks import parts
from carescope.predict.sight import Sight
from carescope.predict.slices import restore_slices

Floats = npt.NDArray[np.float32]

#: Standard deviation of the Gaussian over which the light of a surface is averaged.
LATERAL_PX = 2.0


def restored(model: Model, block: Sight) -> Floats:
    """What a network that sees YX, plane by plane, or ZYX makes of a block, (C or 2C, Z, Y, X)."""
    seen, (z, y, x) = block
    if model.task.kind == "project":
        return np.ascontiguousarray(model.apply(seen[None])[0][:, None, y, x])
    if model.task.axes == "ZYX":
        return np.ascontiguousarray(model.apply(seen[None])[0][:, z, y, x])
    kept = np.empty((parts(model), *(s.stop - s.start for s in block.near)), np.float32)
    restore_slices(model, seen[:, z].transpose(1, 0, 2, 3), y, x, kept.transpose(1, 0, 2, 3))
    return kept


def height_of(model: Model | Ensemble, block: Sight) -> Floats:
    """In which plane a projecting model sees the surface of a block, (Y, X).

    Of an ensemble it is the mean over the members.
    """
    _, y, x = block.near
    heights = [_height(member, block.seen)[y, x] for member in model.members]
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
