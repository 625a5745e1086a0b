"""From the optics of a microscope to the light in each voxel.

The `psf` library integrates the diffraction of an objective (Richards and Wolf,
doi:10.1098/rspa.1959.0200) on a plane of axial and radial distances; this module checks the
optics, asks for that plane finely enough, and gathers it into voxels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import UsageError
from carescope.image import VoxelSize, check_voxel_um

Floats = npt.NDArray[np.float64]
Profile = Callable[[tuple[int, int], tuple[float, float]], Floats]

MAX_VOXELS = 30_000_000
# Radius of the lens over that of the laser beam that fills it: the beam is much the wider.
EVENLY_FILLED = 0.01


def fwhm_um(na: float, wavelength_um: float, refractive_index: float) -> tuple[float, float]:
    """Axial and lateral full width at half maximum of the widefield PSF, in micrometres.

    ``0.88 wavelength / (n - sqrt(n^2 - NA^2))`` and ``0.51 wavelength / NA``.
    """
    depth = refractive_index - math.sqrt(refractive_index**2 - na**2)
    return 0.88 * wavelength_um / depth, 0.51 * wavelength_um / na


def check_optics(
    na: float, wavelength_um: float, refractive_index: float, *, option: str = "--na"
) -> None:
    """Refuse optics that no microscope has.

    Raises
    ------
    UsageError
        A value is not positive, the wavelength is not one of light in micrometres, or the
        aperture is not below the refractive index. Names the option.
    """
    for name, value, unit in (
        (option, na, ""),
        ("--wavelength-um", wavelength_um, " um"),
        ("--refractive-index", refractive_index, ""),
    ):
        if not (math.isfinite(value) and value > 0):
            raise UsageError(
                f"{value:g}{unit} is not a positive number",
                where=name,
                remedy=f"Give {name} as a positive number",
            )
    if not 0.1 <= wavelength_um <= 10:
        raise UsageError(
            f"{wavelength_um:g} um is not a wavelength of light",
            where="--wavelength-um",
            remedy="Give it in micrometres: 520 nm is --wavelength-um 0.52",
        )
    if na >= refractive_index:
        raise UsageError(
            f"an aperture of {na:g} needs a refractive index above it, "
            f"and --refractive-index is {refractive_index:g}",
            where=option,
            remedy="Give the index of the immersion, for example --refractive-index 1.515 for oil",
        )


def check_size(shape: Sequence[int]) -> None:
    """Refuse a PSF of more than 30 million voxels.

    Raises
    ------
    UsageError
        It has more.
    """
    if math.prod(shape) > MAX_VOXELS:
        raise UsageError(
            f"the PSF spans {describe_shape(tuple(shape))} voxels, "
            "so a voxel is far smaller than what is resolved",
            where="--voxel-um",
            remedy="Check --voxel-um and the options of --psf, all in micrometres",
        )


def voxels(
    profile: Profile,
    spacing_um: VoxelSize,
    *,
    extent_um: tuple[float, float],
    finest_um: tuple[float, float],
) -> Floats:
    """The light that falls into each voxel from a PSF that is symmetric about its axis.

    Parameters
    ----------
    profile
        ``profile((nz, nr), (depth, radius))`` gives the intensity at axial distances
        ``i * depth / nz`` and radial distances ``j * radius / nr``, in micrometres.
    spacing_um
        Voxel size (z, y, x) in micrometres.
    extent_um
        Reach from the centre along the axis and across it; beyond lies nothing.
    finest_um
        Axial and lateral width of the finest structure of the PSF, sampled at least six
        times.

    Returns
    -------
    (Z, Y, X) array of float64, odd sizes, its sum 1.

    Raises
    ------
    UsageError
        The PSF would have too many voxels.
    """
    spacing_um = check_voxel_um(spacing_um)
    depth_um, radius_um = extent_um
    reach = (depth_um, radius_um, radius_um)
    half = [max(1, math.ceil(r / s)) for r, s in zip(reach, spacing_um, strict=True)]
    check_size([2 * h + 1 for h in half])
    fine_z, fine_r = finest_um
    parts = [
        2 * math.ceil(2 * s / f) + 1
        for s, f in zip(spacing_um, (fine_z, fine_r, fine_r), strict=True)
    ]
    shape = (half[0] * parts[0] + parts[0] // 2 + 1, math.ceil(32 * radius_um / fine_r) + 1)
    radii = np.arange(shape[1]) * (fine_r / 32)
    step_z = spacing_um[0] / parts[0]
    intensity = profile(shape, (shape[0] * step_z, shape[1] * fine_r / 32))

    rows = np.arange(half[0] + 1)[:, None] * parts[0] + np.arange(parts[0]) - parts[0] // 2
    planes = intensity[np.abs(rows)].mean(axis=1)
    y, x = (
        (np.arange(h + 1)[:, None] + (np.arange(p) - p // 2) / p) * s
        for h, p, s in zip(half[1:], parts[1:], spacing_um[1:], strict=True)
    )
    distance = np.hypot(y[:, None, :, None], x[None, :, None, :])
    quadrant = np.stack(
        [np.interp(distance, radii, plane, right=0.0).mean(axis=(2, 3)) for plane in planes]
    )
    values = np.pad(quadrant, [(h, 0) for h in half], mode="reflect")
    return np.asarray(values / values.sum())


def emission(na: float, wavelength_um: float, refractive_index: float) -> Profile:
    """Light gathered from emitters that turn freely: the widefield detection PSF."""
    import psf

    def profile(shape: tuple[int, int], extent_um: tuple[float, float]) -> Floats:
        return psf.PSF(
            psf.ISOTROPIC | psf.EMISSION,
            shape,
            extent_um,
            em_wavelen=1e3 * wavelength_um,
            num_aperture=na,
            refr_index=refractive_index,
        ).data

    return profile


def excitation_squared(na: float, wavelength_um: float, refractive_index: float) -> Profile:
    """Two-photon excitation: the square of the intensity in the focus of a laser."""
    import psf

    def profile(shape: tuple[int, int], extent_um: tuple[float, float]) -> Floats:
        intensity = psf.PSF(
            psf.ISOTROPIC | psf.EXCITATION,
            shape,
            extent_um,
            ex_wavelen=1e3 * wavelength_um,
            num_aperture=na,
            refr_index=refractive_index,
            underfilling=EVENLY_FILLED,
        ).data
        return np.asarray(intensity**2)

    return profile


def through_pinhole(
    na: float, wavelength_um: float, refractive_index: float, excitation_um: float
) -> Profile:
    """Confocal: excitation x emission blurred by a round pinhole of one Airy unit across."""
    import psf

    def profile(shape: tuple[int, int], extent_um: tuple[float, float]) -> Floats:
        return psf.PSF(
            psf.ISOTROPIC | psf.CONFOCAL,
            shape,
            extent_um,
            ex_wavelen=1e3 * excitation_um,
            em_wavelen=1e3 * wavelength_um,
            num_aperture=na,
            refr_index=refractive_index,
            underfilling=EVENLY_FILLED,
            pinhole_radius=0.61 * wavelength_um / na,
        ).data

    return profile


def lit_by_sheet(detection: Profile, waist_um: float) -> Profile:
    """Detection x a Gaussian sheet of light in focus, ``exp(-2 z^2 / waist^2)``."""

    def profile(shape: tuple[int, int], extent_um: tuple[float, float]) -> Floats:
        z_um = np.arange(shape[0]) * extent_um[0] / shape[0]
        sheet = np.exp(-2 * (z_um / waist_um) ** 2)
        return np.asarray(detection(shape, extent_um) * sheet[:, None])

    return profile
