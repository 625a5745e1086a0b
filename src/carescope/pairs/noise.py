"""Whether two images of a scene differ by noise alone, and inputs with more noise than recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from carescope import normalize
from carescope.errors import InputError
from carescope.image import Image
from carescope.normalize import Affine
from carescope.pairs.levels import in_units_of
from carescope.physics.camera import BEND_VARIANCE, bend

Floats = npt.NDArray[np.float32]

#: Variance of a target's own noise, as a share of what its input has beside it, up to which that
#: may be amplified: the target's noise comes into the input with the opposite sign.
CLEAN = 0.1
#: The same where the question is which of two is noisier: of two that are equally so it is a half.
CLEANER = 0.4
#: Above this correlation of neighbouring pixels a difference is blur, haze or a shift, not noise.
CORRELATED = 0.25


def differ_by_noise(
    low: Image,
    high: Image,
    low_maps: Sequence[Affine],
    high_maps: Sequence[Affine],
    clean: float = CLEAN,
) -> bool:
    """Whether what an image has beside its target is its own noise, drawn for each pixel alone.

    Parameters
    ----------
    low, high
        A registered pair, axes CZYX; their middle planes are looked at.
    low_maps, high_maps
        What normalises each channel of both.
    clean
        Up to what share of the difference's variance the second image may be noise.

    Returns
    -------
    bool
        False where the two have other channels or planes, where differences of neighbours are
        correlated in any channel, or where the target is not much cleaner.
    """
    if low.shape != high.shape or min(low.shape[2:]) < 3:
        return False
    middle = low.size("Z") // 2
    one, other = (
        normalize.apply(maps, np.asarray(image.data[:, middle : middle + 1]))[:, 0]
        for image, maps in ((low, low_maps), (high, high_maps))
    )
    off = one - other
    off -= off.mean(axis=(1, 2), keepdims=True)
    power = np.square(off).mean(axis=(1, 2))
    alike = [
        (off[:, :, 1:] * off[:, :, :-1]).mean(axis=(1, 2)),
        (off[:, 1:] * off[:, :-1]).mean(axis=(1, 2)),
    ]
    white = (power > 0).all() and (np.abs(alike) <= CORRELATED * power).all()
    # The target's noise, or more where its structure is as fine as pixels.
    noise = np.square(bend(other.astype(np.float64))).mean(axis=(1, 2)) / BEND_VARIANCE
    return bool(white and (noise <= clean * power).all())


#: What a target has beside its input.
Difference = Literal["none", "target is noisier", "other"]


def difference(low: Image, high: Image) -> Difference:
    """What a target has beside its input, from their middle planes: nothing, or noise of its own.

    Parameters
    ----------
    low, high
        A registered pair, axes YX or ZYX, perhaps with C and T.
    """
    if low.shape != high.shape:
        return "other"
    middle = {"Z": slice(low.size("Z") // 2, low.size("Z") // 2 + 1)}
    one, other = (image.middle().cropped(middle) for image in (low, high))
    if np.array_equal(one.array(), other.array()):
        return "none"
    try:
        one_maps, other_maps = normalize.fit(one), normalize.fit(other)
    except InputError:  # an empty plane
        return "other"
    same_units = in_units_of(other, one, other_maps, one_maps)
    added = differ_by_noise(other, one, other_maps, same_units, CLEANER)
    return "target is noisier" if added else "other"


def noisier(draw: np.random.Generator, low: Floats, high: Floats, most: float) -> Floats:
    """An input with 1 to `most` times its noise: ``high + a (low - high)``, log a uniform."""
    factor = np.float32(np.exp(draw.uniform(0, np.log(most))))
    return np.asarray(high + factor * (low - high), np.float32)
