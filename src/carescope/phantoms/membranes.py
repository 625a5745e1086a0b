"""Cell membranes: the curved walls of densely packed cells of similar size."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import numpy.typing as npt

from carescope import rng
from carescope.errors import UsageError
from carescope.phantoms.numbering import renumbered
from carescope.phantoms.profile import REACH_PER_WIDTH, bump
from carescope.phantoms.texture import NOISE, SmoothNoise, slabs

Volume = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

RELAXATIONS = 4
SAMPLES_PER_CELL = 100
BLOCK = 16
# Walls are curved: space is shifted by noise of this scale, with this standard deviation.
BEND_SCALE_PX = 24
BEND_PX = 2.0
# Width and brightness vary along a wall.
UNEVEN_SCALES_PX = (24, 6)
UNEVEN = 0.4
WIDEST = 1.4


def membranes(
    shape: tuple[int, int, int],
    seed: int,
    *,
    volume_per_cell_px3: float = 30_000.0,
    width_px: float = 2.5,
    background: float = 0.02,
) -> tuple[Volume, Labels]:
    """Fluorophore density of membranes, and the cells that they enclose.

    The cells are the Voronoi regions of points that Lloyd's algorithm has spread evenly, in
    bent space. They fill the volume and are cut by its faces as if it went on.

    Parameters
    ----------
    shape
        Planes, rows and columns (Z, Y, X), each at least 16.
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
    density : (Z, Y, X) float32
        Between `background` and 1.
    labels : (Z, Y, X) int32
        1, 2, ... in each cell; cells touch in the middle of their membrane.

    Raises
    ------
    UsageError
        The volume, its cells or their membranes are too small.

    References
    ----------
    S. Lloyd, Least squares quantization in PCM, IEEE Trans. Inf. Theory 28 (1982),
    doi:10.1109/TIT.1982.1056489.
    """
    _check(shape, volume_per_cell_px3, width_px)
    points = _spread(shape, seed, volume_per_cell_px3)
    density = np.empty(shape, np.float32)
    labels = np.empty(shape, np.int32)
    bends = [SmoothNoise(shape, BEND_SCALE_PX, seed, "membrane bend", axis) for axis in range(3)]
    uneven = [SmoothNoise(shape, s, seed, "membrane", i) for i, s in enumerate(UNEVEN_SCALES_PX)]
    for slab in slabs(shape):
        where = np.stack([bend.planes(slab) for bend in bends], axis=-1) * (BEND_PX / NOISE)
        for axis, n in enumerate(where.shape[:3]):
            first = slab.start if axis == 0 else 0
            where[..., axis] += np.arange(first, first + n).reshape(
                [-1 if a == axis else 1 for a in range(3)]
            )
        wall_px, labels[slab] = _walls(where, points, REACH_PER_WIDTH * WIDEST * width_px)
        coarse, fine = (noise.planes(slab) for noise in uneven)
        width = width_px * np.clip(1 + 0.15 * coarse, 1 / WIDEST, WIDEST)
        bright = np.clip(0.7 + UNEVEN * (0.5 * coarse + 0.7 * fine), 0.15, 1)
        density[slab] = background + (1 - background) * bright * bump(wall_px, width)
    return density, renumbered(labels)


def _check(shape: tuple[int, int, int], volume_per_cell_px3: float, width_px: float) -> None:
    if len(shape) != 3 or min(shape) < 16:
        raise UsageError(
            f"a phantom of shape {shape} is too small for cells",
            remedy="Give at least 16 voxels along Z, Y and X",
        )
    if not volume_per_cell_px3 >= 1000:
        raise UsageError(
            f"cells of {volume_per_cell_px3:g} voxels are too small to have membranes",
            remedy="Give each at least 1000 voxels",
        )
    if not width_px >= 1.5:
        raise UsageError(
            f"membranes {width_px:g} voxels wide are thinner than voxels can show",
            remedy="Make them at least 1.5 voxels wide",
        )


def _spread(shape: tuple[int, int, int], seed: int, volume_per_cell_px3: float) -> Floats:
    """Evenly spread points (N, 3) in and around a volume, in voxels.

    They lie on a torus that is larger than the volume, so that no wall directs them.
    """
    from scipy.spatial import KDTree

    margin = 2 * volume_per_cell_px3 ** (1 / 3)
    box = np.array(shape) + 2 * margin
    count = max(2, round(float(box.prod()) / volume_per_cell_px3))
    points = rng.generator(seed, "cell").uniform(size=(count, 3)) * box
    for turn in range(RELAXATIONS):
        draw = rng.generator(seed, "relaxation", turn)
        samples = draw.uniform(size=(SAMPLES_PER_CELL * count, 3)) * box
        _, nearest = KDTree(points, boxsize=box).query(samples)
        offset = samples - points[nearest]
        offset -= box * np.rint(offset / box)
        number = np.maximum(np.bincount(nearest, minlength=count), 1)
        for axis in range(3):
            points[:, axis] += np.bincount(nearest, offset[:, axis], count) / number
        points %= box
    return np.asarray(points - margin)


def _walls(where: Volume, points: Floats, reach_px: float) -> tuple[Volume, Labels]:
    """Distance of voxels to the nearest wall between cells, and in which cell they lie.

    Parameters
    ----------
    where
        (Z, Y, X, 3) position of each voxel.
    points
        (N, 3) middles of the cells.
    reach_px
        Distances up to this are exact; larger ones are at least as large.
    """
    from scipy.spatial import KDTree

    tree = KDTree(points)
    wall_px = np.empty(where.shape[:3], np.float32)
    labels = np.empty(where.shape[:3], np.int32)
    for block in _blocks(where.shape[:3]):
        inside = where[block].reshape(-1, 3)
        middle = inside.mean(axis=0)
        inside = inside - middle
        radius = float(np.sqrt(np.square(inside).sum(axis=1).max()))
        nearest_px, _ = tree.query(middle)
        # Whose cell a voxel is in, or whose wall it is near, lies no farther than this.
        around = np.sort(
            tree.query_ball_point(middle, float(nearest_px) + 2 * radius + 2 * reach_px)
        )
        distance, own = _to_walls(inside, (points[around] - middle).astype(np.float32))
        wall_px[block] = distance.reshape(wall_px[block].shape)
        labels[block] = 1 + around[own].reshape(wall_px[block].shape)
    return wall_px, labels


def _to_walls(inside: Volume, points: Volume) -> tuple[Volume, npt.NDArray[np.intp]]:
    """Distance of positions (M, 3) to the nearest face of their Voronoi cell, and which it is.

    With the squared distances d_i to the own and d_j to another point, the plane between the
    two is (d_j - d_i) / (2 |p_i - p_j|) away; the cell's face is the nearest of these planes.
    """
    squared = np.square(points).sum(axis=1) - 2 * inside @ points.T
    own = squared.argmin(axis=1)
    apart = np.sqrt(np.square(points[:, None] - points).sum(axis=2))
    np.fill_diagonal(apart, np.nan)
    planes = squared - np.take_along_axis(squared, own[:, None], axis=1)
    planes *= (0.5 / apart)[own]
    return np.fmin.reduce(planes, axis=1, initial=np.inf), own


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Cover a volume by small blocks."""
    sides = [[slice(a, min(a + BLOCK, n)) for a in range(0, n, BLOCK)] for n in shape]
    yield from product(*sides)
