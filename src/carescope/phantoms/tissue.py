"""Tissue: packed cells, with the membrane and the nucleus of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from carescope import rng
from carescope.errors import UsageError
from carescope.phantoms import packing
from carescope.phantoms.membranes import WIDEST, Membranes
from carescope.phantoms.nuclei import Chromatin
from carescope.phantoms.phantom import SECTIONED_PLANES, Labels, Phantom, Volume, at_once
from carescope.phantoms.profile import REACH_PER_WIDTH


class Tissue(Phantom):
    """Fluorophore density of membranes and of the nuclei of the cells that they enclose.

    The membranes are those of `membranes`. Each nucleus is an ellipsoid about the middle of its
    cell, in the bent space of the membranes, that follows the cell's shape and touches none of
    its walls.

    Parameters
    ----------
    shape
        Planes, rows and columns (Z, Y, X), each at least 16; or rows and columns (Y, X), for a
        section through the middle of such a volume.
    seed
        The same seed gives the same phantom.
    volume_per_cell_px3
        Mean volume of a cell in voxels, at least 1,000.
    nucleus_share
        Range of the volume of a nucleus, as a share of a mean cell's; less where a cell is too
        small for that.
    width_px
        Mean full width at half maximum of a membrane in voxels, from 1.5 on.
    background
        Density elsewhere, as a share of a bright nucleus or membrane.
    summed
        One channel that shows both, as where two stains are recorded together.

    Returns
    -------
    density : (2, [Z,] Y, X) float32
        Channels nuclei and membranes; ([Z,] Y, X), the brighter of both, where `summed`.
    labels : (2, [Z,] Y, X) int32
        Nuclei and cells; a nucleus has the number of its cell.

    Raises
    ------
    UsageError
        The volume, its cells or their membranes are too small, or nuclei larger than cells.
    """

    labelled = ("nuclei", "cells")
    flat_within = SECTIONED_PLANES

    def __init__(
        self,
        shape: Sequence[int],
        seed: int,
        *,
        volume_per_cell_px3: float = 60_000.0,
        nucleus_share: tuple[float, float] = (0.12, 0.25),
        width_px: float = 2.5,
        background: float = 0.02,
        summed: bool = False,
    ) -> None:
        super().__init__(shape, "cells")
        if not 0 < nucleus_share[0] <= nucleus_share[1] < 1:
            raise UsageError(
                f"nuclei that take {nucleus_share[0]:g} to {nucleus_share[1]:g} of their cell "
                "do not fit into it",
                remedy="Give a range of shares between 0 and 1",
            )
        self._membranes = Membranes(
            shape,
            seed,
            volume_per_cell_px3=volume_per_cell_px3,
            width_px=width_px,
            background=background,
        )
        if not summed:
            self.channels = ("nuclei", "membranes")
        self.background = background
        points = self._membranes.points
        forms = packing.inscribed(points, 1 + REACH_PER_WIDTH * WIDEST * width_px)
        share = rng.generator(seed, "nucleus share").uniform(*nucleus_share, len(points))
        room = 4 / 3 * np.pi / np.linalg.det(forms)
        smaller = np.minimum(1, (share * volume_per_cell_px3 / room) ** (1 / 3))
        self._forms = (forms / smaller[:, None, None]).astype(np.float32)
        self._brightness = rng.generator(seed, "nucleus brightness").uniform(0.5, 1, len(points))
        self._chromatin = Chromatin(self.world, seed)

    def _slab(self, slab: slice) -> tuple[Volume, Labels]:
        where = self._membranes.where(slab)
        membranes, cells = self._membranes.draw(where, slab)
        nucleus = self._in_nucleus(where, cells - 1)
        nuclei = np.full(cells.shape, self.background, np.float32)
        bright = self._brightness[cells[nucleus] - 1]
        nuclei[nucleus] = bright * self._chromatin.planes(slab)[nucleus]
        labels = np.stack([np.where(nucleus, cells, 0), cells])
        if self.channels:
            return np.stack([nuclei, membranes]), labels
        return np.maximum(nuclei, membranes), labels

    def _in_nucleus(
        self, where: npt.NDArray[np.float32], cell: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.bool_]:
        """Whether voxels that lie `where`, in which cell, are in its nucleus."""
        offset = where - self._membranes.points.astype(np.float32)[cell]
        squared = np.zeros(cell.shape, np.float32)
        for column in range(3):
            along = np.zeros(cell.shape, np.float32)
            for axis in range(3):
                along += offset[..., axis] * self._forms[:, axis, column][cell]
            squared += np.square(along)
        return np.asarray(squared <= 1)


tissue = at_once(Tissue)
