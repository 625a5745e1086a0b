"""A volume as it would look if it were as blurred along z as it is across."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.physics import kernel
from carescope.physics.pointspread import PSF

FREQUENCIES = 2000
NYQUIST = 0.5


def isotropic_blur(volume: npt.ArrayLike, psf: PSF) -> npt.NDArray[np.float32]:
    r"""Blur in every direction as a PSF blurs across: the truth that restoring aims at.

    The transfer function is :math:`H_{iso}(|k|)` of `carescope.physics.kernel.isotropic`, taken at
    the length of the 3D frequency, and zero beyond the Nyquist frequency of an axis. Borders are
    mirrored.

    Parameters
    ----------
    volume : (Z, Y, X) array
        On voxels of equal sides.
    psf
        Sampled on the voxels of the volume.

    Returns
    -------
    (Z, Y, X) float32 array

    References
    ----------
    M. Weigert et al., MICCAI 2017, doi:10.1007/978-3-319-66185-8_15, section 3.1.
    """
    from scipy.fft import fftfreq, irfftn, next_fast_len, rfftfreq, rfftn

    density = np.asarray(volume, np.float32)
    # Summed along one axis, the kernel's transform is a line through its transfer function.
    profile = kernel.isotropic(psf).sum(axis=0)
    half = len(profile) // 2
    pads = [(half, half + next_fast_len(n + 2 * half, True) - n - 2 * half) for n in density.shape]
    padded = np.pad(density, pads, mode="symmetric")
    spectrum: npt.NDArray[Any] = rfftn(padded)
    fine = np.linspace(0, NYQUIST, FREQUENCIES)
    transfer = np.cos(2 * np.pi * np.outer(fine, np.arange(-half, half + 1))) @ profile
    z, y, x = (
        *(fftfreq(n)[:, None] for n in padded.shape[:2]),
        rfftfreq(padded.shape[2])[None, :],
    )
    for plane, height in zip(spectrum, z.ravel(), strict=True):  # lest radii fill the memory
        radius = np.sqrt(height**2 + y**2 + x**2)
        plane *= np.interp(radius, fine, transfer, right=0.0)
    blurred = irfftn(spectrum, padded.shape)
    inside = tuple(slice(half, half + n) for n in density.shape)
    return np.ascontiguousarray(blurred[inside], np.float32)
