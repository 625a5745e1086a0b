"""Many slices through a network, a few at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from carescope.model import Model
from carescope.predict.blocks import slices_at_once

Floats = npt.NDArray[np.float32]


def restore_slices(model: Model, slices: Floats, rows: slice, columns: slice, kept: Floats) -> None:
    """Restore slices (N, C, rows, columns) into `kept`: the given rows and columns of each."""
    count = slices_at_once(model, slices.shape[2] * slices.shape[3])
    for first in range(0, len(slices), count):
        made = model.apply(slices[first : first + count])
        kept[first : first + count] = made[:, :, rows, columns]
