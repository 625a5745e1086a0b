"""What every phantom is: a world made slab by slab, the same whichever planes are asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, ParamSpec

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import UsageError
from carescope.phantoms.numbering import renumbered
from carescope.phantoms.texture import slabs

Volume = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Box = tuple[int, int, int]
P = ParamSpec("P")

LEAST_PX = 16
#: Planes of the volume through which a flat phantom may be a section: thicker than most objects.
SECTIONED_PLANES = 96


class Phantom(ABC):
    """Simulated structures that are placed at once and drawn when their planes are asked for.

    Parameters
    ----------
    shape
        Planes, rows and columns (Z, Y, X), each at least 16; or rows and columns (Y, X), for
        those that can be flat.
    what
        What it shows, to name in the refusal of a shape.

    Attributes
    ----------
    shape
        As it was given.
    box
        The same with planes: one where the phantom is flat.
    world
        The volume in which it lies: the box, or one of which that is the plane in the middle.
    flat_within
        Of how many planes it is the one in the middle where its shape is (Y, X): 1 for what is
        flat, more for a section of a volume; 0 where it cannot have that shape.
    mapped
        Names of its `maps`.
    channels, labelled
        Names of the channels of density and labels; empty where these have no axis C.

    Raises
    ------
    UsageError
        The shape is too small, or has not as many dimensions as the phantom can have.
    """

    channels: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()
    flat_within: ClassVar[int] = 0
    mapped: ClassVar[tuple[str, ...]] = ()

    def __init__(self, shape: Sequence[int], what: str) -> None:
        self.shape = tuple(int(n) for n in shape)
        dimensions = (2, 3) if self.flat_within else (3,)
        if len(self.shape) not in dimensions or min(self.shape) < LEAST_PX:
            axes = "Z, Y and X" + (", or along Y and X" if self.flat_within else "")
            raise UsageError(
                f"a phantom of shape {describe_shape(self.shape)} is too small for {what}"
                if len(self.shape) in dimensions
                else f"no shape {describe_shape(self.shape)} holds {what}",
                where="--shape",
                remedy=f"Give at least {LEAST_PX} voxels along {axes}",
            )
        self.box: Box = (1, *self.shape)[-3:]  # type: ignore[assignment]
        self.world: Box = (self.flat_within, *self.box[1:]) if self.is_flat else self.box
        self._last: tuple[slice, Volume, Labels] | None = None

    @property
    def is_flat(self) -> bool:
        """Whether it has rows and columns alone."""
        return len(self.shape) == 2

    @abstractmethod
    def _slab(self, slab: slice) -> tuple[Volume, Labels]:
        """Density and labels of some planes of the world, ([C,] planes, Y, X)."""

    def maps(self) -> dict[str, npt.NDArray[np.float32 | np.int32]]:
        """What else is true of the whole and has no planes, (Y, X) arrays by name."""
        return {}

    def planes(self, slab: slice) -> tuple[Volume, Labels]:
        """Density and labels of some planes, the same bits whichever planes are asked for.

        Parameters
        ----------
        slab
            From which plane to before which, within the phantom.

        Returns
        -------
        density : ([C,] planes, Y, X) float32
            A channel axis where the phantom has several.
        labels : ([C,] planes, Y, X) int32
            0 outside; numbers are those of the whole, but those that no voxel has are not
            closed up as they are where the whole is made at once.

        Raises
        ------
        UsageError
            There are no such planes.
        """
        first, stop = slab.start or 0, self.box[0] if slab.stop is None else slab.stop
        if not 0 <= first < stop <= self.box[0]:
            raise UsageError(
                f"there are no planes {first} to {stop - 1}",
                remedy=f"Planes run from 0 to {self.box[0] - 1}",
            )
        parts = []
        # Always the same slabs are made, and cut: rounding could depend on their thickness.
        for made in slabs(self.box):
            low, high = max(first, made.start), min(stop, made.stop)
            if low < high:
                kept = slice(low - made.start, high - made.start)
                parts.append([part[..., kept, :, :] for part in self._made(made)])
        density, labels = (np.concatenate(part, axis=-3) for part in zip(*parts, strict=True))
        return density, labels

    def whole(self) -> tuple[Volume, Labels]:
        """Density and labels of all planes, as the phantom's function returns them.

        Returns
        -------
        density : ([C,] [Z,] Y, X) float32
        labels : ([C,] [Z,] Y, X) int32
            Numbered 1, 2, ... without gaps.
        """
        density = np.empty((*_axis(self.channels), *self.box), np.float32)
        labels = np.empty((*_axis(self.labelled), *self.box), np.int32)
        for slab in slabs(self.box):
            density[..., slab, :, :], labels[..., slab, :, :] = self._within(slab)
        renumbered(labels.reshape(-1, *self.box[1:]))
        if self.is_flat:
            return density[..., 0, :, :], labels[..., 0, :, :]
        return density, labels

    def _made(self, slab: slice) -> tuple[Volume, Labels]:
        """A slab; the last one is remembered for those who ask plane by plane."""
        if self._last is None or self._last[0] != slab:
            self._last = (slab, *self._within(slab))
        return self._last[1:]

    def _within(self, slab: slice) -> tuple[Volume, Labels]:
        """Density and labels of some planes of the box."""
        above = (self.world[0] - self.box[0]) // 2
        return self._slab(slice(slab.start + above, slab.stop + above))


def _axis(names: tuple[str, ...]) -> tuple[int, ...]:
    return (len(names),) if names else ()


def at_once(phantom: Callable[P, Phantom]) -> Callable[P, tuple[Volume, Labels]]:
    """The function that makes a whole phantom, with the class's own arguments and text."""

    def made(*args: P.args, **options: P.kwargs) -> tuple[Volume, Labels]:
        return phantom(*args, **options).whole()

    made.__name__ = made.__qualname__ = phantom.__name__.lower()
    made.__module__, made.__doc__ = phantom.__module__, phantom.__doc__
    made.__wrapped__ = phantom  # type: ignore[attr-defined]
    return made
