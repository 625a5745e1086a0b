"""What a job is given: a stack that was looked over, and the optics that took it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from carescope import read
from carescope.axes import describe_shape
from carescope.errors import InputError, UsageError
from carescope.grid import Grid
from carescope.image import Image, VoxelSize
from carescope.jobs import once
from carescope.normalize import USUAL
from carescope.physics.microscope import Microscope
from carescope.physics.psf import KINDS, PSF, measured, named
from carescope.read.check import filled, refuse_unfit


def open_image(
    path: str | Path,
    *,
    axes: str | None = None,
    voxel_um: VoxelSize | None = None,
    channel: int | None = None,
    timepoint: int | None = None,
    allow_incomplete: bool = False,
    fill_nonfinite: bool = False,
    fits: Callable[[Image], object] = Grid.of,
    stacks_only: bool = True,
) -> tuple[Image, list[str]]:
    """Open an image of one or more channels and time points, and look at every pixel.

    `fits` is called before any pixel is read, to refuse an image whose geometry will not do.

    Returns
    -------
    image : Image
        Axes ZYX, and C and T where the file has them and none was chosen; without Z where the file
        has none and `stacks_only` is false.
    warnings : list of str
        What is worth knowing, such as a share of saturated pixels.

    Raises
    ------
    InputError
        The file is damaged, its pixels are constant or not finite, or it holds no stack where
        one is needed.
    """
    image = open_unseen(
        path,
        axes=axes,
        voxel_um=voxel_um,
        channel=channel,
        timepoint=timepoint,
        allow_incomplete=allow_incomplete,
        fits=fits,
        stacks_only=stacks_only,
    )
    image, warnings, _ = look_over(image, path, fill_nonfinite=fill_nonfinite)
    return image, warnings


def open_unseen(
    path: str | Path,
    *,
    axes: str | None = None,
    voxel_um: VoxelSize | None = None,
    channel: int | None = None,
    timepoint: int | None = None,
    allow_incomplete: bool = False,
    fits: Callable[[Image], object] = Grid.of,
    stacks_only: bool = True,
) -> Image:
    """As `open_image`, but no pixel is looked at."""
    image = read.open(path, axes=axes, voxel_um=voxel_um, allow_incomplete=allow_incomplete)
    for axis, index in (("C", channel), ("T", timepoint)):
        if index is not None:
            image = _selected(image, axis, index)
    if stacks_only and "Z" not in image.axes:
        raise InputError(
            f"holds no stack of planes: {describe_shape(image.shape, image.axes)}",
            where=str(path),
            remedy="Give a stack with at least 2 planes along Z; --axes names the dimensions",
        )
    image = image.arranged("".join(a for a in "TCZYX" if a in image.axes))
    fits(image)
    return image


def look_over(
    image: Image,
    path: str | Path,
    *,
    fill_nonfinite: bool = False,
    percentiles: tuple[float, float] = USUAL,
) -> tuple[Image, list[str], float | None]:
    """Look at every pixel of an image that was opened, at those of a large file once for all.

    `percentiles` will be asked for.

    Returns
    -------
    image, warnings
        As of `open_image`.
    fill
        What non-finite pixels were taken as; None where there are none.
    """
    seen = once.scan(image, percentiles)
    refuse_unfit(seen, image, fill_nonfinite=fill_nonfinite)
    gaps = read.gaps_of(path)
    warnings = [gaps] if gaps else []
    fill = seen.minimum if seen.nonfinite else None
    if fill is not None:
        image = filled(image, fill)
        warnings.append(f"{seen.nonfinite} NaN or infinite pixels were taken as {seen.minimum:g}.")
    if seen.saturated > 1e-3:
        warnings.append(
            f"{seen.saturated:.2%} of the pixels are saturated; their true brightness is lost."
        )
    return image, warnings, fill


_CHOOSES = {"C": "--channel", "T": "--timepoint"}


def _selected(image: Image, axis: str, index: int) -> Image:
    if axis not in image.axes:
        raise InputError(
            f"has no axis {axis} to choose from, but {describe_shape(image.shape, image.axes)}",
            where=image.source,
            remedy=f"Leave {_CHOOSES[axis]} out",
        )
    return image.select(axis, index)


@dataclass(frozen=True)
class Optics:
    """What the command line says of the microscope.

    Parameters
    ----------
    psf
        ``none``, ``auto`` (found from the stack by `carescope.jobs.blind`), a key of
        `carescope.physics.psf.KINDS`, or the file of a measured PSF.
    na, na_illum, wavelength_um, refractive_index, sigma_um
        Of the kinds that need them.
    psf_voxel_um
        Voxel size of a measured PSF, instead of its file's.

    Raises
    ------
    UsageError
        Something is given that `psf` has no use for.
    """

    psf: str = "none"
    na: float | None = None
    na_illum: float | None = None
    wavelength_um: float | None = None
    refractive_index: float | None = None
    sigma_um: VoxelSize | None = None
    psf_voxel_um: VoxelSize | None = None

    def __post_init__(self) -> None:
        given = [f.name for f in fields(self)[1:] if getattr(self, f.name) is not None]
        for name in given:
            of_a_file = name == "psf_voxel_um"
            # Which optics a kind needs and which it does not take, the kind itself says.
            if self._without or of_a_file == self._modelled:
                raise UsageError(
                    f"says nothing about --psf {self.psf}",
                    where="--" + name.replace("_", "-"),
                    remedy="Leave it out, or name with --psf the one that it describes",
                )

    @property
    def _modelled(self) -> bool:
        """Whether `psf` is the name of a kind, though perhaps misspelt, and not of a file."""
        return self.psf in KINDS or not Path(self.psf).suffix

    @property
    def _without(self) -> bool:
        """Whether nothing is said of the optics."""
        return self.psf in ("none", "auto")

    def point_spread(self, spacing_um: VoxelSize) -> PSF | None:
        """The point-spread function sampled at `spacing_um`, or None."""
        if self._without:
            return None
        if self._modelled:
            return named(
                self.psf,
                spacing_um,
                na=self.na,
                na_illum=self.na_illum,
                wavelength_um=self.wavelength_um,
                refractive_index=self.refractive_index,
                sigma_um=self.sigma_um,
            )
        try:
            beads = read.open(self.psf, axes="ZYX", voxel_um=self.psf_voxel_um)
        except InputError as error:
            raise InputError(
                f"cannot serve as a measured PSF: {error.what}",
                where=self.psf,
                remedy="Give --psf a sound TIFF of a bead, a stack with axes ZYX",
            ) from error
        if beads.voxel_um is None:
            raise InputError(
                "does not say how large the voxels of the measured PSF are",
                where=self.psf,
                remedy="Give their size with --psf-voxel-um Z,Y,X",
            )
        seen = measured(beads.array(), beads.voxel_um)
        return replace(seen, parameters={"file": Path(self.psf).name, "voxel_um": beads.voxel_um})

    def files(self) -> list[Path]:
        """The files that are read, which no output may replace."""
        return [] if self._without or self._modelled else [Path(self.psf)]

    def grid(self, stack: Image, factor: float | None = None) -> Grid:
        """The geometry of a stack under these optics, or a refusal; no pixel of it is read."""
        if self.psf == "auto":
            return Grid.of(stack, factor=factor)
        return self.microscope(stack, factor).grid(stack)

    def microscope(self, stack: Image, factor: float | None = None) -> Microscope:
        """The microscope that took a stack, its PSF sampled for the stack's restored grid."""
        spacing_um = Grid.of(stack, factor=factor).spacing_um
        return Microscope(self.point_spread((spacing_um, *stack.voxel()[1:])), factor=factor)
