"""Rows in, words out: choosing rows, means with their spread, paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from carescope.experiments.experiment import Row

#: Of fewer pairs than this no rank test can find a difference at the level of 1 %.
FEWEST = 8


def among(rows: Sequence[Row], **wanted: Any) -> list[Row]:
    """The rows that have these values in these columns."""
    return [row for row in rows if all(row.get(k) == v for k, v in wanted.items())]


def values(rows: Sequence[Row], column: str) -> list[float]:
    """A column, without what is no number."""
    found = [row.get(column) for row in rows]
    return [float(v) for v in found if v is not None and np.isfinite(v)]


def mean_and_spread(rows: Sequence[Row], column: str, digits: int) -> str:
    """Mean ± standard deviation of a column; the mean alone of a single row, a dash of none."""
    found = values(rows, column)
    if not found:
        return "–"
    mean = f"{np.mean(found):.{digits}f}"
    return f"{mean} ± {np.std(found, ddof=1):.{digits}f}" if len(found) > 1 else mean


def several(count: int, noun: str) -> str:
    """A count with its noun: ``1 stack``, ``3 stacks``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def paired(
    ours: Sequence[Row], theirs: Sequence[Row], column: str, unit: str, *, on: str, digits: int = 2
) -> str:
    """How two methods differ on the same images, and how sure that is.

    Parameters
    ----------
    ours, theirs
        Rows of the two methods.
    column
        What is compared.
    unit
        Of the difference; may be empty.
    on
        The column that says which image a row is of.
    digits
        After the point.

    Returns
    -------
    str
        Mean difference, ours less theirs, in how many images it has the sign of the mean, and from
        `FEWEST` images on the p of Wilcoxon's signed-rank test.
    """
    other = {row[on]: row[column] for row in theirs}
    apart = np.array([row[column] - other[row[on]] for row in ours if row[on] in other], float)
    apart = apart[np.isfinite(apart)]
    if not len(apart):
        return "not measured."
    mean = float(apart.mean())
    alike = int(np.sum(np.sign(apart) == np.sign(mean)))
    said = f"{mean:+.{digits}f}{' ' + unit if unit else ''} on average, "
    said += f"with this sign in {alike} of {len(apart)}"
    if len(apart) < FEWEST:
        return f"{said}; too few for a test."
    from scipy.stats import wilcoxon

    return f"{said}; Wilcoxon p = {wilcoxon(apart).pvalue:.2g}."
