"""What is usual among images of one kind, group of numbers by group, and how unusual another is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.trust.describe import GROUPS
from carescope.trust.features import View
from carescope.trust.reasons import BLANK, EVIDENT, NOISE, NOTABLE, PLAIN, TOGETHER, reason
from carescope.trust.reference import Reference, Sample, rounded

Floats = npt.NDArray[np.float64]

#: Numbers are not told apart more finely than this, whatever the training images say.
LEAST = 0.05
#: Nor are distances.
LEAST_SCATTER = 0.15
#: Power above the noise, as `describe` has it, that structures exceed.
EMPTY = -0.75
#: No score is greater, that of a blank image least of all.
MOST = 99.0


@dataclass(frozen=True)
class Usual:
    """A normal distribution of one number: its mean, its scatter, from how many images."""

    mean: float
    scatter: float
    images: int

    @classmethod
    def of(cls, values: Sequence[Floats], least: float) -> Usual:
        """From the numbers of each image's views; all images weigh the same."""
        weights = np.concatenate([np.full(len(v), 1 / len(v)) for v in values]) / len(values)
        numbers = np.concatenate(values)
        mean = float(weights @ numbers)
        count = len(values)
        variance = float(weights @ (numbers - mean) ** 2) * count / max(1, count - 1)
        return cls(mean, max(least, math.sqrt(variance)), count)

    def score(self, value: float) -> float:
        """How far a number lies above the mean, in standard deviations."""
        return (value - self.mean) / self.scatter

    def limit(self, share: float) -> float:
        """What a share of such numbers exceeds, however few images tell (Student's t, expanded)."""
        z = NormalDist().inv_cdf(1 - share)
        t = z + (z**3 + z) / (4 * max(1, self.images - 1))
        return self.mean + t * math.sqrt(1 + 1 / self.images) * self.scatter

    def to_json(self) -> dict[str, Any]:
        """A dict of three numbers."""
        mean, scatter = rounded(np.array([self.mean, self.scatter]))
        return {"mean": mean, "scatter": scatter, "images": self.images}


#: What quarters of one image or two cannot tell of others, chosen so that with one field of W2S as
#: the training image 1 to 3 % of other fields and their quarters are beyond.
LEAST_OF_FEW = 0.2
DISTANCE_OF_FEW, SCORE_OF_FEW = Usual(1.0, 0.74, 1000), Usual(0.0, 1.0, 1000)


@dataclass(frozen=True)
class Judge:
    """A reference for one group of numbers, and which distances images of the kind have."""

    reference: Reference
    usual: Usual

    def score(self, view: View) -> float:
        """How unusual a view's distance is, in standard deviations."""
        return self.usual.score(_distance(self.reference, view))

    def reason(self, group: str, view: View) -> str:
        """The sentence for the number of this group that is furthest off."""
        values = _values(view, self.reference.names)
        off = np.abs(self.reference.deviations(values, view.windows))
        evident = [name in EVIDENT for name in self.reference.names] & (off >= PLAIN)
        at = int((off * evident if evident.any() else off).argmax())
        if off[at] < NOTABLE:
            return TOGETHER.format(group=group)
        return reason(self.reference.names[at], float(values[at]), float(self.reference.centre[at]))


@dataclass(frozen=True)
class Channel:
    """The judges of one channel by group, and which greatest scores images of the kind have."""

    judges: dict[str, Judge]
    usual: Usual

    @classmethod
    def of(cls, images: Sequence[Sequence[View]], *, few: bool = False) -> Channel:
        """From the views of each image, the whole first; each image is judged by the others.

        If there are `few` images, these are quarters, which say little of other images.
        """
        judges, scores = {}, []
        for group in GROUPS:
            names = _known(images, GROUPS[group])
            if not names:
                continue
            samples = [_sample(views, names) for views in images]
            least = np.full(len(names), LEAST_OF_FEW if few else LEAST)
            usual = DISTANCE_OF_FEW
            if not few:
                distances = _left_out(names, samples, images, least)
                usual = Usual.of(distances, LEAST_SCATTER)
                scores.append([(d - usual.mean) / usual.scatter for d in distances])
            judges[group] = Judge(Reference.of(names, samples, least), usual)
        if few:
            return cls(judges, SCORE_OF_FEW)
        greatest = [np.max(of_image, axis=0) for of_image in zip(*scores, strict=True)]
        return cls(judges, Usual.of(greatest, LEAST_SCATTER))

    def excesses(self, view: View, share: float) -> list[tuple[float, str]]:
        """Each group's score over what a share of images exceed, and what is unusual in it."""
        if not view.something:
            return [(MOST, BLANK)]
        limit = self.usual.limit(share)
        found = [
            (min(judge.score(view) / limit, MOST), judge.reason(group, view))
            for group, judge in self.judges.items()
        ]
        powers = [v for name, v in view.values.items() if name.startswith("power") and v > EMPTY]
        return found if powers else [(max(found)[0], NOISE), *found]

    def to_json(self) -> dict[str, Any]:
        """A dict of plain lists."""
        judges = {
            group: {"reference": judge.reference.to_json(), "usual": judge.usual.to_json()}
            for group, judge in self.judges.items()
        }
        return {"judges": judges, "usual": self.usual.to_json()}

    @classmethod
    def from_json(cls, held: dict[str, Any]) -> Channel:
        """The inverse of `to_json`."""
        judges = {
            group: Judge(Reference.from_json(judge["reference"]), Usual(**judge["usual"]))
            for group, judge in held["judges"].items()
        }
        return cls(judges, Usual(**held["usual"]))


def _left_out(
    names: Sequence[str], samples: list[Sample], images: Sequence[Sequence[View]], least: Floats
) -> list[Floats]:
    """For each image the distances of its views from the images left."""
    found = []
    for number, views in enumerate(images):
        others = Reference.of(names, samples[:number] + samples[number + 1 :], least)
        found.append(np.array([_distance(others, view) for view in views]))
    return found


def _known(images: Sequence[Sequence[View]], names: Sequence[str]) -> list[str]:
    """The names of numbers that every view has."""
    views = [view for of_image in images for view in of_image]
    return [n for n in names if all(math.isfinite(view.values[n]) for view in views)]


def _values(view: View, names: Sequence[str]) -> Floats:
    return np.array([view.values[name] for name in names], np.float64)


def _sample(views: Sequence[View], names: Sequence[str]) -> Sample:
    parts = np.array([_values(view, names) for view in views[1:]]).reshape(-1, len(names))
    windows = np.array([view.windows for view in views[1:]], np.float64)
    return Sample(_values(views[0], names), views[0].windows, parts, windows)


def _distance(reference: Reference, view: View) -> float:
    """The Mahalanobis distance to the power of 2/3, of nearly normal distribution.

    Wilson and Hilferty, doi:10.1073/pnas.17.12.684.
    """
    distance = reference.distance(_values(view, reference.names), view.windows)
    return float(distance ** (2 / 3))
