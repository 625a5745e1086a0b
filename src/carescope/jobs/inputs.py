"""What a job is given: a stack that was looked over, and the optics that took it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from carescope import read
from carescope.errors import InputError
from carescope.image import Image, VoxelSize
from carescope.physics.microscope import Microscope
from carescope.physics.psf import KINDS, PSF, measured, named
from carescope.read.check import filled, scan


def open_stack(
    path: str | Path,
    *,
    axes: str | None = None,
    voxel_um: VoxelSize | None = None,
    channel: int | None = None,
    timepoint: int | None = None,
    allow_incomplete: bool = False,
    fill_nonfinite: bool = False,
) -> tuple[Image, list[str]]:
    """Open one ZYX stack and look at every pixel of it once.

    Returns
    -------
    stack : Image
    warnings : list of str
        What is worth knowing, such as a share of saturated pixels.

    Raises
    ------
    InputError
        The file is damaged, its pixels are constant or not finite, or it is no ZYX stack.
    """
    image = read.open(path, axes=axes, voxel_um=voxel_um, allow_incomplete=allow_incomplete)
    for axis, index in (("C", channel), ("T", timepoint)):
        if index is not None:
            image = image.select(axis, index)
    if image.axes != "ZYX":
        extra = [a for a in image.axes if a in "CT"]
        names = {"C": "--channel", "T": "--timepoint"}
        raise InputError(
            f"has axes {image.axes}, and one ZYX stack is needed",
            where=str(path),
            remedy=" and ".join(f"Choose one with {names[a]} N, from 0" for a in extra)
            or "Name its dimensions with --axes, for example --axes ZYX",
        )
    seen = scan(image, fill_nonfinite=fill_nonfinite, refuse_constant=True)
    warnings = []
    if seen.nonfinite:
        image = filled(image, seen.minimum)
        warnings.append(f"{seen.nonfinite} NaN or infinite pixels were taken as {seen.minimum:g}.")
    if seen.saturated > 1e-3:
        warnings.append(
            f"{seen.saturated:.2%} of the pixels are saturated; their true brightness is lost."
        )
    return image, warnings


@dataclass(frozen=True)
class Optics:
    """What the command line says of the microscope.

    Parameters
    ----------
    psf
        ``none``, a key of `carescope.physics.psf.KINDS`, or the file of a measured PSF.
    na, na_illum, wavelength_um, refractive_index, sigma_um
        Of the kinds that need them.
    psf_voxel_um
        Voxel size of a measured PSF whose file does not say it.
    """

    psf: str = "none"
    na: float | None = None
    na_illum: float | None = None
    wavelength_um: float | None = None
    refractive_index: float | None = None
    sigma_um: VoxelSize | None = None
    psf_voxel_um: VoxelSize | None = None

    def point_spread(self, spacing_um: VoxelSize) -> PSF | None:
        """The point-spread function sampled at `spacing_um`, or None."""
        if self.psf == "none":
            return None
        if self.psf in KINDS or not Path(self.psf).suffix:
            return named(
                self.psf,
                spacing_um,
                na=self.na,
                na_illum=self.na_illum,
                wavelength_um=self.wavelength_um,
                refractive_index=self.refractive_index,
                sigma_um=self.sigma_um,
            )
        beads = read.open(self.psf, axes=None, voxel_um=self.psf_voxel_um)
        if beads.axes != "ZYX" or beads.voxel_um is None:
            raise InputError(
                "a measured PSF must be a ZYX stack that says its voxel size",
                where=self.psf,
                remedy="Give its voxel size with --psf-voxel-um Z,Y,X",
            )
        return measured(beads.array(), beads.voxel_um)

    def microscope(self, stack: Image, factor: float | None = None) -> Microscope:
        """The microscope that took a stack, its PSF sampled for the stack's restored grid."""
        step, y, x = stack.voxel()
        spacing = step / (factor or step / x)
        return Microscope(self.point_spread((spacing, y, x)), factor=factor)
