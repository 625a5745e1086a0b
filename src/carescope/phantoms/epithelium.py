"""An epithelium: a folded sheet of cells in a stack, as in a fly's wing or a developing embryo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from carescope import rng
from carescope.errors import UsageError
from carescope.phantoms import packing
from carescope.phantoms.granules import Granules
from carescope.phantoms.membranes import BEND_PX, WIDEST, check_width
from carescope.phantoms.phantom import Box, Labels, Phantom, Volume
from carescope.phantoms.profile import REACH_PER_WIDTH, bump
from carescope.phantoms.texture import NOISE, SmoothNoise

Floats = npt.NDArray[np.float64]

# Frames after which folds and jittering cells are back where they were.
PERIOD = 120.0
# How far a cell jitters, as a share of the distance of cells.
JITTER = 0.12
# By which share of its size the sheet grows in a frame.
GROWTH = 0.004
# Structures of the second sheet are coarser.
SECOND_AREA = 3.0
BLOBS_PX, VOLUME_PER_BLOB_PX3 = (3.0, 6.0, 10.0), 20_000.0
BEND_SCALE_PX, UNEVEN_SCALE_PX = 24, 12


class Epithelium(Phantom):
    """Fluorophore density of a folded sheet of cells, and what it looks like laid flat.

    The height h(y, x) of the sheet is smooth noise. Cells are the Voronoi regions of evenly
    spread points in the plane (y, x), seen from above: where the sheet is steep they are longer
    along it. Their junctions are a belt on the sheet whose cross-section is measured along the
    sheet's normal, with distance ``(z - h) / sqrt(1 + |grad h|^2)``; weak lateral walls go down
    from it, towards larger z. A second, weaker and coarser sheet lies below, as the
    basal side, another layer or a cuticle does: it is no part of the truth.

    Parameters
    ----------
    shape
        Planes, rows and columns (Z, Y, X), each at least 16.
    seed
        The same seed gives the same phantom.
    amplitude_px
        Between its highest and lowest point the sheet runs over up to so many planes; a third
        of all planes where None.
    fold_px
        Size of folds in pixels, at least 16.
    area_per_cell_px2
        Mean area of a cell in pixels, seen from above; at least 50.
    width_px
        Mean full width at half maximum of a junction in pixels, from 1.5 on.
    thickness_px
        Full width at half maximum of the belt across the sheet in voxels, from 1.5 on.
    walls
        Brightness of lateral walls, as a share of the belt's.
    depth_px
        How far lateral walls go down, in voxels.
    second
        Brightness of the second sheet, as a share of the first's; 0 leaves it out.
    second_px
        How many planes it lies below the first (above, where negative).
    debris
        Brightness of blobs above the sheet, relative to a junction's, such as dirt and fat that
        outshine it in a maximum projection; 0 for none. They are no part of the truth either.
    background
        Density elsewhere, as a share of a bright junction.
    time
        Which frame of a movie, from 0: cells keep their number while the sheet grows by 0.4 % a
        frame, folds change and cells jitter, all smoothly.

    Returns
    -------
    density : (Z, Y, X) float32
        Between `background` and 1, or what `debris` is.
    surface : (Y, X) float32
        The density on the sheet.
    height : (Y, X) float32
        Where the sheet is, in planes from the first.
    labels : (Y, X) int32
        The cell that is seen from above, 1, 2, ... with gaps, the same in all frames.

    Raises
    ------
    UsageError
        The shape is too small, the sheet does not fit into it, or a size is impossible.
    """

    mapped = ("surface", "height", "labels")

    def __init__(
        self,
        shape: Sequence[int],
        seed: int,
        *,
        amplitude_px: float | None = None,
        fold_px: int = 96,
        area_per_cell_px2: float = 400.0,
        width_px: float = 2.5,
        thickness_px: float = 3.0,
        walls: float = 0.25,
        depth_px: float = 10.0,
        second: float = 0.35,
        second_px: float = 12.0,
        debris: float = 0.0,
        background: float = 0.02,
        time: float = 0.0,
    ) -> None:
        super().__init__(shape, "an epithelium")
        amplitude = self.box[0] / 3 if amplitude_px is None else amplitude_px
        _check(self.box, amplitude, fold_px, area_per_cell_px2, time)
        check_width(min(width_px, thickness_px))
        self.background, self.thickness_px = background, thickness_px
        self._walls, self._depth_px = walls, depth_px
        self._second, self._second_px = second, second_px
        self.height = _height(self.box, seed, amplitude, fold_px, time)
        slope = np.gradient(self.height.astype(np.float64))
        self._tilt = np.sqrt(1 + slope[0] ** 2 + slope[1] ** 2).astype(np.float32)
        self._junctions, self.cells = _pattern(self.box, seed, area_per_cell_px2, width_px, time)
        self._debris = debris
        if debris > 0:
            self._blobs = Granules(
                shape,
                seed,
                diameters_px=BLOBS_PX,
                volume_per_granule_px3=VOLUME_PER_BLOB_PX3,
                clustering=1.5,
                background=0.0,
            )
        if second > 0:
            coarse = SECOND_AREA * area_per_cell_px2
            self._below, _ = _pattern(self.box, seed, coarse, 1.6 * width_px, time, index=1)

    @property
    def surface(self) -> Volume:
        """The density on the sheet, (Y, X)."""
        return self.background + (1 - self.background) * self._junctions

    def maps(self) -> dict[str, npt.NDArray[np.float32 | np.int32]]:
        """What the sheet is: ``surface``, ``height`` and ``labels``, (Y, X)."""
        return {"surface": self.surface, "height": self.height, "labels": self.cells}

    def _slab(self, slab: slice) -> tuple[Volume, Labels]:
        z = np.arange(slab.start, slab.stop, dtype=np.float32)[:, None, None]
        off = (z - self.height) / self._tilt
        belt = bump(np.abs(off), self.thickness_px)
        down = np.clip(off / self._depth_px, 0, 1)
        # From nothing on the sheet to full strength just below, and to nothing at their end.
        lateral = self._walls * np.minimum(off.clip(0) / 2, 1) * np.square(1 - np.square(down))
        light = self._junctions * np.maximum(belt, lateral)
        if self._second > 0:
            below = (z - self.height - self._second_px) / self._tilt
            sheet = bump(np.abs(below), 1.5 * self.thickness_px)
            light = np.maximum(light, self._second * sheet * (0.3 + 0.7 * self._below))
        if self._debris > 0:
            # Rising from nothing on the sheet, so that blobs are not cut off flat above it.
            above = np.clip(-off / self.thickness_px - 1, 0, 1)
            light = np.maximum(light, self._debris * above * self._blobs.planes(slab)[0])
        labels = np.where(np.abs(off) <= self.thickness_px / 2, self.cells, 0)
        return self.background + (1 - self.background) * light, labels


class Sheet(NamedTuple):
    """A stack with an epithelium and what is true of it; see `Epithelium`."""

    density: Volume
    surface: Volume
    height: Volume
    labels: Labels


def epithelium(shape: Sequence[int], seed: int, **options: Any) -> Sheet:
    """All planes of an `Epithelium`, whose arguments these are, and what is true of it."""
    made = Epithelium(shape, seed, **options)
    density, _ = made.whole()
    return Sheet(density, made.surface, made.height, made.cells)


def _check(box: Box, amplitude: float, fold_px: int, area: float, time: float) -> None:
    if not 0 <= amplitude <= box[0] - 8:
        raise UsageError(
            f"a sheet that runs over {amplitude:g} planes does not fit into {box[0]}",
            remedy="Give more planes, or a smaller amplitude_px",
        )
    if not (fold_px >= 16 and area >= 50 and 0 <= time < np.inf):
        raise UsageError(
            f"folds of {fold_px} and cells of {area:g} pixels at time {time:g} are no epithelium",
            remedy="Give folds of at least 16 pixels, cells of at least 50, a time from 0 on",
        )


def _height(box: Box, seed: int, amplitude: float, fold_px: int, time: float) -> Volume:
    """The sheet's plane at each pixel: smooth noise squeezed into the amplitude."""
    turn = 2 * np.pi * time / PERIOD
    flat, noise = (1, *box[1:]), np.zeros(box[1:], np.float32)
    for octave, weight in ((1, 1.0), (2, 0.3)):
        for index, part in enumerate((np.cos(turn), np.sin(turn))):
            field = SmoothNoise(flat, fold_px // octave, seed, "fold", 2 * octave + index)
            noise += np.float32(weight * part) * field.planes(slice(0, 1))[0]
    return np.asarray((box[0] - 1) / 2 + amplitude / 2 * np.tanh(noise / (1.5 * NOISE)), np.float32)


def _pattern(
    box: Box, seed: int, area: float, width_px: float, time: float, index: int = 0
) -> tuple[Volume, Labels]:
    """Brightness of junctions and numbers of cells, (Y, X), of a sheet seen from above."""
    points = packing.spread(box[1:], seed, area, index)
    draw = rng.generator(seed, "jitter", index)
    phase = draw.uniform(0, 2 * np.pi, (2, len(points), 1)) + np.array([0, np.pi / 2])
    turn = np.array([1.0, 2.0])[:, None, None] * (2 * np.pi * time / PERIOD)
    swing = (np.sin(turn + phase) - np.sin(phase)).sum(axis=0)
    middle = np.array(box[1:]) / 2
    grown = middle + (points - middle) * (1 + GROWTH * time)
    points = np.pad(grown + JITTER * np.sqrt(area) * swing, ((0, 0), (1, 0)))
    flat, slab = (1, *box[1:]), slice(0, 1)
    where = np.zeros((*flat, 3), np.float32)
    for axis in (1, 2):
        bend = SmoothNoise(flat, BEND_SCALE_PX, seed, "junction bend", 2 * axis + index)
        along = np.arange(flat[axis], dtype=np.float32).reshape(
            [-1 if a == axis else 1 for a in range(3)]
        )
        where[..., axis] = along + bend.planes(slab) * (0.6 * BEND_PX / NOISE)
    wall_px, cells = packing.walls(where, points, REACH_PER_WIDTH * WIDEST * width_px)
    uneven = SmoothNoise(flat, UNEVEN_SCALE_PX, seed, "junction", index).planes(slab)
    haze = SmoothNoise(flat, 2 * UNEVEN_SCALE_PX, seed, "apical haze", index).planes(slab)
    width = width_px * np.clip(1 + 0.15 * uneven, 1 / WIDEST, WIDEST)
    bright = np.clip(0.75 + 0.25 * uneven, 0.2, 1)
    inner = np.clip(0.06 + 0.05 * haze, 0, 0.2)
    return np.maximum(bright * bump(wall_px, width), inner)[0], cells[0]
