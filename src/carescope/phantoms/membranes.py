"""Cell membranes: the curved walls of densely packed cells of similar size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from carescope.errors import UsageError
from carescope.phantoms import packing
from carescope.phantoms.phantom import SECTIONED_PLANES, Labels, Phantom, Volume, at_once
from carescope.phantoms.profile import REACH_PER_WIDTH, bump
from carescope.phantoms.texture import NOISE, SmoothNoise

# Walls are curved: space is shifted by noise of this scale, with this standard deviation.
BEND_SCALE_PX = 24
BEND_PX = 2.0
# Width and brightness vary along a wall.
UNEVEN_SCALES_PX = (24, 6)
UNEVEN = 0.4
WIDEST = 1.4


class Membranes(Phantom):
    """Fluorophore density of membranes, and the cells that they enclose.

    The cells are the Voronoi regions of points that Lloyd's algorithm has spread evenly, in
    bent space. They fill the volume and are cut by its faces as if it went on.

    Parameters
    ----------
    shape
        Planes, rows and columns (Z, Y, X), each at least 16; or rows and columns (Y, X), for a
        section through the middle of such a volume.
    seed
        The same seed gives the same phantom.
    volume_per_cell_px3
        Mean volume of a cell in voxels, at least 1,000.
    width_px
        Mean full width at half maximum of a membrane in voxels, from 1.5 on; it varies by
        about 10 %.
    background
        Density inside cells, as a share of a bright membrane.

    Returns
    -------
    density : ([Z,] Y, X) float32
        Between `background` and 1.
    labels : ([Z,] Y, X) int32
        1, 2, ... in each cell; cells touch in the middle of their membrane.

    Raises
    ------
    UsageError
        The volume, its cells or their membranes are too small.
    """

    flat_within = SECTIONED_PLANES

    def __init__(
        self,
        shape: Sequence[int],
        seed: int,
        *,
        volume_per_cell_px3: float = 30_000.0,
        width_px: float = 2.5,
        background: float = 0.02,
    ) -> None:
        super().__init__(shape, "cells")
        check_cells(volume_per_cell_px3, width_px)
        self.width_px, self.background = width_px, background
        self.points = packing.spread(self.world, seed, volume_per_cell_px3)
        self._bends = [
            SmoothNoise(self.world, BEND_SCALE_PX, seed, "membrane bend", axis) for axis in range(3)
        ]
        self._uneven = [
            SmoothNoise(self.world, s, seed, "membrane", i) for i, s in enumerate(UNEVEN_SCALES_PX)
        ]

    def _slab(self, slab: slice) -> tuple[Volume, Labels]:
        return self.draw(self.where(slab), slab)

    def where(self, slab: slice) -> npt.NDArray[np.float32]:
        """Where the voxels of some planes lie in the space in which walls are flat, (..., 3)."""
        where = np.stack([bend.planes(slab) for bend in self._bends], axis=-1) * (BEND_PX / NOISE)
        for axis, n in enumerate(where.shape[:3]):
            first = slab.start if axis == 0 else 0
            where[..., axis] += np.arange(first, first + n).reshape(
                [-1 if a == axis else 1 for a in range(3)]
            )
        return where

    def draw(self, where: npt.NDArray[np.float32], slab: slice) -> tuple[Volume, Labels]:
        """Density, and labels that are 1 + the row of `points`, of voxels that lie `where`."""
        reach_px = REACH_PER_WIDTH * WIDEST * self.width_px
        wall_px, labels = packing.walls(where, self.points, reach_px)
        coarse, fine = (noise.planes(slab) for noise in self._uneven)
        width = self.width_px * np.clip(1 + 0.15 * coarse, 1 / WIDEST, WIDEST)
        bright = np.clip(0.7 + UNEVEN * (0.5 * coarse + 0.7 * fine), 0.15, 1)
        density = self.background + (1 - self.background) * bright * bump(wall_px, width)
        return np.asarray(density, np.float32), labels


membranes = at_once(Membranes)


def check_cells(volume_per_cell_px3: float, width_px: float) -> None:
    """Refuse cells that are too small to have membranes, or membranes too thin to show.

    Raises
    ------
    UsageError
        They are.
    """
    if not volume_per_cell_px3 >= 1000:
        raise UsageError(
            f"cells of {volume_per_cell_px3:g} voxels are too small to have membranes",
            remedy="Give each at least 1000 voxels",
        )
    check_width(width_px)


def check_width(width_px: float) -> None:
    """Refuse membranes that are too thin to show."""
    if not width_px >= 1.5:
        raise UsageError(
            f"membranes {width_px:g} voxels wide are thinner than voxels can show",
            remedy="Make them at least 1.5 voxels wide",
        )
