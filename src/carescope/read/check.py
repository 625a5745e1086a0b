"""Look over an image before work begins: broken values, and images with nothing in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import axes as ax
from carescope.errors import InputError
from carescope.image import Image, Lazy, grain
from carescope.pieces import map_pieces

Pixels = npt.NDArray[Any]


@dataclass(frozen=True)
class Statistics:
    """What `scan` saw.

    Parameters
    ----------
    minimum, maximum
        Of the finite values; NaN where there are none.
    nonfinite
        How many values are NaN or infinite.
    saturated
        The fraction of values at the largest number of an integer type, in [0, 1]; 0 for
        floating point.
    first_nonfinite
        Where the first of those lies; empty where there are none.
    """

    minimum: float
    maximum: float
    nonfinite: int
    saturated: float
    first_nonfinite: str = ""


def scan(
    image: Image, also: Callable[[Pixels, tuple[int, ...]], object] | None = None
) -> Statistics:
    """Read an image once, a plane or some chunks at a time.

    Parameters
    ----------
    image
        Any axes; they end in YX where it is stored in planes.
    also
        What else is to see each piece, and where it begins, in the same pass.

    Raises
    ------
    InputError
        It holds no pixels.
    """
    if 0 in image.shape:
        raise InputError("holds no pixels", where=image.source, remedy="Give another image")
    tally = _Tally(image)

    def see(part: Pixels, corner: tuple[int, ...]) -> None:
        tally.add(part, corner)
        if also is not None:
            also(part, corner)

    map_pieces(image, see)
    total = int(np.prod(image.shape, dtype=np.int64))
    return Statistics(
        tally.minimum, tally.maximum, tally.nonfinite, tally.saturated / total, tally.first
    )


def refuse_unfit(seen: Statistics, image: Image, *, fill_nonfinite: bool = False) -> None:
    """Refuse an image of which nothing can be made.

    Parameters
    ----------
    seen
        What `scan` saw.
    image
        What was scanned.
    fill_nonfinite
        Whether NaN and infinite values are acceptable (`filled` replaces them).

    Raises
    ------
    InputError
        There are NaN or infinite values, or no finite ones, or no contrast.
    """
    if seen.nonfinite and not fill_nonfinite:
        raise InputError(
            f"holds {seen.nonfinite} values that are not finite (NaN or infinite), "
            f"the first at {seen.first_nonfinite}",
            where=image.source,
            remedy="Take them as dark with --fill-nonfinite, or mend the image",
        )
    if seen.minimum > seen.maximum:
        raise InputError(
            "holds no finite value at all", where=image.source, remedy="Give another image"
        )
    if seen.minimum == seen.maximum:
        raise InputError(
            f"has the same value everywhere, {seen.minimum:g}: there is nothing in it",
            where=image.source,
            remedy="Give an image with contrast, or another channel",
        )


def filled(image: Image, value: float = 0.0) -> Image:
    """The same image with `value` for NaN and infinite values; nothing is read yet."""
    if image.dtype.kind != "f":
        return image
    return replace(image, data=_Filled(image.data, value))


class _Tally:
    """Running minimum, maximum and counts over the pieces of an image."""

    def __init__(self, image: Image) -> None:
        self.axes = image.axes
        integer = np.issubdtype(image.dtype, np.integer)
        self.ceiling = np.iinfo(image.dtype).max if integer else None
        self.minimum, self.maximum = np.inf, -np.inf
        self.nonfinite = self.saturated = 0
        self._first: tuple[int, ...] = ()

    @property
    def first(self) -> str:
        """Where the first broken value lies, in the order of the axes."""
        return ax.describe_shape(self._first, self.axes) if self._first else ""

    def add(self, part: Pixels, corner: tuple[int, ...]) -> None:
        if part.dtype.kind == "f":
            finite = np.isfinite(part)
            if not finite.all():
                self._note(~finite, corner)
                part = part[finite]
        if part.size:
            self.minimum = min(self.minimum, float(part.min()))
            self.maximum = max(self.maximum, float(part.max()))
        if self.ceiling is not None:
            self.saturated += int((part == self.ceiling).sum())

    def _note(self, broken: npt.NDArray[np.bool_], corner: tuple[int, ...]) -> None:
        within = np.unravel_index(int(broken.argmax()), broken.shape)
        place = tuple(int(at) + start for at, start in zip(within, corner, strict=True))
        self._first = min(self._first or place, place)
        self.nonfinite += int(broken.sum())


class _Filled:
    """A lazy array with its non-finite values replaced."""

    def __init__(self, data: Lazy, value: float) -> None:
        self.data, self.value = data, value
        self.shape, self.dtype = tuple(data.shape), np.dtype(data.dtype)
        self.grain = grain(data)

    def __getitem__(self, index: Any) -> Any:
        values = np.asarray(self.data[index])
        return np.where(np.isfinite(values), values, self.dtype.type(self.value))
