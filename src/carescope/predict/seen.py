"""What a network gets to see: the normalised image at three lists of indices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from carescope.grid import Grid
from carescope.image import Image
from carescope.normalize import Affine
from carescope.physics import sampling
from carescope.predict.window import Indices, mirror

Floats = npt.NDArray[np.float32]


def recorded(image: Image, maps: Sequence[Affine], z: Indices, y: Indices, x: Indices) -> Floats:
    """An image, axes CZYX, as it was recorded, mirrored beyond its borders: (C, Z, Y, X)."""
    places = [mirror(at, n) for at, n in zip((z, y, x), image.shape[1:], strict=True)]
    bounds = tuple(slice(int(at.min()), int(at.max()) + 1) for at in places)
    part = np.asarray(image.data[(slice(None), *bounds)])
    seen = np.empty((len(maps), len(z), len(y), len(x)), np.float32)
    for one, grey, kept in zip(maps, part, seen, strict=True):
        values = one.apply(grey)
        for axis, at in enumerate(places):
            if (np.diff(at) != 1).any():  # beyond a border; elsewhere they are all, in order
                values = values.take(at - at.min(), axis=axis)
        kept[:] = values
    return seen


def interpolated(
    stack: Image,
    grid: Grid,
    maps: Sequence[Affine],
    z: Indices,
    y: Indices,
    x: Indices,
    interpolation: sampling.Interpolation = "cubic",
) -> Floats:
    """A stack, axes CZYX, with restored planes interpolated, mirrored beyond its borders.

    Indices along z count restored planes.
    """
    fine = np.empty((len(maps), len(z), len(y), len(x)), np.float32)
    z = mirror(z, grid.restored_planes)
    y, x = mirror(y, stack.size("Y")), mirror(x, stack.size("X"))
    first = int(z.min())
    weights, planes = sampling.upsample_window(grid, first, int(z.max()) + 1, interpolation)
    part = np.asarray(stack.data[:, planes, y.min() : y.max() + 1, x.min() : x.max() + 1])
    for channel, (one, grey) in enumerate(zip(maps, part, strict=True)):
        coarse = one.apply(grey)[:, y - y.min()][:, :, x - x.min()]
        fine[channel] = sampling.resample(weights[z - first], coarse)
    return fine
