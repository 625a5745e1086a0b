"""Make photon noise equally strong everywhere, and back: the generalised Anscombe transform.

Most denoisers take the noise to be the same in dark and bright parts. That of a camera grows with
the light; after a square root it does not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from carescope.physics.camera import Noise

Floats = npt.NDArray[np.float64]

# Photon noise of less than this share of the read noise is left alone, and a read noise of less
# than this share of the unit counts as this much, so that nothing is divided by zero.
NEGLIGIBLE, LEAST_READ_NOISE = 1e-3, 1e-4


def forward(image: npt.ArrayLike, noise: Noise) -> Floats:
    r"""Grey levels to values whose noise has a standard deviation of 1.

    :math:`\frac{2}{a}\sqrt{\max(a (g - b) + \frac38 a^2 + r^2, 0)}` with gain a, offset b and read
    noise r; without photon noise, :math:`(g - b) / r`.

    Parameters
    ----------
    image : array of any shape
        Normalised grey levels: those of interest lie between about 0 and 1.
    noise
        The camera, in the same unit.

    References
    ----------
    M. Mäkitalo, A. Foi, IEEE Trans. Image Process. 22, 2013, doi:10.1109/TIP.2012.2202675.
    """
    light = np.asarray(image, np.float64) - noise.offset
    gain, read_noise = noise.gain, max(noise.read_noise, LEAST_READ_NOISE)
    if gain < NEGLIGIBLE * read_noise**2:
        return np.asarray(light / read_noise)
    return 2 / gain * np.sqrt(np.maximum(gain * light + 3 / 8 * gain**2 + read_noise**2, 0))


def inverse(stabilised: npt.ArrayLike, noise: Noise) -> Floats:
    """The grey levels whose stabilised values have a given mean.

    Noise and root do not commute, so the algebraic inverse would be biased; this is the closed
    form of the unbiased one, for at least 0 photons (same paper, equation 9).

    Parameters
    ----------
    stabilised : array of any shape
        Such as `forward` gives, denoised.
    noise
        The camera that `forward` was given.
    """
    values = np.asarray(stabilised, np.float64)
    gain, read_noise = noise.gain, max(noise.read_noise, LEAST_READ_NOISE)
    if gain < NEGLIGIBLE * read_noise**2:
        return values * read_noise + noise.offset
    root = np.sqrt(3 / 2)
    d = np.maximum(values, root)  # the transform of 0 photons: 2 sqrt(3/8)
    photons = d**2 / 4 + root / 4 / d - 11 / 8 / d**2 + 5 / 8 * root / d**3 - 1 / 8
    return np.asarray((photons - (read_noise / gain) ** 2) * gain + noise.offset)
