"""From restored values to the pixel type of a file: rounded, clipped, counted, never wrapped."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.errors import OutputError

# Numbers up to here pass through float64 without change, so clipping is exact.
_MOST_INTEGER_BYTES = 4


def cast(values: npt.ArrayLike, dtype: npt.DTypeLike) -> tuple[npt.NDArray[Any], int]:
    """Convert values to a pixel type.

    Parameters
    ----------
    values
        Any shape, real.
    dtype
        Booleans, integers of 8 to 32 bits, float32 or float64.

    Returns
    -------
    array, clipped
        The values in the new type: rounded to the nearest integer (halves to even) and
        clipped to its range; and how many had to be clipped. Infinite values are clipped to
        an integer type and kept in a floating-point type, NaN is kept there.

    Raises
    ------
    OutputError
        NaN is to become an integer, or the type is none of those.
    """
    source, dtype = np.asarray(values), np.dtype(dtype)
    if source.dtype == dtype:
        return source, 0
    if dtype.kind == "b":
        if source.dtype.kind == "b":
            return source.astype(dtype), 0
        raise _unsupported(dtype)
    if dtype.kind == "f" and dtype.itemsize >= 4:
        return _to_float(source, dtype)
    if dtype.kind not in "iu" or dtype.itemsize > _MOST_INTEGER_BYTES:
        raise _unsupported(dtype)
    if source.dtype.kind == "f" and np.isnan(source).any():
        raise OutputError(
            f"there are {int(np.isnan(source).sum())} NaN values, which {dtype} cannot hold",
            remedy="Write floating point with --dtype float32",
        )
    whole, clipped = np.empty(source.shape, dtype), 0
    for plane in np.ndindex(source.shape[:-2]):  # what is exact takes five times the memory
        clipped += _round(source[(*plane, ...)], whole[(*plane, ...)])
    return whole, clipped


def _round(source: npt.NDArray[Any], into: npt.NDArray[Any]) -> int:
    """Round and clip to an integer type; how many had to be clipped."""
    limits = np.iinfo(into.dtype)
    # 64-bit integers are compared as they are; all else is exact in float64.
    exact = source if source.dtype.kind in "iu" else np.rint(source.astype(np.float64))
    into[...] = np.clip(exact, limits.min, limits.max)
    return int(((exact < limits.min) | (exact > limits.max)).sum())


def _to_float(source: npt.NDArray[Any], dtype: np.dtype[Any]) -> tuple[npt.NDArray[Any], int]:
    """Clip finite values that the smaller type would turn into infinity."""
    if source.dtype.kind != "f" or source.dtype.itemsize <= dtype.itemsize:
        return source.astype(dtype), 0
    largest = float(np.finfo(dtype).max)
    clipped = np.isfinite(source) & (np.abs(source) > largest)
    count = int(clipped.sum())
    if count:
        source = np.where(clipped, np.copysign(largest, source), source)
    return source.astype(dtype), count


def _unsupported(dtype: np.dtype[Any]) -> OutputError:
    return OutputError(
        f"images cannot be written as {dtype}",
        remedy="Choose uint8, uint16, int16, int32 or float32 with --dtype",
    )
