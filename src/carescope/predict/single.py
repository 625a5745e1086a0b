"""One block of a restoration, as a pure function of the image around it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.predict import direct, sections, tta
from carescope.predict.blocks import Block
from carescope.predict.estimate import Estimate, estimate
from carescope.predict.sight import Sight, sight


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
    """Restore one block.

    Parameters
    ----------
    model
        What restores.
    image
        One time point, axes CZYX, ZYX or YX, grey levels.
    maps
        What normalises each channel: `carescope.normalize.fit` with the recipe's percentiles.
    block
        Planes, rows and columns of the restored volume, each slice with start and stop; of a
        projection all planes.
    grid
        Where restored planes lie, if there are to be more than were recorded: always for an
        isotropic model.
    disagreement
        Whether to find that of an ensemble's members.
    height
        Whether to say where the surface is that a projecting model saw.

    Returns
    -------
    Estimate
        Of (channels_out, Z, Y, X) float32; Z is 1 of a projection.

    Raises
    ------
    UsageError
        An isotropic model is given no grid.
    """
    near = sight(model, image, maps, block, grid=grid)
    return restore_sight(model, maps, near, disagreement=disagreement, height=height)


def restore_sight(
    model: Model | Ensemble,
    maps: Sequence[Affine],
    block: Sight,
    *,
    disagreement: bool = True,
    height: bool = False,
) -> Estimate:
    """Restore what was seen of a block; parameters as for `restore_block`."""
    found = estimate(_members(model, block), model, maps, disagreement=disagreement)
    if not height:
        return found
    surface = direct.height_of(model, block)
    return found._replace(height=np.broadcast_to(surface, found.mean.shape))


def _members(model: Model | Ensemble, block: Sight) -> npt.NDArray[np.float32]:
    """What each member makes of a block, (members, C or 2C, Z, Y, X)."""
    first = _member(model.members[0], block)
    if len(model.members) == 1:
        return first[None]
    members = np.empty((len(model.members), *first.shape), np.float32)
    members[0] = first
    del first
    for number, member in enumerate(model.members[1:], 1):  # each is let go before the next
        members[number] = _member(member, block)
    return members


def _member(model: Model, block: Sight) -> npt.NDArray[np.float32]:
    """What one network makes of a block, (C or 2C, Z, Y, X)."""
    restored = sections.restored if model.task.kind == "isotropic" else direct.restored
    return tta.mirrored(restored, model, block) if model.tta else restored(model, block)
