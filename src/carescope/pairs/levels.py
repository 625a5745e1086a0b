"""Grey levels of a target in the unit of its input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from carescope.image import Image, map_planes
from carescope.normalize import Affine, channels

#: Squares of so many pixels are averaged before images are compared: noise is not, structure is.
CELL_PX = 8
#: Below this correlation of averages the target is no brighter or dimmer image of the same thing.
ALIKE = 0.8


def in_units_of(
    low: Image, high: Image, low_maps: Sequence[Affine], high_maps: Sequence[Affine]
) -> tuple[Affine, ...]:
    """What normalises each channel of a target, so that it is what its input is without noise.

    Noise of the input has no mean, so that the regression of the input on the target tells how
    many grey levels of the one a grey level of the other is. Percentiles of the two, as CARE takes
    them, differ by as much as there is noise, which varies from image to image. They are kept
    where a target is no brighter or dimmer image of the same, or channels do not correspond.

    Parameters
    ----------
    low, high
        A registered pair, axes YX or ZYX, perhaps with C and T. Of a stack and its surface, the
        brightest plane of each square is taken for the surface.
    low_maps, high_maps
        What normalises each channel of both by percentiles.
    """
    if low.size("C") != high.size("C"):
        return tuple(high_maps)
    pairs = zip(channels(low), channels(high), low_maps, high_maps, strict=True)
    return tuple(_in_units_of(*pair) for pair in pairs)


def _in_units_of(low: Image, high: Image, of_low: Affine, of_high: Affine) -> Affine:
    one, other = (_averages(image.arranged("TZYX")) for image in (low, high))
    if one.shape != other.shape:
        one = one.max(axis=1, keepdims=True)
    one, other = one.ravel(), other.ravel()
    spread = float(np.cov(one, other)[0, 1]) if len(one) > 2 else 0.0
    if spread <= 0 or np.corrcoef(one, other)[0, 1] < ALIKE:
        return of_high
    gain = spread / float(other.var(ddof=1))
    offset = float(one.mean() - gain * other.mean())
    return Affine((of_low.low - offset) / gain, (of_low.high - offset) / gain)


def _averages(image: Image) -> npt.NDArray[np.float64]:
    """Means of squares of all planes, (T, Z, squares)."""
    found: list[npt.NDArray[np.float64]] = []

    def average(plane: npt.NDArray[np.generic]) -> None:
        rows, columns = (n // CELL_PX for n in plane.shape)
        whole = np.asarray(plane[: rows * CELL_PX, : columns * CELL_PX], np.float64)
        found.append(whole.reshape(rows, CELL_PX, columns, CELL_PX).mean(axis=(1, 3)).ravel())

    map_planes(image, average)
    return np.reshape(found, (image.size("T"), image.size("Z"), -1))
