"""How well objects were found: two label images compared, 0 background in both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError, UsageError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Matching:
    """Objects of two label images, matched one to one.

    Parameters
    ----------
    iou
        The least intersection over union at which two objects match.
    truth_objects
        How many there are in truth.
    objects
        How many were found.
    matched
        How many pairs match.
    mean_iou
        Over these pairs; not a number where there is none.
    """

    iou: float
    truth_objects: int
    objects: int
    matched: int
    mean_iou: float

    @property
    def missed(self) -> int:
        """Objects of the truth without a partner."""
        return self.truth_objects - self.matched

    @property
    def spurious(self) -> int:
        """Objects that were found, without a partner."""
        return self.objects - self.matched

    @property
    def unmatched_fraction(self) -> float:
        """Missed objects over *objects of the truth*; not a number where there is none.

        The paper's share of wrong nuclei; it does not say which number it divides by.
        """
        return self.missed / self.truth_objects if self.truth_objects else float("nan")

    @property
    def spurious_fraction(self) -> float:
        """Spurious objects over *objects found*; not a number where there is none."""
        return self.spurious / self.objects if self.objects else float("nan")


def seg(truth_labels: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    r"""SEG of the Cell Tracking Challenge: mean overlap of true objects with what was found.

    .. math:: SEG = \frac1n \sum_{R} J(R), \qquad J(R) = \frac{|R \cap S|}{|R \cup S|}
              \;\text{ if some } S \text{ has } |R \cap S| > \tfrac12 |R|, \text{ else } 0

    with the n objects R of the truth and those found, S. At most one S covers more than half of an
    R. Objects that were found and are none cost nothing here; see `matching`.

    Parameters
    ----------
    truth_labels, labels : (...) arrays of one shape
        Whole numbers, 0 where there is no object. A number stands for one object, wherever it lies.

    Returns
    -------
    float
        In [0, 1]; 1 where every object is found as it is.

    Raises
    ------
    InputError
        The shapes differ, a value is no whole number from 0 on, or the truth has no object.

    References
    ----------
    M. Maška et al., Bioinformatics 30, 2014, doi:10.1093/bioinformatics/btu080.
    """
    overlap = _overlap(truth_labels, labels)
    if not len(overlap.truth_sizes):
        raise InputError(
            "the truth has no objects: it is 0 everywhere",
            remedy="Give the label image first that was made with care, each object a number",
        )
    covers = 2 * overlap.shared > overlap.truth_sizes[overlap.row]
    return float(overlap.iou()[covers].sum() / len(overlap.truth_sizes))


def matching(truth_labels: npt.ArrayLike, labels: npt.ArrayLike, *, iou: float = 0.5) -> Matching:
    """Match the objects of two label images one to one, as many as possible.

    Two objects may be partners where their intersection over union is `iou` or more. Of all ways
    to make the most pairs, one of the largest total overlap is taken.

    Parameters
    ----------
    truth_labels, labels : (...) arrays of one shape
        As for `seg`.
    iou
        Above 0, at most 1.

    Returns
    -------
    Matching
        Counts, and the shares that are missed and spurious.

    Raises
    ------
    InputError
        The shapes differ, or a value is no whole number from 0 on.
    UsageError
        `iou` is out of its range.
    """
    if not 0 < iou <= 1:
        raise UsageError(f"iou is {iou:g}", remedy="Give --iou above 0 and at most 1, such as 0.5")
    overlap = _overlap(truth_labels, labels)
    values = overlap.iou()
    kept = values >= iou
    found = _partners(overlap.row[kept], overlap.column[kept], values[kept])
    return Matching(
        iou,
        len(overlap.truth_sizes),
        len(overlap.sizes),
        len(found),
        float(found.mean()) if len(found) else float("nan"),
    )


@dataclass(frozen=True)
class _Overlap:
    """Voxels of each object, and for each pair that touches, what it shares."""

    truth_sizes: Integers
    sizes: Integers
    row: Integers
    column: Integers
    shared: Integers

    def iou(self) -> Floats:
        union = self.truth_sizes[self.row] + self.sizes[self.column] - self.shared
        return np.asarray(self.shared / union)


def _overlap(truth_labels: npt.ArrayLike, labels: npt.ArrayLike) -> _Overlap:
    truth, found = _whole(truth_labels, "the truth"), _whole(labels, "what was found")
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
    return _Overlap(
        truth_sizes[no_row:],
        sizes[no_column:],
        row[both] - no_row,
        column[both] - no_column,
        counts[both].astype(np.int64),
    )


def _partners(row: Integers, column: Integers, values: Floats) -> Floats:
    """The overlaps of the largest matching, group by group of objects that could be partners."""
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(row):
        return values
    height, width = int(row.max()) + 1, int(column.max()) + 1
    graph = coo_array((values, (row, height + column)), shape=(height + width,) * 2)
    group = connected_components(graph, directed=False)[1][row]
    order = np.argsort(group, kind="stable")
    found = []
    for part in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(part) == 1:
            found.append(values[part])
            continue
        (rows, r), (columns, c) = (np.unique(i[part], return_inverse=True) for i in (row, column))
        gain = np.zeros((len(rows), len(columns)))
        # One pair more is worth more than any overlap, which is at most 1 a pair.
        gain[r, c] = values[part] + len(part)
        chosen = gain[linear_sum_assignment(gain, maximize=True)]
        found.append(chosen[chosen > 0] - len(part))
    return np.concatenate(found)


def _whole(values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """A label image as integers; floats that hold whole numbers are taken for such."""
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
