"""A few small parts of an image, spread over it, as a network sees them: a look before the work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.predict.blocks import looks
from carescope.predict.seen import interpolated, recorded
from carescope.predict.window import Indices

Floats = npt.NDArray[np.float32]

#: Where in an image parts lie, of the way along y and x.
PLACES = ((0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25))
#: How large they are, along z, y and x, by what a network sees.
SECTION_PX, PLANE_PX, STACK_PX = (128, 1, 192), (1, 192, 192), (16, 64, 64)


def glimpses(
    model: Model | Ensemble,
    image: Image,
    maps: Sequence[Affine],
    *,
    grid: Grid | None = None,
    rows: tuple[int, int] | None = None,
    columns: tuple[int, int] | None = None,
) -> Iterator[Floats]:
    """Up to four parts of an image, without a halo, so that looking at them is quick.

    Parameters
    ----------
    model
        What is to see them; of an isotropic one they are axial sections.
    image
        One time point, axes CZYX, grey levels.
    maps
        What normalises each channel.
    grid
        Where restored planes lie, if there are to be more than were recorded.
    rows, columns
        Where they may lie, [start, stop); everywhere where None.

    Yields
    ------
    (1, channels_in, *space) float32
        Normalised, each length a multiple of the network's pooling cell.
    """
    task, (_, cells) = model.task, looks(model)
    sections = task.kind == "isotropic"
    depth = grid.restored_planes if grid else image.size("Z")
    wanted = SECTION_PX if sections else PLANE_PX if task.axes == "YX" else STACK_PX
    if task.kind == "project":  # the surface may lie in any plane
        wanted = (depth, *wanted[1:])
    limits = ((0, depth), rows or (0, image.size("Y")), columns or (0, image.size("X")))
    starts = dict.fromkeys(
        tuple(
            low + round(max(0, high - low - length) * share)
            for (low, high), length, share in zip(limits, wanted, (0.5, *place), strict=True)
        )
        for place in PLACES
    )
    for corner in starts:
        z, y, x = (
            _indices(start, min(length, high - start), 1 if length == 1 else cell)
            for start, length, (_, high), cell in zip(corner, wanted, limits, cells, strict=True)
        )
        if grid:
            seen = interpolated(image, grid, maps, z, y, x, task.interpolation)
        else:
            seen = recorded(image, maps, z, y, x)
        if sections:
            seen = seen[:, :, 0]
        elif task.axes == "YX":
            seen = seen[:, 0]
        yield np.ascontiguousarray(seen[None])


def _indices(start: int, length: int, cell: int) -> Indices:
    """As many whole pooling cells as there is room for, at least one."""
    count = max(1, length // cell) * cell
    first = start + (length - count) // 2
    return np.arange(first, first + count)
