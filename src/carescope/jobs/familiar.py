"""Whether an image is of the kind that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from carescope import normalize, predict
from carescope.errors import InputError, NotTrustedError, UsageError
from carescope.image import Image
from carescope.jobs.disputes import disagreement_over
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.trust import Fingerprint, features

#: Of more images than this, so many are looked at, evenly spread.
MOST_IMAGES = 200


def fingerprint_of(images: Sequence[Image], percentiles: tuple[float, float]) -> dict[str, Any]:
    """What a model should remember of the kind of its training images: an entry of its facts.

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
            features(image.middle().data, normalize.fit(image, percentiles))
            for image in images[::every]
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
    for number in dict.fromkeys((len(frames) // 2, 0, len(frames) - 1)):
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
        The image is unlike the training images, and `strict` is true.
    """
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
