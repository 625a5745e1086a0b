"""Cells that fill space: points spread evenly, the walls between them, what fits inside."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import numpy.typing as npt

from carescope import rng

Volume = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

RELAXATIONS = 4
SAMPLES_PER_CELL = 100
BLOCK = 16
# Faces of a cell belong to few neighbours; of so many, some are none.
NEIGHBOURS = 32
GROWING_STEPS = 60


def spread(shape: tuple[int, ...], seed: int, volume_per_cell_px: float, index: int = 0) -> Floats:
    """Evenly spread points in and around a volume: Lloyd's algorithm, on random samples.

    They lie on a torus that is larger than the volume, so that no wall directs them.

    Parameters
    ----------
    shape
        Of the volume, any number of axes.
    seed, index
        Key of the random numbers; other indices give other points.
    volume_per_cell_px
        Mean volume (area) of a cell in voxels (pixels).

    Returns
    -------
    (N, axes) positions in voxels, two cells beyond the volume on each side.

    References
    ----------
    S. Lloyd, Least squares quantization in PCM, IEEE Trans. Inf. Theory 28 (1982),
    doi:10.1109/TIT.1982.1056489.
    """
    from scipy.spatial import KDTree

    key = (index,) if index else ()
    margin = 2 * volume_per_cell_px ** (1 / len(shape))
    box = np.array(shape) + 2 * margin
    count = max(2, round(float(box.prod()) / volume_per_cell_px))
    points = rng.generator(seed, "cell", *key).uniform(size=(count, len(shape))) * box
    for turn in range(RELAXATIONS):
        draw = rng.generator(seed, "relaxation", turn, *key)
        samples = draw.uniform(size=(SAMPLES_PER_CELL * count, len(shape))) * box
        _, nearest = KDTree(points, boxsize=box).query(samples)
        offset = samples - points[nearest]
        offset -= box * np.rint(offset / box)
        number = np.maximum(np.bincount(nearest, minlength=count), 1)
        for axis in range(len(shape)):
            points[:, axis] += np.bincount(nearest, offset[:, axis], count) / number
        points %= box
    return np.asarray(points - margin)


def inscribed(points: Floats, gap_px: float = 0.0) -> Floats:
    """The largest ellipsoid about each point that stays within its Voronoi cell.

    With the cell's faces ``n_j . x = d_j``, the points ``q_j = n_j / d_j`` and the smallest
    ellipsoid about the origin that holds all ``+-q_j``, its polar is the one sought. Weights u
    of that smallest ellipsoid grow as ``u_j <- u_j (q_j' M^-1 q_j) / 3``,
    ``M = sum u_j q_j q_j'`` (D. M. Titterington, doi:10.1093/biomet/62.2.313); what is missing
    to convergence is made up by shrinking.

    Parameters
    ----------
    points
        (N, 3) middles of the cells.
    gap_px
        How far the ellipsoid stays off the faces, at least.

    Returns
    -------
    (N, 3, 3) forms F: x is inside the ellipsoid about p where ``|(x - p) F| <= 1``. Ellipsoids
    of different points share no volume.
    """
    from scipy.spatial import KDTree

    _, near = KDTree(points).query(points, min(NEIGHBOURS + 1, len(points)))
    offset = points[near[:, 1:]] - points[:, None]
    apart = np.linalg.norm(offset, axis=2, keepdims=True)
    faces = offset / (apart * np.maximum(apart / 2 - gap_px, 1))
    weight = np.full(faces.shape[:2], 1 / faces.shape[1])
    for _ in range(GROWING_STEPS):
        moment = _moments(faces, weight)
        weight *= _squares(faces, moment) / 3
    form = 3 * _moments(faces, weight)
    form *= _squares(faces, form).max(axis=1)[:, None, None]
    return np.asarray(np.linalg.cholesky(form))


def _moments(faces: Floats, weight: Floats) -> Floats:
    """``sum_j u_j q_j q_j'`` of each cell, (N, 3, 3)."""
    return np.asarray(np.swapaxes(faces * weight[..., None], 1, 2) @ faces)


def _squares(faces: Floats, form: Floats) -> Floats:
    """``q_j' form^-1 q_j``, (N, J)."""
    return np.asarray((faces @ np.linalg.inv(form) * faces).sum(axis=2))


def walls(where: Volume, points: Floats, reach_px: float) -> tuple[Volume, Labels]:
    """Distance of voxels to the nearest wall between cells, and in which cell they lie.

    Parameters
    ----------
    where
        (Z, Y, X, 3) position of each voxel.
    points
        (N, 3) middles of the cells.
    reach_px
        Distances up to this are exact; larger ones are at least as large.

    Returns
    -------
    wall_px : (Z, Y, X) float32
    labels : (Z, Y, X) int32
        1 + the row of `points`.
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
