"""By how much the scales of an image are wider than usual, since it is noisier than usual."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from carescope import trust
from carescope.errors import InputError
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.normalize import Affine

Floats = npt.NDArray[np.float32]


def noise_seen(
    model: Model | Ensemble, image: Image, maps: Sequence[Affine]
) -> tuple[float | None, ...]:
    """The logarithm of the noise that each restored channel comes from, in normalised units.

    Parameters
    ----------
    model
        What restores.
    image
        Axes YX or ZYX, with C, T or both. The middle of time is looked at.
    maps
        What normalises each channel.

    Returns
    -------
    tuple
        None for each channel of an image that is too small to tell. Where other channels come out
        than go in, it is that of the first one for all.
    """
    wanted = model.task.channels_out
    try:
        found = trust.noise_of(image.middle().data, maps)
    except InputError:
        return (None,) * wanted
    return found if model.task.keeps_channels else found[:1] * wanted


def widening(model: Model | Ensemble, image: Image, maps: Sequence[Affine]) -> Floats | None:
    """What multiplies the scales of each channel, (C, 1, 1, 1), beside what calibration found.

    None for a model that was not calibrated, or whose scales need not follow the noise.
    """
    found = model.calibration
    if found is None or not any(one.slope for one in found.trends):
        return None
    levels = noise_seen(model, image, maps)
    factors = [one.factor(level) for one, level in zip(found.trends, levels, strict=True)]
    return np.array(factors, np.float32)[:, None, None, None]
