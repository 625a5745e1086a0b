"""Axial sections of a block, restored one by one, as xz and as yz slices (CARE, Fig. 3a)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from carescope.model import Model
from carescope.predict.blocks import parts
from carescope.predict.estimate import fused
from carescope.predict.sight import Sight
from carescope.predict.slices import restore_slices

Floats = npt.NDArray[np.float32]


def restored(model: Model, block: Sight) -> Floats:
    """What an isotropic model makes of a block, (C or 2C, Z, Y, X).

    Its restorations of xz and of yz slices as one: their mean or, with scales, their mixture.
    """
    seen, (z, y, x) = block
    views = np.empty((2, parts(model), *(s.stop - s.start for s in block.near)), np.float32)
    restore_slices(model, seen[:, :, y].transpose(2, 0, 1, 3), z, x, views[0].transpose(2, 0, 1, 3))
    restore_slices(model, seen[..., x].transpose(3, 0, 1, 2), z, y, views[1].transpose(3, 0, 1, 2))
    return fused(views, model)
