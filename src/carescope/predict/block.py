"""One block of an isotropic restoration, as a pure function of the stack around it.

Beyond its borders a volume goes on for `MARGIN_PX`, rounded up to whole pooling cells, as its own
mirror image, so that a border is like any other place. Where that ends is fixed by the volume, and
up to there a block reads as far as the network reaches: it is the same whatever the blocks beside
it.

    |~~halo~~|======block======|~~halo~~|     read and interpolated
             |======block======|              restored and kept
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from carescope import net
from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Model
from carescope.physics import sampling

Floats = npt.NDArray[np.float32]
Block = tuple[slice, slice, slice]

#: How far a volume is mirrored beyond its borders, at least.
MARGIN_PX = 32
#: Pixels of slices that the network sees at once.
BATCH_PX = 1 << 21


def restore_block(model: Model, stack: Image, grid: Grid, block: Block) -> Floats:
    """Restore one block: the mean of the restored xz and yz slices (CARE, Fig. 3a).

    Parameters
    ----------
    model
        An isotropic model.
    stack
        The recorded stack, axes ZYX, grey levels.
    grid
        Its axial geometry with the model's factor.
    block
        Planes, rows and columns of the restored volume, each slice with start and stop.

    Returns
    -------
    (Z, Y, X) float32
        Grey levels of the block.
    """
    z, y, x = block
    reach, cell = net.reach(model.network), net.grid(model.network)
    far_z = _window(z, grid.restored_planes, reach[0], cell[0])
    far_y = _window(y, stack.size("Y"), reach[1], cell[1])
    far_x = _window(x, stack.size("X"), reach[1], cell[1])
    seen = _interpolate(model, stack, grid, far_z, far_y, far_x)
    near_y = slice(y.start - far_y[0], y.stop - far_y[0])
    near_x = slice(x.start - far_x[0], x.stop - far_x[0])
    keep = slice(z.start - far_z[0], z.stop - far_z[0])
    along_xz = _restore(model, seen[:, near_y].transpose(1, 0, 2), keep, near_x)
    along_yz = _restore(model, seen[:, :, near_x].transpose(2, 0, 1), keep, near_y)
    mean = 0.5 * (along_xz.transpose(1, 0, 2) + along_yz.transpose(1, 2, 0))
    return model.affine.undo(mean)


def _window(kept: slice, size: int, reach: int, cell: int) -> npt.NDArray[np.intp]:
    """Indices to look at for what is kept: `reach` more on each side, in whole pooling cells.

    They end where the mirrored volume of `size` pixels does.
    """
    first = max((kept.start - reach) // cell, MARGIN_PX // -cell)
    last = min(-((kept.stop + reach) // -cell), -((size + MARGIN_PX) // -cell))
    return np.arange(first * cell, last * cell)


def _mirror(indices: npt.NDArray[np.intp], size: int) -> npt.NDArray[np.intp]:
    """Indices folded into [0, size) by reflection at the first and last sample."""
    if size == 1:
        return np.zeros_like(indices)
    folded = np.abs(indices) % (2 * size - 2)
    return np.asarray(np.where(folded < size, folded, 2 * size - 2 - folded), np.intp)


def _interpolate(
    model: Model,
    stack: Image,
    grid: Grid,
    z: npt.NDArray[np.intp],
    y: npt.NDArray[np.intp],
    x: npt.NDArray[np.intp],
) -> Floats:
    """The normalised stack, cubically interpolated along z, at three lists of indices."""
    z = _mirror(z, grid.restored_planes)
    y, x = _mirror(y, stack.size("Y")), _mirror(x, stack.size("X"))
    first = z.min()
    weights, planes = sampling.upsample_window(grid, int(first), int(z.max()) + 1)
    part = stack.data[planes, y.min() : y.max() + 1, x.min() : x.max() + 1]
    coarse = model.affine.apply(np.asarray(part))
    coarse = coarse[:, y - y.min()][:, :, x - x.min()]
    return np.asarray(sampling.resample(weights[z - first], coarse), np.float32)


def _restore(model: Model, slices: Floats, rows: slice, columns: slice) -> Floats:
    """Restore slices (N, Z, X) a few at a time; keep the given rows and columns."""
    kept = np.empty((len(slices), rows.stop - rows.start, columns.stop - columns.start), np.float32)
    count = max(1, BATCH_PX // (slices.shape[1] * slices.shape[2]))
    for first in range(0, len(slices), count):
        batch = slices[first : first + count, None]
        kept[first : first + count] = model.apply(batch)[:, 0, rows, columns]
    return kept
