"""Which parts of a volume to show or measure, reading no more than those."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError
from carescope.grid import Grid
from carescope.image import Image, Lazy

SAMPLED_PLANES = 16
SAMPLED_PX = 512
SCANNED_PLANES = 64  # of a section, to find the columns where it varies most
STRIP = 4.0  # an overview is at most so many times as wide as the volume is deep
CLOSE_UP = 1.25  # width of a close-up over its height
CLOSE_UP_PX = 110


class Section(NamedTuple):
    """An axial section of a volume: `y` is a number and `x` a range (xz), or the reverse (yz).

    `at_um` is where the number lies, `column_um` the pixel size along the range.
    """

    name: str
    y: int | slice
    x: int | slice
    at_um: float
    column_um: float

    def of(self, volume: Lazy, planes: slice = slice(None)) -> npt.NDArray[Any]:
        """The section of a (Z, Y, X) volume, (planes, columns)."""
        return np.asarray(volume[planes, self.y, self.x])

    def cropped(self, columns: slice) -> Section:
        """The same section with a range of its columns."""
        return self._replace(x=columns) if self.name == "xz" else self._replace(y=columns)

    @property
    def start_um(self) -> float:
        """Where the centre of its first column lies."""
        along = self.x if self.name == "xz" else self.y
        return (along.start or 0) * self.column_um if isinstance(along, slice) else 0.0


class CloseUp(NamedTuple):
    """A part of an axial section to look at closely: its columns, restored planes and pixels."""

    section: Section
    planes: slice
    restored: npt.NDArray[Any]

    def of(self, volume: Lazy) -> npt.NDArray[Any]:
        """The same part of another volume on the restored planes, (planes, columns)."""
        return self.section.of(volume, self.planes)


def sections(
    stack: Lazy, pixel_um: tuple[float, float], y: int | None, x: int | None
) -> tuple[Section, Section]:
    """The xz section at y and the yz section at x, by default where each varies most.

    Raises
    ------
    InputError
        There is no such y or x.
    """
    best = richest(stack) if y is None or x is None else (0, 0)
    y, x = best[0] if y is None else y, best[1] if x is None else x
    if not (0 <= y < stack.shape[1] and 0 <= x < stack.shape[2]):
        raise InputError(
            f"there is no pixel y={y}, x={x} in planes of {describe_shape(stack.shape[1:], 'YX')}",
            remedy="Choose y and x within the planes",
        )
    return (
        Section("xz", y, slice(0, stack.shape[2]), y * pixel_um[0], pixel_um[1]),
        Section("yz", slice(0, stack.shape[1]), x, x * pixel_um[1], pixel_um[0]),
    )


def strip(section: Section, stack: Lazy, grid: Grid) -> Section:
    """The section, cropped along its columns to where it varies most if it is too wide."""
    columns = max(1, round(STRIP * grid.restored_planes * grid.spacing_um / section.column_um))
    if columns >= stack.shape[2 if section.name == "xz" else 1]:
        return section
    some = slice(0, None, math.ceil(stack.shape[0] / SCANNED_PLANES))
    return section.cropped(richest_window(section.of(stack, some), columns))


def close_up(section: Section, restored: Lazy, grid: Grid) -> CloseUp:
    """The middle planes of a section of the restoration, and the columns where it varies most."""
    across_um = max(restored.shape[1:]) * section.column_um
    count = min(grid.restored_planes, CLOSE_UP_PX, max(1, round(across_um / grid.spacing_um)))
    first = (grid.restored_planes - count) // 2
    planes = slice(first, first + count)
    columns = round(CLOSE_UP * count * grid.spacing_um / section.column_um)
    pixels = section.of(restored, planes)
    window = richest_window(pixels, max(1, columns))
    return CloseUp(section.cropped(window), planes, pixels[:, window])


def volume_of(image: Image, channel: int = 0) -> Lazy:
    """The lazy ZYX volume of a channel of an image, at its first time point.

    Raises
    ------
    InputError
        The image has no Z or no such channel, or its axes are not in the order Z, Y, X.
    """
    for axis, index in (("T", 0), ("C", channel)):
        if axis in image.axes:
            image = image.select(axis, index)
    if image.axes != "ZYX":
        raise InputError(
            f"axes {image.axes!r} are not a volume in the order ZYX",
            where=image.source,
            remedy="Reorder the image so that its last axes are Z, Y and X",
        )
    return image.data


def check_pair(stack: Lazy, restored: Lazy, grid: Grid) -> None:
    """Refuse a recorded and a restored volume that the grid does not relate."""
    expected = (grid.planes, *stack.shape[1:]), (grid.restored_planes, *stack.shape[1:])
    if (tuple(stack.shape), tuple(restored.shape)) != expected:
        raise InputError(
            f"a stack of {describe_shape(stack.shape)} with {grid.restored_planes} restored "
            f"planes for its {grid.planes} does not match a restoration of "
            f"{describe_shape(restored.shape)}",
            remedy="Show the stack that this volume was restored from, with its own grid",
        )


def richest(stack: Lazy) -> tuple[int, int]:
    """The y and the x of the axial sections with the most structure.

    That is the highest variance of the values up to the 98th percentile, lest one bright spot
    decide. At most 16 planes and every so many pixels are read, not a large stack as a whole.
    """
    planes, height, width = stack.shape
    steps = [max(1, math.ceil(n / SAMPLED_PX)) for n in (height, width)]
    chosen = np.unique(np.linspace(0, planes - 1, SAMPLED_PLANES).round().astype(int))
    coarse = np.stack(
        [np.asarray(stack[int(k), :: steps[0], :: steps[1]], np.float64) for k in chosen]
    )
    coarse = np.minimum(coarse, np.percentile(coarse, 98))
    y = int(np.argmax(coarse.var(axis=(0, 2)))) * steps[0]
    x = int(np.argmax(coarse.var(axis=(0, 1)))) * steps[1]
    return y, x


def richest_window(section: npt.NDArray[Any], length: int) -> slice:
    """Where a window of so many columns of a section holds the most variance, as in `richest`."""
    columns = section.shape[1]
    if length >= columns:
        return slice(0, columns)
    dimmed = np.minimum(section, np.percentile(section, 98)).astype(np.float64)
    variance = np.concatenate([[0.0], np.cumsum(np.var(dimmed, axis=0))])
    start = int(np.argmax(variance[length:] - variance[:-length]))
    return slice(start, start + length)


def centre(shape: tuple[int, ...], most_voxels: int) -> tuple[slice, ...]:
    """The central crop of at most so many voxels, as near to a cube as the shape allows."""
    side = [int(n) for n in shape]
    open_axes = set(range(len(side)))
    while math.prod(side) > most_voxels:
        fixed = math.prod(side[a] for a in range(len(side)) if a not in open_axes)
        even = max(1, math.floor((most_voxels / fixed) ** (1 / len(open_axes)) + 1e-9))
        short = {a for a in open_axes if side[a] <= even}
        if not short:
            for axis in open_axes:
                side[axis] = even
            break
        open_axes -= short
    return tuple(slice((n - s) // 2, (n - s) // 2 + s) for n, s in zip(shape, side, strict=True))


def interpolated(
    recorded: Lazy, grid: Grid, planes: slice, y: int | slice, x: int | slice
) -> npt.NDArray[np.float32]:
    """Recorded planes, interpolated by cubics to a range of restored planes.

    Parameters
    ----------
    recorded : (Z, Y, X) lazy array
        Only the recorded planes that bear on the result are read.
    grid
        Relates recorded and restored planes.
    planes
        Which restored planes, start and stop given.
    y, x
        Which pixels, as for indexing.
    """
    from carescope.physics.sampling import cubic_matrix

    positions = np.arange(planes.start, planes.stop) / grid.factor
    first = max(math.floor(positions[0]) - 2, 0)
    stop = min(math.floor(positions[-1]) + 4, grid.planes)
    block = np.asarray(recorded[first:stop, y, x], np.float32)
    weights = cubic_matrix(positions - first, stop - first)
    flat = np.asarray(weights @ block.reshape(stop - first, -1), np.float32)
    return flat.reshape(len(positions), *block.shape[1:])
