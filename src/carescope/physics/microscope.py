"""The microscope as restoring needs it: how it blurs, and the grid of a stack that it took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError
from carescope.grid import Grid
from carescope.image import Image
from carescope.physics import kernel
from carescope.physics.psf import PSF

Kernel = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Kernels:
    """The kernels of an axial slice, (Z, X) on pixels of the restored grid, each of sum 1.

    `h` is the point-spread function integrated along the slice's normal, `h_iso` the
    isotropic one with the lateral transfer function, and ``h = h_iso (*) h_split`` up to the
    relative `residual`.
    """

    h: Kernel
    h_iso: Kernel
    h_split: Kernel
    residual: float
    symmetries: frozenset[str]

    def used(self, mode: str) -> Kernel:
        """The kernel that degrades lateral slices: ``full`` is h, ``split`` is h_split."""
        return self.h if mode == "full" else self.h_split


@dataclass(frozen=True)
class Microscope:
    """What took a stack; where its planes lie is the stack's own voxel size.

    Parameters
    ----------
    psf
        The point-spread function; None where only the sampling is to be undone.
    factor
        Restored planes per recorded plane; where None, plane distance over pixel size.
    """

    psf: PSF | None = None
    factor: float | None = None

    def grid(self, stack: Image) -> Grid:
        """The axial geometry of a stack taken here.

        Raises
        ------
        InputError
            The axes are not ZYX, the voxel size is unknown or its pixels are not square, or
            there is nothing to restore along z.
        """
        grid = Grid.of(stack, factor=self.factor)
        if grid.factor == 1.0 and self.psf is None:
            raise InputError(
                f"planes are as far apart as pixels ({grid.step_um:g} um), and no point-spread "
                "function was given: there is nothing to restore",
                where=stack.source,
                remedy="Give the optics with --psf, or correct the voxel size with --voxel-um",
            )
        return grid

    def kernels(self, grid: Grid, pixel_um: float) -> Kernels | None:
        """The kernels of an axial slice on the restored grid; None without optics."""
        if self.psf is None:
            return None
        psf = self.psf.resampled((grid.spacing_um, pixel_um, pixel_um))
        split, residual = kernel.split(psf)
        return Kernels(
            kernel.full(psf), kernel.isotropic(psf), split, residual, kernel.symmetries(psf)
        )
