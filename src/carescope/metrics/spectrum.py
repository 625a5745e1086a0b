"""How much detail a volume holds along each of its axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError

Float64 = npt.NDArray[np.float64]
Spectra = dict[str, tuple[Float64, Float64]]

FLOOR_FROM = 0.9  # the noise floor is read above this share of an axis's Nyquist frequency
LOWEST_CYCLES = 2.0  # below two cycles in the extent lies what the Hann window leaks from DC
LOWEST_SHARE = 0.25  # of the highest common frequency; why is in isotropy_ratio


def power_spectrum_axes(
    volume: npt.ArrayLike,
    spacing_um: tuple[float, float, float] = (1.0, 1.0, 1.0),
    *,
    subtract_floor: bool = False,
) -> Spectra:
    r"""One-dimensional power spectra along z, y and x.

    Along each axis, every line of voxels loses its (window-weighted) mean, is multiplied by a
    periodic Hann window w and Fourier transformed; the squared magnitudes are averaged over
    all lines:

    .. math:: P(f) = \frac{2 d}{\sum w^2} \langle | \sum_n w_n (v_n - \bar v)
              e^{-2 \pi i f n d} |^2 \rangle

    with d the spacing: a one-sided density, so that spectra of axes of unequal spacing and
    length compare, and P integrates over f to the mean variance of a line.

    Parameters
    ----------
    volume : (Z, Y, X) array
        At least 5 voxels along every axis, in any unit.
    spacing_um
        Voxel size (z, y, x) in micrometres.
    subtract_floor
        Subtract the noise floor, per axis the mean of P above 0.9 of that axis's Nyquist
        frequency, and set to zero what falls below it. Only for volumes whose structure does
        not reach that far.

    Returns
    -------
    dict
        For each of ``"z"``, ``"y"``, ``"x"`` the frequencies in cycles per micrometre, without
        zero frequency, and the power there, in the volume's unit squared times micrometres.

    Raises
    ------
    InputError
        The volume is not 3D, too small, or not finite, or the spacing is not positive.
    """
    array = _volume(volume, spacing_um)
    spectra: Spectra = {}
    for axis, name in enumerate("zyx"):
        step = float(spacing_um[axis])
        lines = np.moveaxis(array, axis, -1)
        n = lines.shape[-1]
        power = np.zeros(n // 2 + 1)
        for sheet in lines:  # one sheet at a time, so that the transform needs little memory
            power += _line_power(np.asarray(sheet, np.float64))
        power *= 2 * step / len(lines)
        frequency: Float64 = np.fft.rfftfreq(n, step).astype(np.float64)
        if subtract_floor:
            power = np.maximum(power - power[frequency >= FLOOR_FROM / (2 * step)].mean(), 0)
        spectra[name] = (frequency[1:], power[1:])
    return spectra


def isotropy_ratio(spectra: Spectra, band: tuple[float, float] | None = None) -> float:
    r"""Spectral energy along z over that along y and x, in one band of frequencies.

    .. math:: \Phi = \frac{\int_{band} P_z df}{\frac12 \int_{band} (P_y + P_x) df}

    Parameters
    ----------
    spectra
        What `power_spectrum_axes` returned.
    band
        Lowest and highest frequency in cycles per micrometre, for all axes alike; see
        `common_band` for the default.

    Returns
    -------
    float
        1 where the volume is as detailed along z as across, below 1 where z is blurred.

    Raises
    ------
    InputError
        The band is empty or leaves what an axis can resolve, or holds no lateral energy.

    Notes
    -----
    Over all frequencies each of the three spectra integrates to about the variance of the
    volume, so that a band that starts near zero gives a ratio near 1 whatever the blur. Blur
    shows in the upper frequencies.
    """
    default = common_band(spectra)
    highest = default[1]
    low, high = default if band is None else band
    if not (0 < low < high <= highest * (1 + 1e-9)):
        raise InputError(
            f"the band {low:g} to {high:g} cycles/um is not within what the three axes share, "
            f"0 to {highest:g} cycles/um",
            remedy="Give a lower and a higher frequency in that range, or a larger volume",
        )
    z, y, x = (_energy(*spectra[name], low, high) for name in "zyx")
    if not y + x > 0:
        raise InputError(
            f"there is no lateral detail between {low:g} and {high:g} cycles/um",
            remedy="Give a volume that shows something, or another band",
        )
    return 2 * z / (y + x)


def spectral_isotropy(
    volume: npt.ArrayLike,
    spacing_um: tuple[float, float, float] = (1.0, 1.0, 1.0),
    band: tuple[float, float] | None = None,
    *,
    subtract_floor: bool = False,
) -> float:
    """The spectral isotropy ratio of a volume: 1 is isotropic, below 1 is blurred along z.

    The paper defines it as "the ratio of spectral energy of the signal in the Fourier domain
    along the axial and lateral dimension". Window, mean removal and noise floor are those of
    `power_spectrum_axes`; band and ratio those of `isotropy_ratio`. Compare only values of
    volumes with the same spacing and the same band: upsample a coarse stack first.

    Parameters
    ----------
    volume : (Z, Y, X) array
        At least 5 voxels along every axis, in any unit.
    spacing_um
        Voxel size (z, y, x) in micrometres; need not be equal.
    band
        Lowest and highest frequency in cycles per micrometre.
    subtract_floor
        Whether to subtract each axis's noise floor.

    Raises
    ------
    InputError
        As `power_spectrum_axes` and `isotropy_ratio`.

    References
    ----------
    M. Weigert et al., Nature Methods 15, 2018, Methods, "Drosophila isotropic restoration and
    segmentation", doi:10.1038/s41592-018-0216-7.
    """
    spectra = power_spectrum_axes(volume, spacing_um, subtract_floor=subtract_floor)
    return isotropy_ratio(spectra, band)


def common_band(spectra: Spectra) -> tuple[float, float]:
    """Return the default band of `isotropy_ratio`, in cycles per micrometre.

    It ends at the smallest of the three highest frequencies, which is the Nyquist frequency of
    the axis with the coarsest voxels, and begins at a quarter of that, but not below two
    cycles in the shortest extent.
    """
    high = min(float(frequency[-1]) for frequency, _ in spectra.values())
    leaked = LOWEST_CYCLES * max(float(frequency[0]) for frequency, _ in spectra.values())
    return max(LOWEST_SHARE * high, leaked), high


def _line_power(lines: Float64) -> Float64:
    """Mean over the lines (M, N) of the windowed squared spectrum, (N // 2 + 1,)."""
    n = lines.shape[-1]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    mean = (lines @ window / window.sum())[:, None]
    transform = np.fft.rfft((lines - mean) * window, axis=-1)
    squared = np.square(transform.real) + np.square(transform.imag)
    return np.asarray(squared.mean(axis=0) / np.square(window).sum(), np.float64)


def _energy(frequency: Float64, power: Float64, low: float, high: float) -> float:
    """Integrate a spectrum over a band; each sample stands for one bin about its frequency."""
    half = frequency[0] / 2
    overlap = np.minimum(frequency + half, high) - np.maximum(frequency - half, low)
    return float(np.sum(power * np.maximum(overlap, 0)))


def _volume(volume: npt.ArrayLike, spacing_um: tuple[float, float, float]) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.asarray(volume)
    if array.ndim != 3 or min(array.shape) < 5:
        raise InputError(
            f"a power spectrum needs a (Z, Y, X) volume of at least 5 voxels along every axis, "
            f"not {describe_shape(array.shape)}",
            remedy="Give one channel and one time point of a larger stack",
        )
    if not all(np.isfinite(s) and s > 0 for s in spacing_um):
        raise InputError(
            f"the spacing {spacing_um!r} is not three positive numbers in micrometres",
            remedy="Give the voxel size as (z, y, x), or as --voxel-um Z,Y,X",
        )
    if not all(np.isfinite(plane).all() for plane in array):
        raise InputError(
            "the volume holds values that are not finite",
            remedy="Replace or crop them away",
        )
    return array
