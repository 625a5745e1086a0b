"""What a measure may be given: arrays of real, finite numbers, two of them of one shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError

Float64 = npt.NDArray[np.float64]


def pair(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    names: tuple[str, str] = ("the truth", "the restored image"),
) -> tuple[Float64, Float64]:
    """Two images of one shape as float64.

    Raises
    ------
    InputError
        The shapes differ, or an image is not one of real and finite numbers.
    """
    one, other = real(first, names[0]), real(second, names[1])
    if one.shape != other.shape:
        raise InputError(
            f"{names[0]} is {describe_shape(one.shape)}, but {names[1]} "
            f"{describe_shape(other.shape)}",
            remedy="Crop or resample one so that both show the same pixels",
        )
    return one, other


def real(values: npt.ArrayLike, name: str) -> Float64:
    """An image as float64.

    Raises
    ------
    InputError
        It is empty, not of real numbers, or not finite.
    """
    array: npt.NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "buif" or array.size == 0:
        raise InputError(
            f"{name} has no real numbers in it: {array.dtype}, {array.size} values",
            remedy="Give an image of integers or floats",
        )
    finite = np.isfinite(array)
    if not finite.all():
        first = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), array.shape))
        raise InputError(
            f"{name} has {array.size - np.count_nonzero(finite)} values that are not finite, "
            f"the first at {first}",
            remedy="Replace or crop them away: they have no error to measure",
        )
    return array.astype(np.float64, copy=False)


def refuse_constant(image: Float64, name: str) -> None:
    """Refuse an image that shows nothing."""
    if image.min() == image.max():
        raise InputError(
            f"{name} is constant, {image.flat[0]:g} everywhere",
            remedy="Check that the right files are compared",
        )
