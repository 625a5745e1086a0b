"""A movie of samples from what a network predicts: how sure it is, seen at a glance."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from carescope import predict, trust
from carescope.errors import InputError, ModelError
from carescope.files import atomic
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.report.movie import panels, shared_contrast, write_movie


def sample_movie(
    model: Model | Ensemble,
    image: Image,
    out: Path,
    *,
    frames: int = 60,
    fps: float = 10.0,
    plane: int | None = None,
    channel: int = 0,
    crop: tuple[slice, slice] | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> int:
    """Write a movie: the recorded image, a new sample in each frame, and the mean (CARE, video 9).

    Every pixel is drawn from its own distribution, apart from its neighbours, so that a sample
    flickers where the network is unsure.

    Parameters
    ----------
    model
        One with scales.
    image
        One time point of as many channels as the model takes, axes YX or ZYX, with C or without.
    out
        The MP4 file to write.
    frames, fps
        How many samples, and how many a second.
    plane
        Which restored plane of a stack; the middle one where None.
    channel
        Which restored channel.
    crop
        Rows and columns to show; all where None.
    seed
        Of the samples.
    overwrite
        Whether to replace a file.

    Returns
    -------
    int
        How many frames were written.

    Raises
    ------
    ModelError
        The model has no scales.
    InputError
        The image holds more time points or channels, or there is no such plane, channel or crop.
    """
    atomic.check_writable(out, overwrite=overwrite)
    _check(model, image, channel)
    restored = predict.restore(model, image)
    if restored.scale is None or model.family is None:  # for type checkers, after `_check`
        raise ModelError("the model gave no scales")
    planes = restored.mean.size("Z")
    shown = planes // 2 if plane is None else plane
    if not 0 <= shown < planes:
        raise InputError(
            f"has no restored plane {shown}",
            where=image.source,
            remedy=f"Give --plane a number from 0 to {planes - 1}",
        )
    mean, scale = (
        each.arranged("TCZYX").array()[0, channel, shown]
        for each in (restored.mean, restored.scale)
    )
    recorded = image.arranged("TCZYX").array()[0, channel if model.task.keeps_channels else 0]
    nearest = shown if restored.grid is None else round(shown / restored.grid.factor)
    parts = [each[crop] if crop else each for each in (recorded[nearest], mean, scale)]
    if min(parts[0].shape) == 0:
        raise InputError("shows nothing of the image", where="--crop", remedy="Lie within it")
    low, middle, width = (np.asarray(part, np.float32) for part in parts)
    ends = shared_contrast([middle])
    drawn = trust.samples(middle[None], width[None], frames, family=model.family, seed=seed)
    pixel_um = None if image.voxel_um is None else image.voxel_um[2]
    stills = ((low, sample, middle) for sample in drawn)
    made = panels(
        ("recorded", "a sample", "mean"),
        stills,
        limits=[shared_contrast([low]), ends, ends],
        pixel_um=pixel_um,
    )
    return write_movie(out, made, fps=fps, overwrite=overwrite)


def _check(model: Model | Ensemble, image: Image, channel: int) -> None:
    """Refuse what cannot be shown, before anything is restored."""
    if model.family is None:
        raise ModelError(
            "the model does not say how sure it is, so there is nothing to draw samples from",
            where="carescope movie",
            remedy="Train it with --laplace",
        )
    if image.size("T") > 1:
        raise InputError(
            f"holds {image.size('T')} time points, and a movie shows one",
            where=image.source,
            remedy="Choose one with --timepoint",
        )
    if not 0 <= channel < model.task.channels_out:
        raise InputError(
            f"has no restored channel {channel}",
            where=image.source,
            remedy=f"Give --channel a number from 0 to {model.task.channels_out - 1}",
        )
