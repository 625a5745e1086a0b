"""Which parts of a stack train, which validate, and where there is something to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError
from carescope.image import Image
from carescope.normalize import Affine

#: Lateral sizes of patches and validation bands are multiples of this, in pixels.
CELL_PX = 16
#: Stacks of fewer planes are not pooled along z: a patch would be all border.
POOLED_PLANES = 16
#: Columns left unused between training and validation, in pixels.
GAP_PX = 4
#: Share of a channel's normalised range above which a pixel counts as structure.
LEVEL = 0.4


@dataclass(frozen=True)
class Region:
    """A rectangle of every plane: rows and columns [start, stop)."""

    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]


def divide(stack: Image, maps: Sequence[Affine], fraction: float) -> tuple[Region, Region]:
    """`split` a stack; where one part would hold no structure, cut it so that both do.

    What lies in the middle of an image, as embryos do, does not reach its border, and what lies at
    the right would only validate. The band is then as wide as it must be to hold `fraction` of the
    structure, on the side where that is narrower, though at most a third of the columns.

    Parameters
    ----------
    stack
        Axes CZYX.
    maps
        The normalisation of each channel.
    fraction
        Share that validates, about.

    Returns
    -------
    training, validation : Region

    Raises
    ------
    InputError
        The planes are too small to be cut.
    """
    shape = stack.size("Y"), stack.size("X")
    parts = split(shape, fraction, where=stack.source)
    if all(_holds_structure(stack, maps, part) for part in parts):
        return parts
    whole = Region((0, shape[0]), (0, shape[1]))
    centres = foreground(stack, maps, whole, (CELL_PX, CELL_PX))
    amounts = np.bincount(centres[:, 2] // CELL_PX, minlength=shape[1] // CELL_PX)
    if not amounts.any():
        return parts
    beyond = {"right": shape[1] % CELL_PX, "left": 0}  # columns after the last whole cell
    cells = {
        side: int(np.searchsorted(np.cumsum(amounts[::step]), fraction * amounts.sum())) + 1
        for side, step in (("right", -1), ("left", 1))
    }
    side = min(cells, key=lambda side: cells[side] * CELL_PX + beyond[side])
    count = min(cells[side], shape[1] // (3 * CELL_PX))
    held = (amounts[-count:] if side == "right" else amounts[:count]).sum()
    if not 0 < held <= amounts.sum() / 2:  # one small object is rather learnt from
        return parts
    return _cut(shape, count * CELL_PX + beyond[side], side)


def _holds_structure(stack: Image, maps: Sequence[Affine], region: Region) -> bool:
    """Whether any cell of a region does, looked at from the middle planes outwards."""
    planes = stack.size("Z")
    outwards = sorted(range(planes), key=lambda plane: abs(plane - planes // 2))
    place = slice(*region.rows), slice(*region.columns)
    return any(
        bool((np.asarray(stack.data[(channel, plane, *place)]) > level).any())
        for plane in outwards
        for channel, level in enumerate(thresholds(maps))
    )


def split(
    shape_yx: tuple[int, int], fraction: float, *, where: str | None = None
) -> tuple[Region, Region]:
    """Cut every plane into columns that train and a band of columns that validates.

    The band is the same in all planes: neighbouring planes show the same structures, so
    planes held out of a stack would not be unseen. A gap of `GAP_PX` keeps the two apart.

    Parameters
    ----------
    shape_yx
        Rows and columns of a plane.
    fraction
        Share of the columns that validates, about.
    where
        The file to name in a refusal.

    Returns
    -------
    training, validation : Region

    Raises
    ------
    InputError
        The planes are too small to be cut.
    """
    rows, columns = shape_yx
    most = (columns - GAP_PX - 2 * CELL_PX) // CELL_PX
    band = CELL_PX * max(1, min(round(fraction * columns / CELL_PX), most, 8))
    if rows < 2 * CELL_PX or columns - band - GAP_PX < 2 * CELL_PX:
        raise InputError(
            f"planes of {rows} x {columns} pixels are too small to learn from",
            where=where,
            remedy=f"Give planes of at least {2 * CELL_PX} x {3 * CELL_PX + GAP_PX} pixels",
        )
    return _cut(shape_yx, band, "right")


def _cut(shape_yx: tuple[int, int], band: int, side: str) -> tuple[Region, Region]:
    """What trains, and a band of so many columns on one side."""
    rows, columns = shape_yx
    if side == "left":
        return Region((0, rows), (band + GAP_PX, columns)), Region((0, rows), (0, band))
    left = columns - band
    return Region((0, rows), (0, left - GAP_PX)), Region((0, rows), (left, columns))


def foreground(
    stack: Image, maps: Sequence[Affine], region: Region, patch_shape: tuple[int, int]
) -> npt.NDArray[np.int32]:
    """Centres of patches that hold structure in some channel.

    A patch counts as foreground where the maximum of its central half exceeds `LEVEL` of the
    range that normalises the channel (CARE's rule, measured from the background so that a
    camera's offset does not count as signal).

    Parameters
    ----------
    stack
        Axes CZYX.
    maps
        The normalisation of each channel.
    region
        Where patches may lie.
    patch_shape
        Rows and columns of a patch, at most those of the region.

    Returns
    -------
    (N, 3) int32
        Plane, row and column of each centre, on a grid of `CELL_PX`; empty where no patch
        reaches the threshold.
    """
    from scipy.ndimage import maximum_filter

    (top, bottom), (left, right) = region.rows, region.columns
    cells = tuple(max(1, n // CELL_PX) for n in region.shape)
    half = tuple(max(1, n // (2 * CELL_PX)) for n in patch_shape)
    levels = thresholds(maps)

    def looks(plane: npt.NDArray[np.float32], level: float) -> npt.NDArray[np.bool_]:
        whole = plane[: cells[0] * CELL_PX, : cells[1] * CELL_PX]
        maxima = whole.reshape(cells[0], -1, cells[1], whole.shape[1] // cells[1]).max((1, 3))
        return np.asarray(maximum_filter(maxima, size=half, mode="nearest") > level)

    bright = np.zeros((stack.size("Z"), *cells), np.bool_)
    for channel, level in enumerate(levels):
        for plane, found in enumerate(bright):
            found |= looks(np.asarray(stack.data[channel, plane, top:bottom, left:right]), level)
    centres = np.argwhere(bright).astype(np.int32)
    centres[:, 1:] = centres[:, 1:] * CELL_PX + CELL_PX // 2 + np.array([top, left], np.int32)
    return centres


def thresholds(maps: Sequence[Affine]) -> list[float]:
    """The grey level in each channel that foreground exceeds."""
    return [one.low + LEVEL * one.width for one in maps]


def no_structure(maps: Sequence[Affine], where: str | None) -> InputError:
    """The error for a stack, or several, without any foreground."""
    levels = " and ".join(f"{t:g}" for t in thresholds(maps))
    return InputError(
        f"no patch holds structure: left of what validates none exceeds {levels}, which is "
        f"{LEVEL:.0%} of the way up the range that normalises it",
        where=where,
        remedy="Give a larger image, or one with structure in it",
    )
