"""Held-out pairs restored, counted, and looked through for what a report should show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from carescope import metrics, normalize, predict, trust
from carescope.errors import InputError, ModelError
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.pairs.planes import overlaid
from carescope.report import evidence
from carescope.task import Task

Pixels = npt.NDArray[Any]

#: Windows of how many pixels, and how many of them, the report shows.
WINDOW_PX, EXAMPLES, ERRORS = 96, 2, 8
BINS = np.linspace(0, 1, 41)


@dataclass
class Judged:
    """What held-out pairs say of a model.

    Parameters
    ----------
    tallies
        For each channel one of each image.
    examples, members, errors
        What the report shows.
    shown
        Of which channel each example is, and the logarithm of its image's noise.
    disagreement
        Counts of all pixels by D.
    noise
        For each channel the logarithm of each image's noise, where it is known.
    """

    tallies: list[list[trust.Tally]]
    examples: list[evidence.Example] = field(default_factory=list)
    shown: list[tuple[int, float | None]] = field(default_factory=list)
    members: list[evidence.Members] = field(default_factory=list)
    errors: list[evidence.Wrong] = field(default_factory=list)
    disagreement: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(len(BINS) - 1, np.int64)
    )
    noise: list[list[float | None]] = field(default_factory=list)


def judge(
    judged: Model | Ensemble,
    images: Sequence[tuple[Image, Image]],
    watch: Callable[[float], None] | None = None,
) -> Judged:
    """Restore held-out images and count how often the truth lies where it should.

    Parameters
    ----------
    judged
        A model with scales, as it was trained: without a calibration.
    images
        Pairs (low, high) that took no part in training.
    watch
        Told the share that is done.

    Raises
    ------
    InputError
        An image does not suit the model, or does not rise with its truth.
    """
    found = Judged([[] for _ in range(judged.task.channels_out)])
    found.noise = [[] for _ in found.tallies]
    family = str(judged.spread)
    disputed: _Disputed | None = None
    for number, (low, high) in enumerate(images):
        restored = predict.restore(judged, low)
        maps = normalize.fit(low, judged.recipe.percentiles)
        for levels, level in zip(found.noise, predict.noise_seen(judged, low, maps), strict=True):
            levels.append(level)
        if restored.scale is None:
            raise ModelError("the model does not say how sure it is", remedy="Train with --laplace")
        predicted = [restored.mean, restored.scale, restored.disagreement]
        mean, scale, differ = (_channels_first(each) for each in predicted)
        shown, high = _overlaid(judged.task, low, high)
        truth = _channels_first(high)
        if differ is not None:
            found.disagreement += np.histogram(differ, BINS)[0]
        for channel, tallies in enumerate(found.tallies):
            target = _matched(truth[channel], mean[channel], low.source)
            tallies.append(trust.tally(target, mean[channel], scale[channel]))
            seen = _channels_first(shown)[min(channel, low.size("C") - 1)]
            name = f"{Path(low.source or 'array').name}" + (
                f", channel {channel}" if len(found.tallies) > 1 else ""
            )
            of = channel, found.noise[channel][-1]
            _show(found, of, name, family, seen, mean[channel], scale[channel], target)
            if differ is not None:
                [place] = trust.most_disputed(differ[channel], 1, WINDOW_PX)
                if disputed is None or place.value > disputed.place.value:
                    layers = (seen, mean[channel], differ[channel], target)
                    disputed = _Disputed(place, name, low, channel, layers)
        if watch:
            watch((number + 1) / len(images))
    if disputed and isinstance(judged, Ensemble):
        found.members = _members(judged, disputed)
    return found


def _matched(truth: Pixels, mean: Pixels, source: str | None) -> Pixels:
    """A truth in the grey levels of its restoration."""
    try:
        return metrics.match_truth(truth, mean).astype(np.float32)
    except InputError as error:
        remedy = "Leave the pair out, or check that both show the same scene"
        raise InputError(error.what, where=source, remedy=remedy) from None


def _overlaid(task: Task, low: Image, high: Image) -> tuple[Image, Image]:
    """Images of the size of a restoration: what is shown of the one it came from, and the truth."""
    if task.kind == "upsample":
        return overlaid(low, high, task.factor)
    if task.kind == "project":
        stack = low.arranged("TCZYX")
        return replace(stack, data=stack.array().max(axis=2), axes="TCYX"), high
    return low, high


def _channels_first(image: Any) -> Any:
    """(C, rest..., Y, X) of an image; None of none."""
    if image is None:
        return None
    return np.moveaxis(image.arranged("TCZYX").array(), 1, 0)


def _show(
    found: Judged,
    of: tuple[int, float | None],
    name: str,
    family: str,
    seen: Pixels,
    mean: Pixels,
    scale: Pixels,
    truth: Pixels,
) -> None:
    """Keep what of one image the report may show: examples, and the strongest errors."""
    if len(found.examples) < EXAMPLES:
        for place in metrics.strongest(truth, 1, WINDOW_PX):
            parts = _cut(place, seen, mean, scale, truth)
            found.examples.append(
                evidence.Example(name, parts[0], parts[1], parts[2], parts[3], family)
            )
            found.shown.append(of)
    for place in metrics.strongest_errors(truth, mean, ERRORS, WINDOW_PX):
        parts = _cut(place, seen, mean, truth)
        found.errors.append(evidence.Wrong(name, place.value, parts[0], parts[1], parts[2]))
    found.errors.sort(key=lambda wrong: -wrong.value)
    del found.errors[ERRORS:]


class _Disputed(NamedTuple):
    """Where members disagree most: a place in a channel of an image.

    `layers` are what was recorded, the mean, the disagreement and the truth.
    """

    place: metrics.Place
    name: str
    low: Image
    channel: int
    layers: tuple[Pixels, Pixels, Pixels, Pixels]


def _members(judged: Ensemble, at: _Disputed) -> list[evidence.Members]:
    """Where the members of an ensemble disagree most, and where they agree on much."""
    _, mean, differ, _ = at.layers
    alone = [
        _channels_first(predict.restore(one, at.low).mean)[at.channel] for one in judged.members
    ]
    shown = []
    for place in [at.place, *trust.best_agreed(differ, mean, 1, WINDOW_PX)]:
        recorded, together, disputed, target, *others = _cut(place, *at.layers, *alone)
        shown.append(
            evidence.Members(at.name, recorded, np.stack(others), together, disputed, target)
        )
    return shown


def _cut(place: metrics.Place, *arrays: Pixels) -> list[Pixels]:
    """A window of each array, (Y, X)."""
    parts = [each[place.window] for each in arrays]
    return [part.reshape(part.shape[-2:]) for part in parts]
