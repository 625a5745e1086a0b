"""The image that flows between stages: a lazy array that knows its axes and voxel size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from carescope import axes as ax
from carescope.errors import InputError

VoxelSize = tuple[float, float, float]


class Lazy(Protocol):
    """What an image's data must offer; NumPy arrays and memory maps do."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __getitem__(self, index: Any, /) -> Any: ...


@dataclass(frozen=True)
class Image:
    """An image and what is known of it.

    Parameters
    ----------
    data
        Array or lazy array, one dimension per letter of `axes`. Indexing with integers and
        slices gives a NumPy array of what was asked for; nothing else is read. One thread at a
        time reads, not always the same. Data in chunks say in `grain`, a length an axis, what is
        read at once.
    axes
        A subset of ``TCZYX`` in the array's order, Y and X among them.
    voxel_um
        Voxel size (z, y, x) in micrometres, or None where it is unknown. For an image
        without Z the first number means nothing.
    channel_names
        One name per channel, or empty.
    source
        The file it came from, to name in messages.
    frame_s
        Seconds from one time point to the next, or None where that is unknown.

    Raises
    ------
    InputError
        The axes do not describe the array, or the voxel size is not three positive numbers.
    """

    data: Lazy
    axes: str = "ZYX"
    voxel_um: VoxelSize | None = None
    channel_names: tuple[str, ...] = ()
    source: str | None = None
    frame_s: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", ax.check(self.axes, self.shape, where=self.source))
        if self.voxel_um is not None:
            object.__setattr__(self, "voxel_um", check_voxel_um(self.voxel_um, self.source))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.data.dtype)

    def size(self, axis: str) -> int:
        """Length of an axis; 1 for an axis the image does not have."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def voxel(self) -> VoxelSize:
        """The voxel size where it matters.

        Raises
        ------
        InputError
            It is unknown.
        """
        if self.voxel_um is None:
            raise InputError(
                "the file does not say how large its voxels are",
                where=self.source,
                remedy="Give the voxel size as --voxel-um Z,Y,X, for example --voxel-um 2,0.2,0.2",
            )
        return self.voxel_um

    def array(self) -> npt.NDArray[Any]:
        """The whole image in memory, in the order of `axes`."""
        return np.asarray(self.data[...])

    def select(self, axis: str, index: int) -> Image:
        """The image at one index of `axis`, without that axis; nothing is read yet.

        Raises
        ------
        InputError
            The image has no such axis or no such index.
        """
        if axis not in self.axes or not 0 <= index < self.size(axis):
            raise InputError(
                f"there is no {axis}={index} among {ax.describe_shape(self.shape, self.axes)}",
                where=self.source,
                remedy=f"Indices of {axis} run from 0 to {self.size(axis) - 1}",
            )
        at = self.axes.index(axis)
        names = self.channel_names
        if axis == "C" and names:
            names = (names[index],)
        return replace(
            self,
            data=_Selected(self.data, at, index),
            axes=self.axes.replace(axis, ""),
            channel_names=names,
        )

    def cropped(self, places: Mapping[str, slice]) -> Image:
        """A part of the image; nothing is read yet.

        Parameters
        ----------
        places
            For some axes what is kept, each slice with start and stop within the axis.

        Raises
        ------
        InputError
            Nothing would be left.
        """
        for axis, place in places.items():
            if not 0 <= place.start < place.stop <= self.size(axis):
                raise InputError(
                    f"{axis} from {place.start} to {place.stop} is no part of "
                    f"{ax.describe_shape(self.shape, self.axes)}",
                    where=self.source,
                    remedy="Give an image that is larger",
                )
        parts = [places.get(a, slice(0, n)) for a, n in zip(self.axes, self.shape, strict=True)]
        return replace(self, data=_Cropped(self.data, parts))

    def arranged(self, axes: str) -> Image:
        """The image with `axes`, in that order; those that it lacks have length 1.

        Nothing is read yet.

        Raises
        ------
        InputError
            The image has an axis that is not among `axes`.
        """
        left_out = [a for a in self.axes if a not in axes]
        if left_out:
            raise InputError(
                f"has axes {self.axes}, and {axes} are needed",
                where=self.source,
                remedy=f"Choose one index of {' and '.join(left_out)}",
            )
        places = [self.axes.find(a) for a in axes]
        return replace(self, data=_Arranged(self.data, places), axes=axes)

    def frames(self) -> list[Image]:
        """Each time point as a CZYX image of its own; nothing is read yet."""
        parts = [self.select("T", t) for t in range(self.size("T"))] if "T" in self.axes else [self]
        return [part.arranged("CZYX") for part in parts]

    def middle(self) -> Image:
        """The time point in the middle, axes CZYX; nothing is read yet."""
        frames = self.frames()
        return frames[len(frames) // 2]


def grain(data: Lazy) -> tuple[int, ...] | None:
    """The chunks that lazy data are stored in, a length an axis; None where planes are as good."""
    found: tuple[int, ...] | None = getattr(data, "grain", None)
    return found


class _Cropped:
    """A part of a lazy array."""

    def __init__(self, data: Lazy, parts: Sequence[slice]) -> None:
        self.data, self.starts = data, [part.start for part in parts]
        self.grain = grain(data)
        self.shape = tuple(part.stop - part.start for part in parts)
        self.dtype = np.dtype(data.dtype)

    def __getitem__(self, index: Any) -> Any:
        parts = spelt_out(index, len(self.shape))
        return self.data[
            tuple(
                _moved(part, start, size)
                for part, start, size in zip(parts, self.starts, self.shape, strict=True)
            )
        ]


def _moved(part: Any, start: int, size: int) -> Any:
    """An integer or slice of a part, in the whole."""
    if not isinstance(part, slice):
        return start + (int(part) + size if part < 0 else int(part))
    first, stop, step = part.indices(size)
    if step > 0:
        return slice(start + first, start + stop, step)
    return slice(start + first, start + stop if start + stop >= 0 else None, step)


class _Arranged:
    """A lazy array with its axes in another order, and axes of length 1 where it has none."""

    def __init__(self, data: Lazy, places: list[int]) -> None:
        self.data, self.places = data, places
        coarse = grain(data)
        self.grain = coarse and tuple(1 if at < 0 else coarse[at] for at in places)
        self.shape = tuple(1 if at < 0 else data.shape[at] for at in places)
        self.dtype = np.dtype(data.dtype)

    def __getitem__(self, index: Any) -> Any:
        parts = spelt_out(index, len(self.shape))
        own = {at: part for at, part in zip(self.places, parts, strict=True) if at >= 0}
        found = np.asarray(self.data[tuple(own[at] for at in sorted(own))])
        # An axis that was given an integer is gone; the others come in the order asked for.
        kept = [
            (at, part)
            for at, part in zip(self.places, parts, strict=True)
            if not isinstance(part, int | np.integer)
        ]
        left = sorted(at for at, _ in kept if at >= 0)
        found = found.transpose([left.index(at) for at, _ in kept if at >= 0])
        new = tuple(axis for axis, (at, _) in enumerate(kept) if at < 0)
        found = np.expand_dims(found, new)
        return found[tuple(part if at < 0 else slice(None) for at, part in kept)]


class _Selected:
    """A lazy array with one axis fixed."""

    def __init__(self, data: Lazy, at: int, index: int) -> None:
        self.data, self.at, self.index = data, at, index
        coarse = grain(data)
        self.grain = coarse and tuple(n for i, n in enumerate(coarse) if i != at)
        self.shape = tuple(n for i, n in enumerate(data.shape) if i != at)
        self.dtype = np.dtype(data.dtype)

    def __getitem__(self, index: Any) -> Any:
        index = spelt_out(index, len(self.shape))
        return self.data[(*index[: self.at], self.index, *index[self.at :])]


def spelt_out(index: Any, ndim: int) -> tuple[Any, ...]:
    """An index with one entry for each of `ndim` axes."""
    index = index if isinstance(index, tuple) else (index,)
    gap = next((i for i, part in enumerate(index) if part is Ellipsis), len(index))
    given = [part for part in index if part is not Ellipsis]
    return (*given[:gap], *[slice(None)] * (ndim - len(given)), *given[gap:])


def check_voxel_um(voxel_um: Any, where: str | None = None) -> VoxelSize:
    """Return a voxel size as three floats (z, y, x) in micrometres, or refuse it."""
    try:
        z, y, x = (float(v) for v in voxel_um)
    except (TypeError, ValueError):
        z = y = x = math.nan
    if not all(1e-5 < v < 1e5 for v in (z, y, x)):
        raise InputError(
            f"the voxel size {voxel_um!r} is not three positive numbers in micrometres",
            where=where,
            remedy="Give it as --voxel-um Z,Y,X, for example --voxel-um 2,0.2,0.2",
        )
    return (z, y, x)


def map_planes(image: Image, function: Callable[[npt.NDArray[Any]], None]) -> None:
    """Call `function` with each YX plane of an image in turn, reading one at a time."""
    lead = tuple(n for a, n in zip(image.axes, image.shape, strict=True) if a not in "YX")
    if not image.axes.endswith("YX"):
        raise InputError(
            f"axes {image.axes!r} do not end in YX",
            where=image.source,
            remedy="Reorder the image so that Y and X come last",
        )
    for index in np.ndindex(*lead):
        function(np.asarray(image.data[index]))
