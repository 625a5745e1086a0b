"""Means of consecutive frames, for films whose single frames are too dark."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError, UsageError
from carescope.image import Image, Lazy, grain, spelt_out


def averaged(film: Image, count: int) -> tuple[Image, list[str]]:
    """A film of which each time point is the mean of `count` consecutive ones; nothing is read yet.

    Frames are added one after the other when the mean is asked for, so that as much memory is
    needed for a mean of many as for one of two.

    Parameters
    ----------
    film
        Any axes with T, unless `count` is 1.
    count
        How many frames each mean is of, from 1 on.

    Returns
    -------
    film
        T / count time points, rounded down, of float32; the film itself where `count` is 1.
    warnings
        That frames at the end are left out, where they are too few for a mean.

    Raises
    ------
    UsageError
        The count is not positive.
    InputError
        There is no axis T, or there are too few frames.
    """
    if count < 1:
        raise UsageError(
            f"no mean is of {count} frames", where="--average", remedy="Give 2 or more"
        )
    if count == 1:
        return film, []
    if film.size("T") < count:
        frames = f"{film.size('T')} time points" if "T" in film.axes else "no time points"
        renamed = "in Fiji, Image > Properties turns slices into frames"
        raise InputError(
            f"has {frames} (axes {film.axes}), and means of {count} are asked for",
            where=film.source,
            remedy="Give a smaller --average or leave it out"
            if "T" in film.axes
            else f"Leave --average out, or give a film: --axes names dimensions, or {renamed}",
        )
    interval_s = None if film.frame_s is None else film.frame_s * count
    means = replace(film, data=_Means(film.data, film.axes.index("T"), count), frame_s=interval_s)
    left = film.size("T") % count
    if not left:
        return means, []
    whole = film.size("T") - left
    last = "The last frame is" if left == 1 else f"The last {left} frames are"
    return means, [f"{last} left out: the {whole} before make {whole // count} means of {count}."]


class _Means:
    """A lazy array, every `count` indices of one of its axes averaged."""

    def __init__(self, data: Lazy, at: int, count: int) -> None:
        self.data, self.at, self.count = data, at, count
        coarse = grain(data)
        #: How many frames are read at once: those that are stored in one chunk.
        self.together = min(coarse[at], count) if coarse else 1
        self.grain = coarse and (*coarse[:at], max(coarse[at] // count, 1), *coarse[at + 1 :])
        self.shape = tuple(n // count if i == at else n for i, n in enumerate(data.shape))
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, index: Any) -> npt.NDArray[np.float32]:
        parts = spelt_out(index, len(self.shape))
        chosen = parts[self.at]
        if not isinstance(chosen, slice):
            return self._mean(parts, range(self.shape[self.at])[chosen])
        means = [self._mean(parts, n) for n in range(*chosen.indices(self.shape[self.at]))]
        # Axes before this one that were given integers are gone.
        place = sum(isinstance(part, slice) for part in parts[: self.at])
        if means:
            return np.stack(means, axis=place)
        return np.asarray(self.data[(*parts[: self.at], slice(0, 0), *parts[self.at + 1 :])], "f4")

    def _mean(self, parts: tuple[Any, ...], number: int) -> npt.NDArray[np.float32]:
        place = sum(isinstance(part, slice) for part in parts[: self.at])
        total: Any = 0.0
        first, stop = number * self.count, (number + 1) * self.count
        for start in range(first, stop, self.together):
            frames = slice(start, min(start + self.together, stop))
            read = np.asarray(self.data[(*parts[: self.at], frames, *parts[self.at + 1 :])])
            total = total + read.sum(axis=place, dtype=np.float64)
        return np.asarray(total / self.count, np.float32)
