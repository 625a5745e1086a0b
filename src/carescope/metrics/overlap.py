"""What objects of two label images share, and who is whose partner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Overlap:
    """Objects of two label images, and what those that touch share.

    Parameters
    ----------
    truth_numbers, numbers
        The objects, by number, ascending; a `row` and a `column` are places in these.
    truth_sizes, sizes
        Pixels of each.
    row, column, shared
        For each pair that overlaps, who they are, and how many pixels they share.
    """

    truth_numbers: Integers
    numbers: Integers
    truth_sizes: Integers
    sizes: Integers
    row: Integers
    column: Integers
    shared: Integers

    def iou(self) -> Floats:
        """Intersection over union of each pair."""
        union = self.truth_sizes[self.row] + self.sizes[self.column] - self.shared
        return np.asarray(self.shared / union)

    def matched(self, iou: float) -> Integers:
        """The pairs of this IoU or more, one to one: as many as can be, of the largest total."""
        values = self.iou()
        kept = np.flatnonzero(values >= iou)
        # One pair more is worth more than any overlap, which is at most 1 a pair.
        gain = values[kept] + len(kept)
        return kept[partners(self.row[kept], self.column[kept], gain)]


def overlap_of(truth_labels: npt.ArrayLike, labels: npt.ArrayLike) -> Overlap:
    """Count what objects share.

    Parameters
    ----------
    truth_labels, labels : (...) arrays of one shape
        Whole numbers, 0 where there is no object.

    Raises
    ------
    InputError
        The shapes differ, or a value is no whole number from 0 on.
    """
    truth, found = whole(truth_labels, "the truth"), whole(labels, "what was found")
    if truth.shape != found.shape:
        raise InputError(
            f"the truth is {describe_shape(truth.shape)}, but the labels "
            f"{describe_shape(found.shape)}",
            remedy="Crop or resample one so that both show the same pixels",
        )
    inside = (truth > 0) | (found > 0)
    rows, row = np.unique(truth[inside], return_inverse=True)
    columns, column = np.unique(found[inside], return_inverse=True)
    pairs, counts = np.unique(row * len(columns) + column, return_counts=True)
    row, column = np.divmod(pairs, max(len(columns), 1))
    truth_sizes = np.bincount(row, counts, len(rows)).astype(np.int64)
    sizes = np.bincount(column, counts, len(columns)).astype(np.int64)
    # Background comes first where it is there at all.
    no_row, no_column = int(0 in rows[:1]), int(0 in columns[:1])
    both = (row >= no_row) & (column >= no_column)
    return Overlap(
        rows[no_row:].astype(np.int64),
        columns[no_column:].astype(np.int64),
        truth_sizes[no_row:],
        sizes[no_column:],
        row[both] - no_row,
        column[both] - no_column,
        counts[both].astype(np.int64),
    )


def partners(row: Integers, column: Integers, gain: Floats) -> Integers:
    """Which pairs to keep so that nobody has two partners and the total gain is largest.

    Parameters
    ----------
    row, column : (n,) arrays
        Who could be partners; no pair twice.
    gain : (n,) array
        Of each pair, positive.

    Returns
    -------
    (m,) array
        Places of the pairs that are kept, ascending.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(row):
        return np.zeros(0, np.int64)
    # Group by group of objects that could be partners: one table of all would be large.
    height, width = int(row.max()) + 1, int(column.max()) + 1
    graph = coo_array((gain, (row, height + column)), shape=(height + width,) * 2)
    group = connected_components(graph, directed=False)[1][row]
    order = np.argsort(group, kind="stable")
    kept = []
    for part in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(part) == 1:
            kept.append(part)
            continue
        (rows, r), (columns, c) = (np.unique(i[part], return_inverse=True) for i in (row, column))
        table, place = np.zeros((len(rows), len(columns))), np.full((len(rows), len(columns)), -1)
        table[r, c], place[r, c] = gain[part], part
        chosen = place[linear_sum_assignment(table, maximize=True)]
        kept.append(chosen[chosen >= 0])
    return np.sort(np.concatenate(kept))


def whole(values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """A label image as integers; floats that hold whole numbers are taken for such.

    Raises
    ------
    InputError
        A value is no whole number from 0 on.
    """
    array: npt.NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "buif" or array.size == 0:
        raise InputError(
            f"{name} has no numbers in it: {array.dtype}, {array.size} values",
            remedy="Give label images: a whole number for each object, 0 for background",
        )
    sound = array.dtype.kind in "bu" or bool(np.all(array >= 0))
    if not sound or (array.dtype.kind == "f" and not np.all(array == np.rint(array))):
        raise InputError(
            f"{name} is no label image: {array.min():g} to {array.max():g}, "
            f"{'not all whole numbers' if array.dtype.kind == 'f' else 'some below 0'}",
            remedy="Give a whole number for each object and 0 for background; "
            "--segment segments an image first",
        )
    return array.astype(np.int64) if array.dtype.kind in "bf" else array
