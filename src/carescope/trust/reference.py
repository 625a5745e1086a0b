"""How a few numbers are spread among images of one kind, known from few of these.

An image's numbers differ from the centre because images differ, and because they come from a
limited number of windows: ``C(n) = B + W / n`` for n windows. Both are estimated, B with shrinkage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: The guess that images differ as quarters of one image do counts as so many images.
GUESS_IMAGES, QUARTERS = 1.0, 4
DIGITS = 4


@dataclass(frozen=True, eq=False)
class Sample:
    """One image's numbers: of the whole, (F,), and of parts of it, (P, F), from so many windows."""

    whole: Floats
    windows: int
    parts: Floats
    part_windows: Floats


@dataclass(frozen=True, eq=False)
class Reference:
    """A normal distribution of F numbers.

    Parameters
    ----------
    names
        The numbers' names.
    centre
        (F,) their mean.
    between
        (F, F) covariance of images of `windows` windows.
    within
        (F, F) covariance that one window adds where an image has fewer.
    windows
        How many windows images had when `between` was found.
    """

    names: tuple[str, ...]
    centre: Floats
    between: Floats
    within: Floats
    windows: float

    @classmethod
    def of(cls, names: Sequence[str], samples: Sequence[Sample], least: Floats) -> Reference:
        """From samples without NaN; `least` is the (F,) least standard deviation believed."""
        whole = np.array([s.whole for s in samples])
        centre = whole.mean(axis=0)
        windows = float(np.mean([s.windows for s in samples]))
        within = _within(samples, len(least))
        guess = np.diag(within) / (windows / QUARTERS) + (2 * least) ** 2
        between = _shrunk(whole - centre, guess, least)
        return cls(tuple(names), centre, between, within, windows)

    def covariance(self, windows: float) -> Floats:
        """(F, F) of images of so many windows."""
        extra = max(0.0, 1 / windows - 1 / self.windows)
        return np.asarray(self.between + extra * self.within)

    def deviations(self, values: Floats, windows: float) -> Floats:
        """(F,) how many standard deviations each number is off; 0 for NaN."""
        spread = np.sqrt(np.diag(self.covariance(windows)))
        return np.asarray(np.nan_to_num((values - self.centre) / spread))

    def distance(self, values: Floats, windows: float) -> float:
        """Mahalanobis distance over the root of the number of values, about 1; NaN is left out."""
        known = np.isfinite(values)
        if not known.any():
            return 0.0
        off = (values - self.centre)[known]
        covariance = self.covariance(windows)[np.ix_(known, known)]
        return float(np.sqrt(off @ np.linalg.solve(covariance, off) / len(off)))

    def to_json(self) -> dict[str, Any]:
        """A dict of plain lists, rounded to 4 digits."""
        half = np.triu_indices(len(self.names))
        return {
            "names": list(self.names),
            "centre": rounded(self.centre),
            "between": rounded(self.between[half]),
            "within": rounded(self.within[half]),
            "windows": self.windows,
        }

    @classmethod
    def from_json(cls, held: dict[str, Any]) -> Reference:
        """The inverse of `to_json`."""
        count = len(held["names"])

        def full(values: list[float]) -> Floats:
            matrix = np.zeros((count, count))
            matrix[np.triu_indices(count)] = values
            return matrix + np.triu(matrix, 1).T

        return cls(
            tuple(held["names"]),
            np.array(held["centre"], np.float64),
            full(held["between"]),
            full(held["within"]),
            float(held["windows"]),
        )


def rounded(values: Floats) -> list[float]:
    """Numbers as short decimals."""
    return [float(f"{v:.{DIGITS}g}") for v in np.asarray(values).ravel()]


def _shrunk(off: Floats, guess: Floats, least: Floats) -> Floats:
    """Covariance of (n, F) deviations from their mean, its correlations shrunk towards 0.

    The share is Ledoit's and Wolf's (doi:10.1016/S0047-259X(03)00096-4) with the diagonal as the
    target. Variances are weighed with a guess at them.
    """
    count = len(off)
    variance = ((off**2).sum(axis=0) + GUESS_IMAGES * guess) / (count - 1 + GUESS_IMAGES)
    variance = np.maximum(variance, least**2)
    spread = np.sqrt(variance)
    unit = off / spread
    products = unit[:, :, None] * unit[:, None, :]
    mean = products.mean(axis=0)
    apart = (mean - np.diag(np.diag(mean))) ** 2
    noise = ((products - mean) ** 2).mean(axis=0) / count
    np.fill_diagonal(noise, 0)
    share = float(min(1.0, noise.sum() / apart.sum())) if apart.sum() > 0 else 1.0
    correlation = mean * (1 - share)
    np.fill_diagonal(correlation, 1)
    return np.asarray(correlation * np.outer(spread, spread))


def _within(samples: Sequence[Sample], count: int) -> Floats:
    """Covariance that a single window has, from how parts of one image differ."""
    total, degrees = np.zeros((count, count)), 0
    for sample in samples:
        if len(sample.parts) >= 2:
            off = (sample.parts - sample.parts.mean(axis=0)) * np.sqrt(sample.part_windows)[:, None]
            total += off.T @ off
            degrees += len(off) - 1
    return total / max(1, degrees)
