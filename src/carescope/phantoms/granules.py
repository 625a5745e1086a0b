"""Granules: points and balls of several sizes, such as vesicles or spots of a stain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from carescope import rng
from carescope.errors import UsageError
from carescope.phantoms.phantom import Labels, Phantom, Volume, at_once
from carescope.phantoms.profile import REACH_PER_WIDTH, bump
from carescope.phantoms.texture import NOISE, SmoothNoise

Floats = npt.NDArray[np.float64]

VOLUME_PER_GRANULE_PX3, AREA_PER_GRANULE_PX2 = 8_000.0, 500.0
# A granule up to this diameter is a point: a bump as narrow as voxels can show.
POINT_PX = 2.0
NARROWEST_PX = 1.5
# Every point of a volume has the middle of a voxel this near.
NEAREST_VOXEL_PX = 0.87
# Granules gather where smooth noise of this scale is high.
CLUSTER_PX = 40
# So many places are tried for each granule.
PLACES = 6


class Granules(Phantom):
    """Fluorophore density of granules and their labels.

    Granules are balls (discs where the phantom is flat) with an edge of one voxel, or, up to a
    diameter of 2 voxels, points. They lie at random, more of them in some regions than in
    others, and never touch.

    Parameters
    ----------
    shape
        Planes, rows and columns (Z, Y, X) or rows and columns (Y, X), each at least 16.
    seed
        The same seed gives the same phantom.
    diameters_px
        Diameters in voxels, not negative; equally many granules have each.
    volume_per_granule_px3
        Mean volume that holds one granule, in voxels (in 2D the area in pixels); 8,000 in 3D
        and 500 in 2D where None.
    clustering
        0: no region holds more granules than another; 1 and above: some hold hardly any.
    background
        Density between granules, as a share of a bright granule.

    Returns
    -------
    density : ([Z,] Y, X) float32
        Between `background` and 1.
    labels : ([Z,] Y, X) int32
        0 outside, 1, 2, ... in each granule; a point has at least one voxel.

    Raises
    ------
    UsageError
        The shape is too small, or a diameter is negative.
    """

    flat_within = 1

    def __init__(
        self,
        shape: Sequence[int],
        seed: int,
        *,
        diameters_px: tuple[float, ...] = (0.0, 4.0, 7.0),
        volume_per_granule_px3: float | None = None,
        clustering: float = 1.0,
        background: float = 0.02,
    ) -> None:
        super().__init__(shape, "granules")
        usual = AREA_PER_GRANULE_PX2 if self.is_flat else VOLUME_PER_GRANULE_PX3
        room = usual if volume_per_granule_px3 is None else volume_per_granule_px3
        if not (len(diameters_px) and min(diameters_px) >= 0 and room > 1 and clustering >= 0):
            raise UsageError(
                f"granules of diameters {diameters_px}, {room:g} voxels and a clustering of "
                f"{clustering:g} are none",
                remedy="Give diameters and a clustering from 0 on, and more than a voxel for each",
            )
        self.background = background
        wanted = max(1, round(float(np.prod(self.box)) / room))
        draw = rng.generator(seed, "granule")
        centres = draw.uniform(size=(PLACES * wanted, 3)) * np.array(self.box) - 0.5
        centres[:, 0] = 0 if self.is_flat else centres[:, 0]
        diameters = draw.choice(np.array(diameters_px, np.float64), len(centres))
        kept = np.flatnonzero(
            draw.uniform(size=len(centres)) < self._likely(centres, seed, clustering)
        )
        kept = kept[_apart(centres[kept], _reach(diameters[kept]))][:wanted]
        self.centres, self.diameters = centres[kept], diameters[kept]
        self._brightness = draw.uniform(0.4, 1.0, len(centres))[kept].astype(np.float32)

    def _likely(self, centres: Floats, seed: int, clustering: float) -> Floats:
        """With which probability a granule may be at each of some places (N, 3)."""
        noise = SmoothNoise(self.box, CLUSTER_PX, seed, "granule cluster")
        voxels = np.clip(np.rint(centres), 0, np.array(self.box) - 1).astype(np.int64)
        return np.asarray(1 / (1 + np.exp(-3 * clustering * noise.at(voxels) / NOISE)))

    def _slab(self, slab: slice) -> tuple[Volume, Labels]:
        light = np.zeros((slab.stop - slab.start, *self.box[1:]), np.float32)
        labels = np.zeros(light.shape, np.int32)
        low, high = np.array([slab.start, 0, 0]), np.array([slab.stop, *self.box[1:]])
        reach = _reach(self.diameters) + 1
        first = np.maximum(np.ceil(self.centres - reach[:, None]), low).astype(np.int64)
        stop = np.minimum(np.floor(self.centres + reach[:, None]) + 1, high).astype(np.int64)
        for number in np.flatnonzero((first < stop).all(axis=1)):
            axes = [
                np.arange(a, b) - middle
                for a, b, middle in zip(
                    first[number], stop[number], self.centres[number], strict=True
                )
            ]
            z, y, x = (np.square(offset).astype(np.float32) for offset in axes)
            distance = np.sqrt(z[:, None, None] + y[:, None] + x)
            window = tuple(
                slice(a, b) for a, b in zip(first[number] - low, stop[number] - low, strict=True)
            )
            diameter = float(self.diameters[number])
            shown = _seen(distance, diameter) * self._brightness[number]
            light[window] = np.maximum(light[window], shown)
            labels[window][distance <= max(diameter / 2, NEAREST_VOXEL_PX)] = 1 + number
        density = self.background + (1 - self.background) * light
        return np.asarray(density, np.float32), labels


granules = at_once(Granules)


def _seen(distance: Volume, diameter_px: float) -> Volume:
    """Brightness at a distance from the middle of a granule."""
    if diameter_px <= POINT_PX:
        return bump(distance, max(diameter_px, NARROWEST_PX))
    return np.asarray(np.clip(diameter_px / 2 + 0.5 - distance, 0, 1), np.float32)


def _reach(diameters: Floats) -> Floats:
    """How far from its middle a granule has light."""
    narrow = REACH_PER_WIDTH * np.maximum(diameters, NARROWEST_PX)
    return np.asarray(np.where(diameters <= POINT_PX, narrow, diameters / 2 + 0.5))


def _apart(centres: Floats, reach: Floats) -> npt.NDArray[np.bool_]:
    """Which of some balls to keep, in their order, so that none of those kept overlap."""
    from scipy.spatial import KDTree

    pairs = KDTree(centres).query_pairs(2 * float(reach.max()), output_type="ndarray")
    gap = np.linalg.norm(centres[pairs[:, 0]] - centres[pairs[:, 1]], axis=1)
    pairs = pairs[gap < reach[pairs[:, 0]] + reach[pairs[:, 1]]]
    kept = np.ones(len(centres), np.bool_)
    # The earlier one of a pair is decided before the later one asks for it.
    for early, late in pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]:
        kept[late] &= not kept[early]
    return kept
