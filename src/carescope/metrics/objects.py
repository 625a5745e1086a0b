"""How well objects were found: two label images compared, 0 background in both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy.typing as npt

from carescope.errors import InputError, UsageError
from carescope.metrics.overlap import overlap_of


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
    overlap = overlap_of(truth_labels, labels)
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
    overlap = overlap_of(truth_labels, labels)
    found = overlap.iou()[overlap.matched(iou)]
    return Matching(
        iou,
        len(overlap.truth_sizes),
        len(overlap.sizes),
        len(found),
        float(found.mean()) if len(found) else float("nan"),
    )
