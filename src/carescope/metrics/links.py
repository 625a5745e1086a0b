"""Cells followed over time: numbers that stay, and how many steps of true cells were found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError, UsageError
from carescope.metrics.overlap import overlap_of, partners, whole

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Tracking:
    """Links of a film: each is an object that is there in a frame and in the next.

    Parameters
    ----------
    iou
        The least intersection over union at which two objects match.
    truth_links
        How many there are in truth.
    links
        How many were found.
    matched
        How many true links were found: the object matches one and the same in both frames.
    """

    iou: float
    truth_links: int
    links: int
    matched: int

    @property
    def recall(self) -> float:
        """Matched links over *links of the truth*; not a number where there is none."""
        return self.matched / self.truth_links if self.truth_links else float("nan")

    @property
    def precision(self) -> float:
        """Matched links over *links found*; not a number where there is none."""
        return self.matched / self.links if self.links else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision; not a number where there is no link at all."""
        both = self.truth_links + self.links
        return 2 * self.matched / both if both else float("nan")


def track(labels: Iterable[npt.ArrayLike], *, iou: float = 0.25) -> Labels:
    """Give objects the number that they had in the frame before, by overlap.

    Objects of two consecutive frames may be one where their intersection over union is `iou` or
    more; of all ways to pair them one to one, that of the largest total is taken. What has no
    partner in the frame before gets a new number, also where it was lost for a frame only; of the
    daughters of a cell at most one keeps its number. Nothing moves before it is
    compared: register frames that shift as a whole first.

    Parameters
    ----------
    labels : (T, Y, X) or (T, Z, Y, X) array, or frames one by one
        Whole numbers, 0 where there is no object. Numbers of different frames mean nothing.
    iou
        Above 0, at most 1. A disc that moves by half its diameter overlaps itself by a quarter.

    Returns
    -------
    int32 array, time first
        Objects from 1 on, each with one number in all frames.

    Raises
    ------
    InputError
        There is no frame, frames differ in shape, or a value is no whole number from 0 on.
    UsageError
        `iou` is out of its range.

    References
    ----------
    Tracking by overlap: E. Bochinski et al., AVSS 2017, doi:10.1109/AVSS.2017.8078516, which takes
    the best partner of one object after the other; for all at once, H. Kuhn, Naval Research
    Logistics 2, 1955, doi:10.1002/nav.3800020109.
    """
    _check(iou)
    tracked: list[Labels] = []
    numbers = 0  # given so far
    for frame in _frames(labels, "what was found"):
        before = tracked[-1] if tracked else np.zeros(frame.shape, np.int32)
        overlap = overlap_of(before, frame)
        values = overlap.iou()
        kept = np.flatnonzero(values >= iou)
        kept = kept[partners(overlap.row[kept], overlap.column[kept], values[kept])]
        now = np.zeros(len(overlap.numbers), np.int32)
        now[overlap.column[kept]] = overlap.truth_numbers[overlap.row[kept]]
        new = now == 0
        now[new] = numbers + 1 + np.arange(np.count_nonzero(new))
        numbers += int(np.count_nonzero(new))
        places = np.searchsorted(overlap.numbers, frame)
        tracked.append(np.where(frame > 0, np.append(now, 0)[places], 0).astype(np.int32))
    return np.stack(tracked)


def tracking(
    truth_labels: Iterable[npt.ArrayLike], labels: Iterable[npt.ArrayLike], *, iou: float = 0.5
) -> Tracking:
    """How many steps of true objects, from each frame to the next, were followed.

    In each frame objects are matched as by `carescope.metrics.matching`. A true link, one object
    in two consecutive frames, was found where both its ends match objects of one and the same
    number. An object that is lost, cut in two, merged or renumbered in one frame costs the two
    links to and from it. A merged object may still match one of those it is made of. Divisions
    are no links: that daughters have a mother is not scored.

    Parameters
    ----------
    truth_labels, labels : (T, Y, X) or (T, Z, Y, X) arrays, or frames one by one
        Whole numbers, 0 where there is no object. An object has one number in all frames; `track`
        gives such numbers.
    iou
        Above 0, at most 1.

    Returns
    -------
    Tracking
        Counts, and the shares of links that are right.

    Raises
    ------
    InputError
        There is no frame, films differ in length or shape, or a value is no whole number from 0
        on.
    UsageError
        `iou` is out of its range.

    Notes
    -----
    Of the acyclic graph by which the Cell Tracking Challenge describes a tracking (P. Matula et
    al., PLoS ONE 10, 2015, doi:10.1371/journal.pone.0144959) these are the edges within tracks.
    Its measure TRA puts errors of objects and links into one number; here objects are scored
    by `carescope.metrics.seg` and `carescope.metrics.matching`.
    """
    _check(iou)
    counts = np.zeros(3, np.int64)
    before: tuple[dict[int, int], set[int], set[int]] | None = None
    films = (_frames(truth_labels, "the truth"), _frames(labels, "what was found"))
    for true, found in zip_longest(*films):
        if true is None or found is None:
            raise InputError(
                "the truth and what was found have different numbers of frames",
                remedy="Give films of the same frames",
            )
        overlap = overlap_of(true, found)
        pairs = overlap.matched(iou)
        ours = overlap.numbers[overlap.column[pairs]].tolist()
        partner = dict(zip(overlap.truth_numbers[overlap.row[pairs]].tolist(), ours, strict=True))
        now = partner, set(overlap.truth_numbers.tolist()), set(overlap.numbers.tolist())
        if before is not None:
            same = before[0].items() & now[0].items()
            counts += len(before[1] & now[1]), len(before[2] & now[2]), len(same)
        before = now
    return Tracking(iou, *counts.tolist())


def _check(iou: float) -> None:
    if not 0 < iou <= 1:
        raise UsageError(f"iou is {iou:g}", remedy="Give --iou above 0 and at most 1, such as 0.5")


def _frames(labels: Iterable[npt.ArrayLike], name: str) -> Iterator[npt.NDArray[Any]]:
    """Label images one by one, of one shape, and one at least."""
    first = None
    for number, frame in enumerate(labels):
        one = whole(frame, f"{name}, frame {number},")
        first = one.shape if first is None else first
        if one.shape != first or one.ndim < 2:
            raise InputError(
                f"{name} has frames of {describe_shape(first)} and {describe_shape(one.shape)}",
                remedy="Give frames (Y, X), or (Z, Y, X), of one shape, time first",
            )
        yield one
    if first is None:
        raise InputError(f"{name} has no frames", remedy="Give a film, time first")
