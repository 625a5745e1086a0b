"""What a microscope would record of a density, but for the noise: ``S(h * f)`` in grey levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError, UsageError
from carescope.physics import sampling
from carescope.physics.blur import blur
from carescope.physics.camera import Noise
from carescope.physics.psf import PSF

Real = npt.NDArray[Any]


def expected(
    density: Real, noise: Noise, *, photons: float, psf: PSF | None = None, factor: float = 1.0
) -> npt.NDArray[np.float32]:
    """Grey levels without noise of a structure seen through a microscope.

    ``offset + gain * photons * s / max(s)`` with ``s`` the density that is blurred by the PSF and
    sampled along z. With `carescope.physics.camera.expose` it is the whole way
    ``g = P[S(h * f)] + eta``.

    Parameters
    ----------
    density
        (Z, Y, X), or (Y, X) for something flat in focus; not negative.
    noise
        The camera; its gain must be positive.
    photons
        Photo-electrons in the brightest voxel, positive.
    psf
        Sampled as the density is; None for none. Something flat is blurred by the PSF's plane in
        focus, of sum 1.
    factor
        Planes of the density per recorded plane, at least 1; need not be whole.

    Returns
    -------
    (planes, Y, X) or (Y, X) float32.

    Raises
    ------
    UsageError
        Photons or gain are not positive, or something flat is to be sampled along z.
    InputError
        There is no light.
    """
    check_exposure(noise, photons, factor, density.ndim)
    light = density
    if psf is not None:
        light = blur(density, psf.values if density.ndim == 3 else in_focus(psf))
    if factor != 1:
        light = sampling.sample(light, factor)
    light = np.maximum(light, 0)  # what Fourier transforms and cubic interpolation leave below
    return grey_levels(light, float(light.max()), noise, photons)


def grey_levels(
    light: Real, brightest: float, noise: Noise, photons: float
) -> npt.NDArray[np.float32]:
    """``offset + gain * photons * light / brightest``, float32.

    Raises
    ------
    InputError
        The brightest voxel has no light.
    """
    if not brightest > 0:
        raise InputError("there is no light to record", remedy="Give a density that is not 0")
    return np.asarray(noise.offset + noise.gain * photons / brightest * light, np.float32)


def check_exposure(noise: Noise, photons: float, factor: float, ndim: int) -> None:
    """Refuse what `expected` would refuse, before there is a density.

    Raises
    ------
    UsageError
        As `expected`; `ndim` is the density's number of dimensions.
    """
    if not (0 < photons < np.inf and noise.gain > 0):
        raise UsageError(
            f"{photons:g} photo-electrons of {noise.gain:g} grey levels each make no image",
            where="--photons",
            remedy="Give positive numbers to --photons and --gain",
        )
    if ndim == 2 and factor != 1:
        raise UsageError(
            f"an image without planes cannot be sampled every {factor:g}",
            where="--factor",
            remedy="Leave it out, or give a --shape of Z,Y,X",
        )


def in_focus(psf: PSF) -> npt.NDArray[np.float64]:
    """The (Y, X) plane of a PSF in focus, of sum 1: how it blurs what is flat."""
    plane = psf.values[len(psf.values) // 2]
    return np.asarray(plane / plane.sum())
