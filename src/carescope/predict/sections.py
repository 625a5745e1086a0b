"""Axial sections of a block, restored one by one, as xz and as yz slices (CARE, Fig. 3a)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from carescope.model import Model
from carescope.predict.blocks import slices_at_once
from carescope.predict.estimate import fused
from carescope.predict.sight import Sight

Floats = npt.NDArray[np.float32]


def restored(model: Model, block: Sight) -> Floats:
    """What an isotropic model makes of a block, (C or 2C, Z, Y, X).

    Its restorations of xz and of yz slices as one: their mean or, with scales, their mixture.
    """
    seen, (z, y, x) = block
    shape = [s.stop - s.start for s in block.near]
    channels = model.task.channels_out * (2 if model.spread else 1)
    views = np.empty((2, channels, *shape), np.float32)
    _restore(model, seen[:, :, y].transpose(2, 0, 1, 3), z, x, views[0].transpose(2, 0, 1, 3))
    _restore(model, seen[..., x].transpose(3, 0, 1, 2), z, y, views[1].transpose(3, 0, 1, 2))
    return fused(views, model)


def _restore(model: Model, slices: Floats, rows: slice, columns: slice, kept: Floats) -> None:
    """Restore slices (N, C, Z, X) a few at a time into `kept`: the given rows and columns."""
    count = slices_at_once(model, slices.shape[2] * slices.shape[3])
    for first in range(0, len(slices), count):
        made = model.apply(slices[first : first + count])
        kept[first : first + count] = made[:, :, rows, columns]
