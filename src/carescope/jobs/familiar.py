"""Whether an image is of the kind that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from carescope import normalize, predict
from carescope.errors import InputError, NotTrustedError, UsageError
from carescope.image import Image
from carescope.jobs.disputes import disagreement_over
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.trust import Features, Fingerprint, features
from carescope.trust.features import SMALLEST_SIDE_PX

#: Of more images than this, so many are looked at, evenly spread.
MOST_IMAGES = 200


def fingerprint_of(images: Sequence[Image], percentiles: tuple[float, float]) -> dict[str, Any]:
    """What a model should remember of the kind of its training images: an entry of its facts.

    Films tell by one frame each, so that they weigh as much as images do: in turns the middle, the
    first and the last one, since films may bleach. One or two films tell by all three.

    Parameters
    ----------
    images
        Axes YX or ZYX, with C, T or both.
    percentiles
        The rule by which the model normalises them.

    Returns
    -------
    dict
        With the one key ``fingerprint``; empty where the images are too few or too small to tell.
    """
    every = -(-len(images) // MOST_IMAGES)
    try:
        seen = [
            _described(image, normalize.fit(image, percentiles), number, all_three=len(images) < 3)
            for number, image in enumerate(images[::every])
        ]
        return {"fingerprint": Fingerprint.of(seen).to_json()}
    except (InputError, UsageError):
        return {}


def unlike(model: Model | Ensemble, image: Image, maps: Sequence[Affine]) -> tuple[str, ...]:
    """Sentences that say what about an image is unlike the training images; none where nothing is.

    The image itself is compared, of a film its middle, its first and its last frame, and how much
    the members of an ensemble disagree over it.

    Parameters
    ----------
    model
        What is to restore the image; one without a fingerprint says nothing.
    image
        Axes YX or ZYX, with C, T or both.
    maps
        What normalises each channel.
    """
    known = model.facts.get("fingerprint")
    if known is None:
        return ()
    fingerprint, reasons = Fingerprint.from_json(known), list[str]()
    frames = image.frames()
    for number in dict.fromkeys(_told_by(len(frames))):
        if reasons:
            break
        named = f" (frame {number})" if len(frames) > 1 else ""
        with suppress(InputError):  # too small to tell
            judged = fingerprint.compare(features(frames[number].data, maps))
            reasons += [reason + named for reason in judged.reasons]
    if fingerprint.disagreement:
        grid = predict.outline(model, image, force=True).grid
        if found := disagreement_over(model, image, maps, grid):
            reasons += fingerprint.dispute(found.level, found.bright_px).reasons
    return tuple(reasons)


def _told_by(frames: int) -> tuple[int, int, int]:
    """Which frames of a film are looked at: the middle, the first and the last."""
    return frames // 2, 0, frames - 1


def _described(image: Image, maps: Sequence[Affine], number: int, *, all_three: bool) -> Features:
    """Of an image, or of one frame of the film of this number; with `all_three`, parts of each."""
    frames = image.frames()
    numbers = _told_by(len(frames))
    chosen = dict.fromkeys(numbers if all_three else [numbers[number % 3]])
    first, *others = [features(frames[n].data, maps) for n in chosen]
    parts = zip(first.parts, *(other.parts for other in others), strict=True)
    return Features(first.whole, tuple(tuple(chain.from_iterable(some)) for some in parts))


def check_familiar(
    model: Model | Ensemble, image: Image, maps: Sequence[Affine], *, strict: bool = False
) -> list[str]:
    """A warning for an image unlike the training images.

    Parameters
    ----------
    model, image, maps
        As for `unlike`.
    strict
        Refuse instead.

    Raises
    ------
    NotTrustedError
        `strict` is true, and the image is unlike the training images, or cannot be compared.
    """
    if strict:
        _refuse_incomparable(model, image)
    reasons = unlike(model, image, maps)
    if not reasons:
        return []
    what = f"is unlike the images that the model was trained on: {'; '.join(reasons)}"
    if strict:
        raise NotTrustedError(
            what,
            where=image.source,
            remedy="Train on such images, or restore without --strict and look at the result",
        )
    return [f"{image.source or 'The image'} {what}. Do not trust its restoration unseen."]


def _refuse_incomparable(model: Model | Ensemble, image: Image) -> None:
    """Nothing is to be trusted unseen."""
    why = remedy = ""
    if "fingerprint" not in model.facts:
        why = "of which it holds no fingerprint"
        remedy = "; models that were imported, or trained on very small images, have none"
    elif min(image.size("Y"), image.size("X")) < SMALLEST_SIDE_PX:
        why = f"as that takes {SMALLEST_SIDE_PX} x {SMALLEST_SIDE_PX} pixels"
    if why:
        raise NotTrustedError(
            f"cannot be compared with the images that the model was trained on, {why}",
            where=image.source,
            remedy=f"Restore without --strict and look at the result{remedy}",
        )
