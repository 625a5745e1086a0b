"""Cell nuclei: textured ellipsoids of any orientation that may touch but never overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from carescope import rng
from carescope.errors import UsageError
from carescope.phantoms import packing
from carescope.phantoms.ellipsoids import Ellipsoids
from carescope.phantoms.phantom import SECTIONED_PLANES, Box, Labels, Phantom, Volume, at_once
from carescope.phantoms.texture import PerlinNoise

Floats = npt.NDArray[np.float64]

# How often a place is tried for each nucleus that is wanted, where they lie loosely.
ATTEMPTS = 20
# Diameters of packed nuclei, relative to the largest ellipsoid in their place. Where two of them
# would overlap they flatten each other.
FILLS = (0.9, 1.12)
# Scales of chromatin in voxels, and how strong each is.
OCTAVES = ((16, 0.5), (8, 0.35), (4, 0.25))


class Nuclei(Phantom):
    """Fluorophore density of nuclei and their labels.

    Parameters
    ----------
    shape
        Planes, rows and columns (Z, Y, X), each at least 16; or rows and columns (Y, X), for a
        section through the middle of such a volume.
    seed
        The same seed gives the same phantom.
    radius_px
        Range of the half-axes of a nucleus in voxels; of loose nuclei.
    volume_per_nucleus_px3
        Mean volume that holds one nucleus, in voxels.
    background
        Density outside nuclei, as a share of a bright nucleus.
    packed
        Nuclei fill the cells of a relaxed packing, many touch one another, and the faces of the
        volume cut them; their size follows from the volume for each. Otherwise they lie at
        random, their middles inside the volume, as many as find room.

    Returns
    -------
    density : ([Z,] Y, X) float32
        Non-negative, about 1 in a bright nucleus.
    labels : ([Z,] Y, X) int32
        0 outside, 1, 2, ... in each nucleus.

    Raises
    ------
    UsageError
        The volume is too small to hold a nucleus, or a size is impossible.
    """

    flat_within = SECTIONED_PLANES

    def __init__(
        self,
        shape: Sequence[int],
        seed: int,
        *,
        radius_px: tuple[float, float] = (9.0, 15.0),
        volume_per_nucleus_px3: float = 50_000.0,
        background: float = 0.02,
        packed: bool = False,
    ) -> None:
        super().__init__(shape, "nuclei")
        if not (1 <= radius_px[0] <= radius_px[1] and volume_per_nucleus_px3 >= 500):
            raise UsageError(
                f"nuclei of radius {radius_px[0]:g} to {radius_px[1]:g} in "
                f"{volume_per_nucleus_px3:g} voxels each are no nuclei",
                remedy="Give a range of radii from 1 on, and at least 500 voxels for each",
            )
        self.background = background
        if packed:
            self.nuclei, brightness = _packed(self.world, seed, volume_per_nucleus_px3)
        else:
            self.nuclei, brightness = _loose(self.world, seed, radius_px, volume_per_nucleus_px3)
        self._brightness = np.array([0.0, *brightness], np.float32)
        self._chromatin = Chromatin(self.world, seed)

    def _slab(self, slab: slice) -> tuple[Volume, Labels]:
        labels = self.nuclei.labels(slab, self.world)
        texture = self._chromatin.planes(slab)
        density = np.full(labels.shape, self.background, np.float32)
        nucleus = labels > 0
        density[nucleus] = (self._brightness[labels] * texture)[nucleus]
        return density, labels


nuclei = at_once(Nuclei)


class Chromatin:
    """A chromatin-like texture around 1: Perlin noise of three octaves."""

    def __init__(self, box: Box, seed: int) -> None:
        self._octaves = [
            (PerlinNoise(box, scale_px, seed, "texture", octave), weight)
            for octave, (scale_px, weight) in enumerate(OCTAVES)
        ]

    def planes(self, slab: slice) -> Volume:
        """The texture in some planes, (planes, Y, X)."""
        noise = sum(weight * octave.planes(slab) for octave, weight in self._octaves)
        return np.asarray(np.clip(1.0 + 0.45 * noise, 0.15, None))


def _loose(
    box: Box, seed: int, radius_px: tuple[float, float], volume_per_nucleus_px3: float
) -> tuple[Ellipsoids, Floats]:
    """Ellipsoids placed one after the other, each dropped if a voxel is taken already."""
    wanted = max(1, round(float(np.prod(box)) / volume_per_nucleus_px3))
    centres, forms = np.empty((wanted + 1, 3)), np.tile(np.eye(3), (wanted + 1, 1, 1))
    placed = Ellipsoids(centres, forms)
    brightness: list[float] = []
    for attempt in range(ATTEMPTS * wanted):
        draw = rng.generator(seed, "nucleus", attempt)
        number = len(brightness)
        placed.centres[number] = draw.uniform(0, 1, 3) * np.array(box)
        radii = draw.uniform(*radius_px, 3)
        turn, _ = np.linalg.qr(draw.normal(size=(3, 3)))
        placed.forms[number] = turn / radii
        placed.reach[number] = np.linalg.norm(turn * radii, axis=1)
        near = placed.overlapping(number, np.arange(number))
        if any(placed.share_voxels(number, int(other), box) for other in near):
            continue
        brightness.append(draw.uniform(0.5, 1.0))
        if len(brightness) == wanted:
            break
    count = len(brightness)
    return Ellipsoids(centres[:count], forms[:count]), np.array(brightness)


def _packed(box: Box, seed: int, volume_per_nucleus_px3: float) -> tuple[Ellipsoids, Floats]:
    """Ellipsoids in the cells of a relaxed packing, those that show in the volume."""
    points = packing.spread(box, seed, volume_per_nucleus_px3)
    fills = rng.generator(seed, "nucleus fill").uniform(*FILLS, len(points))
    nuclei = Ellipsoids(points, packing.inscribed(points) / fills[:, None, None])
    seen = [n for n in range(len(nuclei)) if nuclei.covers(n, box)]
    brightness = rng.generator(seed, "nucleus brightness").uniform(0.5, 1.0, len(points))
    return Ellipsoids(nuclei.centres[seen], nuclei.forms[seen]), brightness[seen]
