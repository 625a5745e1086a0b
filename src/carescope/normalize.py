"""The rule that turns grey levels into the numbers a network sees: an affine map a channel.

It is the same in training and in restoring, so the two cannot differ: percentiles of the whole
image, found exactly in a pass over it however large it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError
from carescope.image import Image
from carescope.percentiles import ChannelLevels, Levels

Floats = npt.NDArray[np.float32]

#: The percentiles that become 0 and 1 unless a recipe says otherwise.
USUAL = (2.0, 99.8)


@dataclass(frozen=True)
class Affine:
    """N(y) = (y - low) / (high - low), never clipped (CARE, Methods: Image normalization).

    Parameters
    ----------
    low, high
        Grey levels that become 0 and 1.

    Raises
    ------
    InputError
        `high` does not exceed `low`: the image is constant.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.high > self.low:
            raise InputError(
                f"the image is constant over the range that normalises it ({self.low:g})",
                remedy="Give an image with structure, or check that the right channel was chosen",
            )

    def apply(self, grey: npt.NDArray[Any]) -> Floats:
        """Grey levels to normalised values, any shape."""
        scaled = (grey.astype(np.float32) - np.float32(self.low)) * np.float32(1 / self.width)
        return np.asarray(scaled, np.float32)

    def undo(self, normalised: Floats) -> Floats:
        """Normalised values back to grey levels, any shape."""
        return np.asarray(normalised * np.float32(self.width) + np.float32(self.low), np.float32)

    @property
    def width(self) -> float:
        return self.high - self.low


def fit(
    image: Image,
    percentiles: tuple[float, float] = USUAL,
    levels: ChannelLevels | None = None,
) -> tuple[Affine, ...]:
    """The affine map of each channel: its two percentiles over the whole image become 0 and 1.

    Time points are pooled, so that a time-lapse cannot flicker.

    Parameters
    ----------
    image
        Any image whose axes end in YX, without NaN.
    percentiles
        Each within 0 to 100.
    levels
        Those of the image, where they were counted already.
    """
    several = image.size("C") > 1
    counted = levels or ChannelLevels.of(image, percentiles)
    return tuple(
        _fit(channel, percentiles, one, f"channel {number}" if several else "the image")
        for number, (channel, one) in enumerate(zip(channels(image), counted.channels, strict=True))
    )


def channels(image: Image) -> list[Image]:
    """Each channel as an image of its own; the image itself where it has no such axis."""
    if "C" not in image.axes:
        return [image]
    return [image.select("C", c) for c in range(image.size("C"))]


def apply(maps: Sequence[Affine], grey: npt.NDArray[Any]) -> Floats:
    """Grey levels to normalised values, (C, ...), a map for each channel."""
    return np.stack([one.apply(part) for one, part in zip(maps, grey, strict=True)])


def undo(maps: Sequence[Affine], normalised: Floats) -> Floats:
    """Normalised values back to grey levels, (C, ...), a map for each channel."""
    return np.stack([one.undo(part) for one, part in zip(maps, normalised, strict=True)])


def _fit(channel: Image, percentiles: tuple[float, float], levels: Levels, name: str) -> Affine:
    low, high = levels.percentiles(channel, percentiles)
    if not high > low:  # sparse structures: most of the image is one value
        low, high = levels.percentiles(channel, (0.0, 100.0))
    try:
        return Affine(low, high)
    except InputError as error:
        what = error.what.replace("the image", name, 1)
        raise InputError(what, where=channel.source, remedy=error.remedy) from None
