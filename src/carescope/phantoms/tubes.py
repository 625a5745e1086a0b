"""Tubes: a mesh of worm-like chains, such as microtubules or fine vessels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import rng
from carescope.errors import UsageError
from carescope.phantoms.phantom import Labels, Phantom, Volume, at_once
from carescope.phantoms.profile import REACH_PER_WIDTH, bump
from carescope.phantoms.texture import SmoothNoise

Floats = npt.NDArray[np.float64]

# Brightness takes the upper half of a voxel's key, the tube's number the lower one: the
# largest key is that of the brightest tube, in whatever order tubes come.
LEVELS = 2**31 - 1
LENGTH_PER_PX3, LENGTH_PER_PX2 = 0.005, 0.05
# Steps of one voxel that are drawn at once.
CHUNK_STEPS = 2000
# And that are bent at once: most chains lie outside the volume, and are not kept.
BENT_STEPS = 500_000
# Tubes are unevenly labelled, on this scale.
GRAIN_PX = 6


class Tubes(Phantom):
    """Fluorophore density of crossing tubes and their labels.

    Parameters
    ----------
    shape
        Planes, rows and columns (Z, Y, X) or rows and columns (Y, X), each at least 16. In 2D
        tubes lie in the plane and still cross.
    seed
        The same seed gives the same phantom.
    persistence_px
        Persistence length in voxels, at least 2: the mean cosine between the directions of a
        tube at two points that lie s apart along it is exp(-s / persistence).
    length_px
        Length of every tube in voxels, at least 2; the faces of the volume cut tubes.
    width_px
        Full width at half maximum in voxels, from 1.5 on.
    length_per_px3
        Length of tube in a voxel of the volume (in 2D in a pixel), on average; 0.005 in 3D and
        0.05 in 2D where None.
    background
        Density between tubes, as a share of a bright tube.

    Returns
    -------
    density : ([Z,] Y, X) float32
        Between `background` and 1; where tubes meet, that of the brighter one.
    labels : ([Z,] Y, X) int32
        0 outside, 1, 2, ... within half of the width of each tube.

    Raises
    ------
    UsageError
        The volume is too small, or the tubes are impossible.

    References
    ----------
    O. Kratky, G. Porod, Röntgenuntersuchung gelöster Fadenmoleküle, Recueil des Travaux
    Chimiques des Pays-Bas 68 (1949), doi:10.1002/recl.19490681203.
    """

    flat_within = 1

    def __init__(
        self,
        shape: Sequence[int],
        seed: int,
        *,
        persistence_px: float = 60.0,
        length_px: float = 300.0,
        width_px: float = 3.0,
        length_per_px3: float | None = None,
        background: float = 0.02,
    ) -> None:
        super().__init__(shape, "tubes")
        _check(persistence_px, length_px, width_px)
        usual = LENGTH_PER_PX2 if self.is_flat else LENGTH_PER_PX3
        density = usual if length_per_px3 is None else length_per_px3
        self.width_px, self.background = width_px, background
        reach = _stencil_px(width_px) + 2
        self._chains, self._brightness = _chains(
            self.shape, seed, persistence_px, round(length_px), density, reach
        )
        self._grains = SmoothNoise(self.box, GRAIN_PX, seed, "tube grain")

    def _slab(self, slab: slice) -> tuple[Volume, Labels]:
        key = np.zeros((slab.stop - slab.start, *self.box[1:]), np.int64)
        for middles, steps, tube in _near(self._chains, slab, self.box, self.width_px):
            _draw(key, middles, steps, tube, self._brightness[tube], self.width_px)
        light = (key >> 32).astype(np.float32) / LEVELS
        tube = key & LEVELS
        labels = np.where(2 * light >= self._brightness[tube], tube, 0).astype(np.int32)
        grain = np.clip(0.85 + 0.2 * self._grains.planes(slab), 0.2, 1)
        return self.background + (1 - self.background) * light * grain, labels


tubes = at_once(Tubes)


def _check(persistence_px: float, length_px: float, width_px: float) -> None:
    if not (persistence_px >= 2 and length_px >= 2):
        raise UsageError(
            f"a tube {length_px:g} voxels long that bends within {persistence_px:g} is a knot",
            remedy="Give lengths and persistence lengths of at least 2 voxels",
        )
    if not width_px >= 1.5:
        raise UsageError(
            f"tubes {width_px:g} voxels wide are thinner than voxels can show",
            remedy="Make them at least 1.5 voxels wide",
        )


def _chains(
    shape: tuple[int, ...], seed: int, persistence_px: float, steps: int, density: float, reach: int
) -> tuple[Floats, Volume]:
    """Chains (N, steps + 1, 3) of steps of one voxel, each the same angle off the last one.

    Their middles are spread over a volume so much larger that no chain is missing inside; those
    that come no nearer to it than `reach` are left out. In a plane (Y, X) all is as in a volume,
    but for z, which is 0. With them the brightness of no tube, which is 0, and of each.
    """
    flat = len(shape) == 2
    box = np.array(shape) + steps
    count = max(1, round(float(box.prod()) * density / steps))
    box = np.array([steps, *box]) if flat else box
    far = np.array([1, *shape] if flat else shape) + reach
    kept, numbers = [np.empty((0, steps + 1, 3))], list[int]()
    together = max(1, BENT_STEPS // steps)
    for first in range(0, count, together):
        some = range(first, min(first + together, count))
        draws = [rng.generator(seed, "tube", number) for number in some]
        middles = np.stack([draw.uniform(size=3) for draw in draws]) * box - steps / 2
        kicks = np.stack([draw.normal(size=(steps, 3)) for draw in draws])
        if flat:
            middles[:, 0], kicks[:, :, 0] = 0, 0
        chains = _bent(kicks, persistence_px)
        chains += (middles - chains[:, steps // 2])[:, None]
        inside = np.all((chains > -reach) & (chains < far), axis=2)
        near = np.flatnonzero(np.any(inside, axis=1))
        kept.append(chains[near])
        numbers += [some[i] for i in near]
    light = [rng.generator(seed, "tube brightness", n).uniform(0.5, 1.0) for n in numbers]
    return np.concatenate(kept), np.array([0.0, *light], np.float32)


def _bent(kicks: Floats, persistence_px: float) -> Floats:
    """Chains (N, steps + 1, 3) from the origin, turned at each step to where a kick points."""
    cosine = np.exp(-1 / persistence_px)
    directions = np.empty_like(kicks)
    along = _unit(kicks[:, 0])
    for step in range(kicks.shape[1]):
        if step > 0:
            kick = kicks[:, step]
            across = _unit(kick - (kick * along).sum(axis=1, keepdims=True) * along)
            along = _unit(cosine * along + np.sqrt(1 - cosine**2) * across)
        directions[:, step] = along
    return np.pad(np.cumsum(directions, axis=1), ((0, 0), (1, 0), (0, 0)))


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _near(
    chains: Floats, slab: slice, shape: tuple[int, int, int], width_px: float
) -> Iterator[tuple[Volume, Volume, npt.NDArray[np.int64]]]:
    """The steps that touch a slab, some at a time: middle, direction (P, 3), number of the tube.

    Middles are relative to the slab.
    """
    margin = _stencil_px(width_px) + 1
    low = np.array([slab.start, 0, 0])
    high = np.array([slab.stop, *shape[1:]])
    middles = (chains[:, 1:] + chains[:, :-1]) / 2
    tube, step = np.nonzero(((middles > low - margin) & (middles < high + margin)).all(axis=2))
    for first in range(0, len(tube), CHUNK_STEPS):
        one, at = tube[first : first + CHUNK_STEPS], step[first : first + CHUNK_STEPS]
        direction = chains[one, at + 1] - chains[one, at]
        yield (middles[one, at] - low).astype(np.float32), direction.astype(np.float32), one + 1


def _draw(
    key: npt.NDArray[np.int64],
    middles: Volume,
    steps: Volume,
    tube: npt.NDArray[np.int64],
    brightness: Volume,
    width_px: float,
) -> None:
    """Enter short straight pieces of tubes into the keys (Z, Y, X) of a slab."""
    half = _stencil_px(width_px)
    voxel = np.rint(middles).astype(np.int64)[:, :, None] + np.arange(-half, half + 1)
    offset = voxel.astype(np.float32) - middles[:, :, None]
    along = _sum(offset * steps[:, :, None])
    nearest = np.clip(along, -0.5, 0.5)
    squared = _sum(np.square(offset)) + nearest * (nearest - 2 * along)
    light = bump(np.sqrt(np.maximum(squared, 0)), width_px) * brightness[:, None, None, None]
    outside = (voxel < 0) | (voxel >= np.array(key.shape)[:, None])
    lit = (light > 0) & (_sum(outside.astype(np.int8)) == 0)
    levels = (light[lit].astype(np.float64) * LEVELS).astype(np.int64)
    number = np.broadcast_to(tube[:, None, None, None], lit.shape)[lit]
    pitch = np.array([key.shape[1] * key.shape[2], key.shape[2], 1])
    place = _sum(voxel * pitch[:, None])[lit]
    np.maximum.at(key.reshape(-1), place, (levels << 32) | number)


def _sum(parts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The sum over z, y and x of what (P, 3, side) holds for each: (P, side, side, side)."""
    return np.asarray(
        parts[:, 0, :, None, None] + parts[:, 1, None, :, None] + parts[:, 2, None, None, :]
    )


def _stencil_px(width_px: float) -> int:
    """How many voxels away from its rounded middle a step of one voxel may be seen."""
    return int(REACH_PER_WIDTH * width_px + 1)
