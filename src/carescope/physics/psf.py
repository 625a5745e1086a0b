"""Point spread functions: how a microscope spreads a point of light over voxels.

Each kind of PSF is one function and one entry of `KINDS`; the command line's ``--psf`` finds
it there, with the options that its arguments name.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from carescope.errors import UsageError
from carescope.image import VoxelSize, check_voxel_um
from carescope.physics import optics
from carescope.physics.optics import check_optics
from carescope.physics.pointspread import PSF, Floats, gaussian_taps, measured

__all__ = [
    "KINDS",
    "PSF",
    "confocal",
    "gaussian",
    "lightsheet",
    "measured",
    "named",
    "twophoton",
    "widefield",
]

WATER = 1.33
# Where only the emission is known: 489 nm for 520 nm.
EXCITATION_PER_EMISSION = 0.94


def gaussian(sigma_um: tuple[float, float, float], spacing_um: VoxelSize) -> PSF:
    """A Gaussian PSF.

    Parameters
    ----------
    sigma_um
        Standard deviation (z, y, x) in micrometres; 0 leaves an axis sharp.
    spacing_um
        Voxel size (z, y, x) in micrometres.

    Raises
    ------
    UsageError
        These are not three standard deviations.
    """
    sigma = tuple(float(s) for s in sigma_um)
    if len(sigma) != 3 or not all(math.isfinite(s) and s >= 0 for s in sigma):
        raise UsageError(
            f"{sigma_um!r} are not three standard deviations",
            where="--sigma-um",
            remedy="Give them in micrometres as --sigma-um Z,Y,X, for example 1.6,0.4,0.4",
        )
    spacing_um = check_voxel_um(spacing_um)
    relative = [s / d for s, d in zip(sigma, spacing_um, strict=True)]
    optics.check_size([2 * math.ceil(4 * s) + 1 for s in relative])
    z, y, x = (gaussian_taps(s) for s in relative)
    values = z[:, None, None] * y[:, None] * x
    return _modelled(gaussian, values, spacing_um, sigma_um=sigma)


def widefield(
    na: float, wavelength_um: float, refractive_index: float, spacing_um: VoxelSize
) -> PSF:
    """The detection PSF of a widefield microscope, for emitters that turn freely.

    Its light spreads in cones that never end, so it is cut off at 2.5 axial widths from
    focus; what lies beyond adds little to an image but background. Across, it reaches
    12 wavelength / NA, which holds 99 % of the light in focus.

    Parameters
    ----------
    na, refractive_index
        The objective's numerical aperture, and the index of its immersion, above `na`.
    wavelength_um
        Emission wavelength in micrometres.
    spacing_um
        Voxel size (z, y, x) in micrometres.

    Raises
    ------
    UsageError
        The optics are impossible.
    """
    check_optics(na, wavelength_um, refractive_index)
    lens = {"na": na, "wavelength_um": wavelength_um, "refractive_index": refractive_index}
    fine_z, fine_r = optics.fwhm_um(**lens)
    values = optics.voxels(
        optics.emission(**lens),
        spacing_um,
        extent_um=(2.5 * fine_z, 12 * wavelength_um / na),
        finest_um=(fine_z, fine_r),
    )
    return _modelled(widefield, values, spacing_um, **lens)


def confocal(
    na: float,
    wavelength_um: float,
    refractive_index: float,
    spacing_um: VoxelSize,
    excitation_um: float | None = None,
) -> PSF:
    """The PSF of a confocal microscope: excitation x (emission seen through the pinhole).

    The round pinhole measures one Airy unit across, 1.22 wavelength / NA in the sample. The
    PSF is cut off at 3 widefield widths along z and 6 wavelength / NA across.

    Parameters
    ----------
    na, refractive_index, spacing_um
        As for `widefield`.
    wavelength_um
        Emission wavelength in micrometres.
    excitation_um
        Excitation wavelength in micrometres, at most the emission's; by default 0.94 times it.

    Raises
    ------
    UsageError
        The optics are impossible.
    """
    check_optics(na, wavelength_um, refractive_index)
    excitation_um = _excitation_um(wavelength_um, excitation_um)
    lens = {"na": na, "wavelength_um": wavelength_um, "refractive_index": refractive_index}
    fine_z, fine_r = optics.fwhm_um(na, excitation_um, refractive_index)
    values = optics.voxels(
        optics.through_pinhole(**lens, excitation_um=excitation_um),
        spacing_um,
        extent_um=(3 * optics.fwhm_um(**lens)[0], 6 * wavelength_um / na),
        finest_um=(fine_z / math.sqrt(2), fine_r / math.sqrt(2)),
    )
    return _modelled(confocal, values, spacing_um, **lens, excitation_um=excitation_um)


def twophoton(
    na: float, wavelength_um: float, refractive_index: float, spacing_um: VoxelSize
) -> PSF:
    """The PSF of a two-photon microscope without a pinhole: excitation squared.

    It is cut off at 3 widths of the excitation along z and 6 wavelength / NA across.

    Parameters
    ----------
    na, refractive_index, spacing_um
        As for `widefield`.
    wavelength_um
        **Excitation** wavelength in micrometres, for example 0.78.

    Raises
    ------
    UsageError
        The optics are impossible.
    """
    check_optics(na, wavelength_um, refractive_index)
    lens = {"na": na, "wavelength_um": wavelength_um, "refractive_index": refractive_index}
    fine_z, fine_r = optics.fwhm_um(**lens)
    values = optics.voxels(
        optics.excitation_squared(**lens),
        spacing_um,
        extent_um=(3 * fine_z, 6 * wavelength_um / na),
        finest_um=(fine_z / math.sqrt(2), fine_r / math.sqrt(2)),
    )
    return _modelled(twophoton, values, spacing_um, **lens)


def lightsheet(
    na: float,
    na_illum: float,
    wavelength_um: float,
    refractive_index: float,
    spacing_um: VoxelSize,
    excitation_um: float | None = None,
) -> PSF:
    """The PSF of a light-sheet microscope: widefield detection x the sheet's profile along z.

    The sheet is Gaussian, ``exp(-2 z^2 / w^2)`` with the waist ``w = excitation / (pi NA_illum)``,
    and runs along a lateral axis; that it widens away from its waist is left out. The PSF is
    cut off at 1.6 waists along z (99.9 % of the sheet), or at 10 widths of the detection.

    Parameters
    ----------
    na, refractive_index, spacing_um
        Of the detection, as for `widefield`.
    na_illum
        Numerical aperture of the illumination.
    wavelength_um
        Emission wavelength in micrometres.
    excitation_um
        Excitation wavelength in micrometres, at most the emission's; by default 0.94 times it.

    Raises
    ------
    UsageError
        The optics are impossible.
    """
    check_optics(na, wavelength_um, refractive_index)
    check_optics(na_illum, wavelength_um, refractive_index, option="--na-illum")
    excitation_um = _excitation_um(wavelength_um, excitation_um)
    lens = {"na": na, "wavelength_um": wavelength_um, "refractive_index": refractive_index}
    waist_um = excitation_um / (math.pi * na_illum)
    fine_z, fine_r = optics.fwhm_um(**lens)
    depth_um = min(1.6 * waist_um, 10 * fine_z)
    cone_um = depth_um * na / math.sqrt(refractive_index**2 - na**2)
    values = optics.voxels(
        optics.lit_by_sheet(optics.emission(**lens), waist_um),
        spacing_um,
        extent_um=(depth_um, max(12 * wavelength_um / na, 1.2 * cone_um)),
        finest_um=(min(fine_z, waist_um), fine_r),
    )
    parameters = {**lens, "na_illum": na_illum, "excitation_um": excitation_um}
    return _modelled(lightsheet, values, spacing_um, **parameters)


KINDS: dict[str, Callable[..., PSF]] = {
    "gaussian": gaussian,
    "widefield": widefield,
    "confocal": confocal,
    "twophoton": twophoton,
    "lightsheet": lightsheet,
}


def named(
    kind: str,
    spacing_um: VoxelSize,
    *,
    na: float | None = None,
    na_illum: float | None = None,
    wavelength_um: float | None = None,
    refractive_index: float | None = None,
    sigma_um: tuple[float, float, float] | None = None,
) -> PSF:
    """The PSF that the command line's ``--psf KIND`` and its options describe.

    The refractive index is that of water, 1.33, unless given.

    Raises
    ------
    UsageError
        There is no such kind, an option that it needs is missing, an option is given that it
        does not take, or the optics are impossible.
    """
    if kind not in KINDS:
        raise UsageError(
            f"there is no PSF {kind!r}",
            where="--psf",
            remedy=f"Choose one of {', '.join(KINDS)}, or give the file of a measured PSF",
        )
    options = {
        "na": na,
        "na_illum": na_illum,
        "wavelength_um": wavelength_um,
        "refractive_index": refractive_index,
        "sigma_um": sigma_um,
    }
    arguments = inspect.signature(KINDS[kind]).parameters
    surplus = [_option(n) for n, v in options.items() if v is not None and n not in arguments]
    if surplus:
        raise UsageError(f"--psf {kind} takes no {' or '.join(surplus)}", remedy="Leave it out")
    if options["refractive_index"] is None:
        options["refractive_index"] = WATER
    needed = {n: options[n] for n in options if n in arguments}
    missing = [_option(n) for n, v in needed.items() if v is None]
    if missing:
        raise UsageError(
            f"--psf {kind} needs {' and '.join(missing)}",
            remedy="The microscope's metadata or its objective's engraving tells",
        )
    return KINDS[kind](**needed, spacing_um=spacing_um)


def _option(argument: str) -> str:
    return "--" + argument.replace("_", "-")


def _excitation_um(emission_um: float, excitation_um: float | None) -> float:
    if excitation_um is None:
        return EXCITATION_PER_EMISSION * emission_um
    if not 0 < excitation_um <= emission_um:
        raise UsageError(
            f"an excitation of {excitation_um:g} um cannot give an emission of {emission_um:g} um",
            where="excitation_um",
            remedy="Give a wavelength that is positive and at most the emission's",
        )
    return excitation_um


def _modelled(
    function: Callable[..., PSF], values: Floats, spacing_um: VoxelSize, **parameters: Any
) -> PSF:
    model = partial(function, **parameters)
    return PSF(values, spacing_um, function.__name__, parameters, model)
