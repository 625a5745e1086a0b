"""Test-time augmentation: a block is seen as it is and in three mirrors.

A network errs a little otherwise in each mirror image, so that the mean of all errs less.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from carescope.model import Model
from carescope.predict.blocks import MIRRORS, parts
from carescope.predict.estimate import fused
from carescope.predict.sight import Sight

Floats = npt.NDArray[np.float32]


def mirrored(restored: Callable[[Model, Sight], Floats], model: Model, block: Sight) -> Floats:
    """What a model makes of a block: the mean over all mirrors or, of scales, the mixture.

    Parameters
    ----------
    restored
        What it makes of one of them, (C or 2C, Z, Y, X).
    model, block
        What restores, and what it sees.
    """
    shape = (len(MIRRORS), parts(model), *(s.stop - s.start for s in block.near))
    found = np.empty(shape, np.float32)
    for kept, axes in zip(found, MIRRORS, strict=True):
        kept[...] = np.flip(restored(model, _reflected(block, axes)), axes)
    return fused(found, model)


def _reflected(block: Sight, axes: tuple[int, ...]) -> Sight:
    """A block and its halo as a mirror shows them."""
    near = list(block.near)
    for axis in axes:
        size, kept = block.seen.shape[axis], near[axis]
        near[axis] = slice(size - kept.stop, size - kept.start)
    z, y, x = near
    return Sight(np.ascontiguousarray(np.flip(block.seen, axes)), (z, y, x))
