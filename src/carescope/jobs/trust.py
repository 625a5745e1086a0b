"""Whether a model's scales keep their word: held against truths, mended, and shown."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import carescope
from carescope import model, trust
from carescope.errors import InputError, ModelError, OutputError, some
from carescope.files import atomic
from carescope.image import Image
from carescope.jobs.judging import BINS, Judged, judge
from carescope.jobs.witnesses import known_of, lonely, overlap, refuse_doubtful, sentence
from carescope.model import Ensemble, Model
from carescope.model.calibrated import Calibrated, store
from carescope.report.trust import (
    ALONE,
    CROSSED,
    MATCHED,
    Channel,
    broken_promises,
    trust_page,
)


def calibrated(found: Judged) -> Calibrated:
    """The family, factors and trends under which intervals hold best what they promise.

    One family for all channels: that whose worst channel is best.
    """
    best: tuple[float, Calibrated] | None = None
    unfit = InputError("there is nothing to calibrate with", remedy="Give --low and --high")
    for family in trust.FAMILIES:
        try:
            scales = [_following(*one, family) for one in _channels(found)]
        except InputError as error:  # scales that fit the errors as no such distribution
            unfit = error
            continue
        factors, trends, misses = zip(*scales, strict=True)
        if best is None or max(misses) < best[0]:
            best = max(misses), Calibrated(family, factors, trends)
    if best is None:
        raise unfit
    return best[1]


def _channels(found: Judged) -> list[tuple[Sequence[trust.Tally], Sequence[float | None]]]:
    """The tallies of each channel and the noise of their images."""
    unknown: list[list[float | None]] = [[None] * len(t) for t in found.tallies]
    return list(zip(found.tallies, found.noise or unknown, strict=True))


def _following(
    tallies: Sequence[trust.Tally], noise: Sequence[float | None], family: str
) -> tuple[float, trust.Trend, float]:
    """A channel's factor, how it follows the noise, and how far intervals then miss."""
    follows = trust.trend(tallies, noise, family)
    usual = [
        trust.widened(t, follows.factor(level)) for t, level in zip(tallies, noise, strict=True)
    ]
    scales = trust.rescaling(usual, [family])
    return round(scales.factor, 4), follows, _misses(usual, scales)


def _misses(tallies: Sequence[trust.Tally], scales: trust.Rescaling) -> float:
    """How far intervals are from what they promise: on average, or that of 90 %."""
    curve = trust.combined(tallies, scales)
    at_90 = float(np.interp(0.9, curve.levels, curve.covered))
    return max(curve.error, abs(at_90 - 0.9))


def calibrate(
    folder: Path,
    images: Sequence[tuple[Image, Image]],
    page: Path,
    *,
    overwrite: bool = False,
    force: bool = False,
    doubts: Sequence[str] = (),
    warnings: Sequence[str] = (),
    command: str = "",
    watch: Callable[[float], None] | None = None,
) -> dict[str, object]:
    """Judge a model by held-out pairs, keep in it how its scales are to be read, and report.

    Parameters
    ----------
    folder
        The model's.
    images
        Pairs (low, high) that took no part in training.
    page
        The report to write.
    overwrite
        Whether to replace a report, and what the model held of another calibration.
    force
        Whether to go on where there are doubts, or images that the model learnt from.
    doubts
        Why pairs may not be fit to judge a model, in sentences.
    warnings
        What reading the images gave.
    command
        What to print as the exact command.
    watch
        Told the share that is done.

    Returns
    -------
    dict
        The family and factors, and for each channel calibration error and coverage, as predicted
        and, by leaving out each image in turn, as they are now.

    Raises
    ------
    ModelError
        The model has no scales.
    InputError
        The images do not suit it, or there are doubts.
    OutputError
        The report or the model cannot be written, or the model is calibrated already.
    """
    atomic.check_writable(page, overwrite=overwrite)
    raw = uncalibrated(_replaceable(folder, overwrite=overwrite))
    known = known_of(raw, images)
    doubts = [*doubts, *overlap(known or [])]
    refuse_doubtful(doubts, folder, force=force)
    said = [*warnings, *doubts, *lonely(images)]
    found = judge(raw, images, watch)
    scales = calibrated(found)
    channels = [
        Channel(
            _name(images[0][1], number),
            str(raw.spread),
            trust.Rescaling(scales.family, scales.factors[number]),
            tallies,
            _left_out(tallies, noise, scales, number),
        )
        for number, (tallies, noise) in enumerate(_channels(found))
    ]
    rows = [_row(channel) for channel in channels]
    examples = [
        e._replace(family=scales.family, scale=e.scale * scales.rescaling(*shown).factor)
        for e, shown in zip(found.examples, found.shown, strict=True)
    ]
    text = trust_page(
        title=f"{folder.name}: can its scales be believed?",
        sentence=sentence(len(images), known),
        channels=channels,
        examples=examples,
        members=found.members,
        disagreement=(found.disagreement, BINS) if found.disagreement.any() else None,
        errors=found.errors,
        pixel_um=_pixel_um(images[0][1]),
        how=(CROSSED if len(images) > 1 else ALONE) + MATCHED,
        warnings=said,
        numbers={"images": len(images), "model (sha256)": raw.sha256},
        command=command,
        provenance={"carescope": carescope.__version__, "python": platform.python_version()},
    )
    names = tuple(Path(low.source or "array").name for low, _ in images)
    store(folder, scales._replace(images=names), {"channels": rows})
    atomic.write_text(page, text, overwrite=overwrite)
    return {
        "family": scales.family,
        "factors": list(scales.factors),
        "trends": [one.slope for one in scales.trends],
        "channels": rows,
        "warnings": [*said, *broken_promises(channels)],
    }


def _replaceable(folder: Path, *, overwrite: bool) -> Model | Ensemble:
    """A model whose calibration, if it has one, is not lost to a slip."""
    loaded = model.load(folder)
    if loaded.calibration and not overwrite:
        raise OutputError(
            f"the model is calibrated already, with {some(loaded.calibration.images)}",
            where=folder,
            remedy="Add --overwrite to replace that",
        )
    return loaded


def uncalibrated(judged: Model | Ensemble) -> Model | Ensemble:
    """A model whose scales are as its networks predict them.

    Raises
    ------
    ModelError
        It has none.
    """
    if judged.spread is None:
        raise ModelError(
            "the model does not say how sure it is, so there is nothing to judge",
            remedy="Train it with --laplace",
        )
    if isinstance(judged, Ensemble):
        return Ensemble(judged.members)
    judged.facts = {name: value for name, value in judged.facts.items() if name != "calibration"}
    return judged


def _left_out(
    tallies: Sequence[trust.Tally],
    noise: Sequence[float | None],
    scales: Calibrated,
    number: int,
) -> Sequence[trust.Rescaling]:
    """How each image is judged: by a factor from all the others."""
    if len(tallies) == 1:
        return [scales.rescaling(number, noise[0])]
    judged = []
    for i, level in enumerate(noise):
        others, levels = [*tallies[:i], *tallies[i + 1 :]], [*noise[:i], *noise[i + 1 :]]
        factor, follows, _ = _following(others, levels, scales.family)
        judged.append(Calibrated(scales.family, (factor,), (follows,)).rescaling(0, level))
    return judged


def _row(channel: Channel) -> dict[str, object]:
    """A channel's numbers, as predicted and as they are now."""
    row: dict[str, object] = {"channel": channel.name, "factor": channel.rescaling.factor}
    for when, scales in (
        ("predicted", trust.Rescaling(channel.family)),
        ("calibrated", channel.judged_with),
    ):
        row[f"{when}_error"] = round(trust.combined(channel.tallies, scales).error, 4)
        held = trust.coverage(channel.tallies, scales)
        for bound, shares in (("", held.covered), ("_low", held.low), ("_high", held.high)):
            row[f"{when}_coverage{bound}"] = {
                f"{level:.0%}": round(float(share), 4)
                for level, share in zip(held.levels, shares, strict=True)
            }
    return row


def _name(image: Image, number: int) -> str:
    names = image.channel_names
    return names[number] if number < len(names) else f"channel {number}"


def _pixel_um(image: Image) -> tuple[float, float] | None:
    return None if image.voxel_um is None else image.voxel_um[1:]
