"""What a network needs to see for one block: a part of the image around it, normalised.

|~~halo~~|======block======|~~halo~~|     read, and interpolated where planes are missing
         |======block======|              restored and kept
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from carescope.errors import UsageError
from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.predict.blocks import Block, looks
from carescope.predict.seen import interpolated, recorded
from carescope.predict.window import window, within


class Sight(NamedTuple):
    """A block and its halo.

    Parameters
    ----------
    seen
        (C, Z, Y, X) normalised, with the planes that are to be restored.
    near
        Where in it the block itself lies, along z, y and x.
    """

    seen: npt.NDArray[np.float32]
    near: Block


def sight(
    model: Model | Ensemble,
    image: Image,
    maps: Sequence[Affine],
    block: Block,
    *,
    grid: Grid | None = None,
) -> Sight:
    """What a network needs to see for a block; parameters as for `restore_block`."""
    if model.task.kind == "isotropic" and grid is None:
        raise UsageError(
            "an isotropic model restores planes between those that were recorded",
            where="grid",
            remedy="Give the grid on which they lie, such as Grid.of(image)",
        )
    image = image.arranged("CZYX")
    sizes = (grid.restored_planes if grid else image.size("Z"), *image.shape[2:])
    axes = zip(block, sizes, *looks(model), _margins(model), strict=True)
    z, y, x = far = [window(*axis) for axis in axes]
    first, second, third = (within(kept, at) for kept, at in zip(block, far, strict=True))
    if grid:
        seen = interpolated(image, grid, maps, z, y, x, model.task.interpolation)
    else:
        seen = recorded(image, maps, z, y, x)
    return Sight(seen, (first, second, third))


def _margins(model: Model | Ensemble) -> list[int]:
    """How far an image is mirrored along z, y and x: where the network looks, and may be cut."""
    looked_along = {"isotropic": "ZYX", "project": "YX"}.get(model.task.kind, model.task.axes)
    return [model.task.margin_px if axis in looked_along else 0 for axis in "ZYX"]
