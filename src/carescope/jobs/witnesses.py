"""Which pairs may say whether a model's scales keep their word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from carescope.errors import InputError, some
from carescope.image import Image
from carescope.jobs.identity import glance
from carescope.model import Ensemble, Model


def known_of(judged: Model | Ensemble, images: Sequence[tuple[Image, Image]]) -> list[str] | None:
    """From which of these images a model learnt: by what they show, whatever they are called.

    None where a model does not remember, such as one that was imported.
    """
    seen = judged.facts.get("seen_sha256")
    if seen is None:
        return None
    return sorted(Path(low.source or "array").name for low, _ in images if glance(low) in seen)


def overlap(both: Sequence[str]) -> list[str]:
    """That a model learnt from images, if from any."""
    if not both:
        return []
    return [
        f"{some(both)}: the model was trained on {'it' if len(both) == 1 else 'them'}. A model "
        "that is judged by what it was trained on looks surer than it is."
    ]


def lonely(images: Sequence[object]) -> list[str]:
    """That nobody can tell whether a factor holds for other images, if there is but one."""
    if len(images) > 1:
        return []
    return [
        "One image cannot tell whether intervals that were fitted to it hold on others: give more."
    ]


def refuse_doubtful(doubts: Sequence[str], folder: Path, *, force: bool) -> None:
    """A wrong calibration would make every later interval wrong."""
    if doubts and not force:
        raise InputError(
            f"these pairs would calibrate the model wrongly: {' '.join(doubts)}".rstrip("."),
            where=folder,
            remedy="Give others, or --force to calibrate it with these all the same",
        )


def sentence(images: int, known: Sequence[str] | None) -> str:
    """By what the report's model was judged."""
    by = f"Judged by {images} image{'s' if images > 1 else ''}"
    if known is None:
        return f"{by}. Whether it learnt from them, the model does not say."
    if not known:
        return f"{by} that took no part in training."
    return f"{by}, from {'all' if len(known) == images else len(known)} of which the model learnt."
