"""What describes an image, from a bounded number of windows that are spread over it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError
from carescope.image import Lazy
from carescope.normalize import Affine
from carescope.trust.describe import BLOCK_PX, GROUPS, NOTHING, describe

Floats = npt.NDArray[np.float64]

SIDE_PX, SMALLEST_SIDE_PX = 64, 16
#: At most so many windows along y and x of a plane; of a stack, along z, y and x.
ACROSS, THROUGH = 8, (4, 4, 4)
PLANES = 3
#: A quarter of an image counts as an image where it is at least so bright, of the whole's range.
BRIGHT = 0.4
PERCENTILES = (2.0, 99.8)


@dataclass(frozen=True, eq=False)
class View:
    """One channel of an image or of a quarter of it.

    Parameters
    ----------
    values
        What `describe` found, by name.
    windows
        How many windows it was found from.
    """

    values: dict[str, float]
    windows: int

    @property
    def something(self) -> bool:
        """Whether pixels differ at all."""
        return math.isfinite(self.values["level_50"])


@dataclass(frozen=True, eq=False)
class Features:
    """What describes an image.

    Parameters
    ----------
    whole
        A view of each channel.
    parts
        For each channel views of those quarters of the image that are not background, each in its
        own normalisation: what users would crop.
    """

    whole: tuple[View, ...]
    parts: tuple[tuple[View, ...], ...]


def features(image: Lazy, maps: Sequence[Affine | None]) -> Features:
    """Describe an image as a network sees it.

    At most 64 windows of 64 x 64 pixels, of a stack in 3 neighbouring planes each, are read,
    however large the image is.

    Parameters
    ----------
    image
        (C, Y, X) or (C, Z, Y, X) array or lazy array in grey levels; what is not finite counts
        as the lowest grey level.
    maps
        For each channel what normalises it; None for one that is constant.

    Raises
    ------
    InputError
        The image has other dimensions, another number of channels than maps, or is narrower
        than 16 pixels.
    """
    _refuse_other(tuple(image.shape), len(maps))
    whole, parts = [], []
    for channel, one in enumerate(maps):
        grid = _read(image, channel)
        grid = np.zeros_like(grid) if one is None else one.apply(grid).astype(np.float64)
        whole.append(_view(grid))
        parts.append(tuple(_view(part) for part in _quarters(grid)))
    return Features(tuple(whole), tuple(parts))


def noise_of(image: Lazy, maps: Sequence[Affine]) -> tuple[float, ...]:
    """The logarithm of the noise of each channel, in normalised units, from the same windows.

    It is the root mean square of what changes from pixel to pixel both ways, the mask
    [1 -1]^T [1 -1] / 2. Bright parts count as dim ones do. Parameters and errors are those of
    `features`.
    """
    _refuse_other(tuple(image.shape), len(maps))
    levels = []
    for channel, one in enumerate(maps):
        grid = one.apply(_read(image, channel)).astype(np.float64)
        steps = np.diff(np.diff(grid, axis=-1), axis=-2) / 2
        levels.append(0.5 * math.log((steps**2).mean() + NOTHING))
    return tuple(levels)


def _refuse_other(shape: tuple[int, ...], channels: int) -> None:
    """Refuse what is no image of so many channels, or too small."""
    if len(shape) not in (3, 4) or shape[0] != channels:
        raise InputError(
            f"an image of shape {shape} is not {channels} channels of a plane or stack",
            remedy="Give axes (C, Y, X) or (C, Z, Y, X)",
        )
    if min(shape[-2:]) < SMALLEST_SIDE_PX:
        raise InputError(
            f"{shape[-2]} x {shape[-1]} pixels are too few to tell what kind of image it is",
            remedy=f"Give at least {SMALLEST_SIDE_PX} x {SMALLEST_SIDE_PX} pixels",
        )


def _read(image: Lazy, channel: int) -> Floats:
    """(places z, y, x, planes, side, side) grey levels of one channel."""
    depth, height, width = (1, *image.shape[1:])[-3:]
    flat = len(image.shape) == 3
    side = min(SIDE_PX, height, width) // 2 * 2
    planes = min(PLANES, depth)
    most = (1, ACROSS, ACROSS) if flat else THROUGH
    sizes = (planes, side, side)
    z, y, x = (
        _starts(n, size, m) for n, size, m in zip((depth, height, width), sizes, most, strict=True)
    )
    grid = np.empty((len(z), len(y), len(x), *sizes))
    for k, first in enumerate(z):
        for j in range(planes):  # plane by plane, as files hold them
            at = (channel,) if flat else (channel, first + j)
            for r, top in enumerate(y):
                for c, left in enumerate(x):
                    pixels = image[(*at, slice(top, top + side), slice(left, left + side))]
                    grid[k, r, c, j] = pixels
    finite = np.isfinite(grid)
    return grid if finite.all() else np.where(finite, grid, grid[finite].min(initial=0))


def _starts(length: int, size: int, most: int) -> list[int]:
    """Where up to `most` evenly spread windows begin; two where at least one and a half fit."""
    count = min(most, max(1, math.floor(length / size + 0.5)))
    return sorted({int(v) for v in np.linspace(0, length - size, count).round()})


def _quarters(grid: Floats) -> Iterator[Floats]:
    """The windows of each quarter of the image, normalised anew, where it holds something."""
    rows, columns = grid.shape[1:3]
    if min(rows, columns) < 2:
        return
    low, high = np.percentile(_means(grid), PERCENTILES)
    for y in (slice(0, rows // 2), slice(rows // 2, None)):
        for x in (slice(0, columns // 2), slice(columns // 2, None)):
            part = grid[:, y, x]
            bottom, top = np.percentile(part, PERCENTILES)
            bright = np.percentile(_means(part), PERCENTILES[1]) - low >= BRIGHT * (high - low)
            if bright and top > bottom:
                yield (part - bottom) / (top - bottom)


def _means(grid: Floats) -> Floats:
    """Means of blocks of 8 x 8 pixels."""
    side = grid.shape[-1] // BLOCK_PX
    cut = grid[..., : side * BLOCK_PX, : side * BLOCK_PX]
    return np.asarray(
        cut.reshape(*cut.shape[:-2], side, BLOCK_PX, side, BLOCK_PX).mean(axis=(-3, -1))
    )


def _view(grid: Floats) -> View:
    windows = grid.reshape(-1, *grid.shape[3:])
    if not np.ptp(windows) > 0:  # nothing can be said but that it is blank
        blank = dict.fromkeys((n for names in GROUPS.values() for n in names), math.nan)
        return View(blank | {"flat": 1.0}, len(windows))
    return View(describe(windows), len(windows))
