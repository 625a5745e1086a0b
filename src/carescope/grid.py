"""Where samples lie: the one place that relates recorded planes to restored ones.

Positions along z are counted in restored planes. Recorded plane k sits at ``k * factor``;
restored plane j at j. Both start together, and no restored plane lies beyond the last
recorded one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError
from carescope.image import Image


@dataclass(frozen=True)
class Grid:
    """The axial geometry of one stack and its restoration.

    Parameters
    ----------
    planes
        Recorded planes, at least 2.
    factor
        Restored planes per recorded plane, at least 1; need not be whole (10.2).
    step_um
        Distance between recorded planes in micrometres.

    Raises
    ------
    InputError
        There is a single plane, or the factor or step is impossible.
    """

    planes: int
    factor: float
    step_um: float

    def __post_init__(self) -> None:
        if self.planes < 2:
            raise InputError(
                f"planes are restored between those of a stack, and there is {self.planes}",
                remedy="Give a stack with at least 2 planes along Z; --axes names the dimensions",
            )
        if not 1.0 <= self.factor <= 100.0:
            raise InputError(
                f"the factor {self.factor:g} is not between 1 and 100",
                remedy="It is plane distance / pixel size: check --voxel-um, or --factor if given",
            )
        if not (math.isfinite(self.step_um) and self.step_um > 0):
            raise InputError(
                f"the plane distance {self.step_um!r} um is not positive",
                remedy="Give the voxel size as --voxel-um Z,Y,X",
            )

    @classmethod
    def of(cls, stack: Image, *, factor: float | None = None) -> Grid:
        """The geometry of a stack.

        Parameters
        ----------
        stack
            With an axis Z and a voxel size.
        factor
            Restored planes per recorded plane; where None, plane distance over pixel size.

        Raises
        ------
        InputError
            There is no axis Z, the voxel size is unknown, pixels are not square, there is
            a single plane, or the factor is impossible.
        """
        if "Z" not in stack.axes:
            raise InputError(
                f"an isotropic restoration takes stacks of planes, not images of {stack.axes}",
                where=stack.source,
                remedy="Name the dimensions with --axes, for example --axes ZYX",
            )
        step, y, x = stack.voxel()
        if abs(y / x - 1) > 0.01:
            raise InputError(
                f"pixels of {y:g} x {x:g} um are not square",
                where=stack.source,
                remedy="Resample the planes to square pixels, or correct them with --voxel-um",
            )
        factor = step / x if factor is None else factor
        factor = unrounded(factor)
        if 0.9 < factor < 1.02:  # rounding in metadata: planes as far apart as pixels
            factor = 1.0
        try:
            return cls(stack.size("Z"), factor, step)
        except InputError as error:
            raise InputError(error.what, where=stack.source, remedy=error.remedy) from None

    @property
    def restored_planes(self) -> int:
        """floor((planes - 1) * factor) + 1, guarded against rounding of the product."""
        return math.floor((self.planes - 1) * self.factor + 1e-6) + 1

    @property
    def spacing_um(self) -> float:
        """Distance between restored planes in micrometres."""
        return self.step_um / self.factor

    def recorded_at(self) -> npt.NDArray[np.float64]:
        """Position of each recorded plane, in restored planes."""
        return np.arange(self.planes, dtype=np.float64) * self.factor

    def is_recorded(self) -> npt.NDArray[np.bool_]:
        """For each restored plane, whether a recorded plane lies exactly on it."""
        coarse = np.arange(self.restored_planes) / self.factor
        return np.abs(coarse - np.rint(coarse)) * self.factor < 1e-6


def unrounded(factor: float) -> float:
    """A factor without the rounding of metadata: 1.3 / 0.325 is 3.9999999, and 4 is meant."""
    if not 1 <= factor < math.inf:
        return factor
    near = float(round(factor))
    return near if abs(factor / near - 1) < 1e-3 else factor
