"""Resolution from two images of the same thing: Fourier ring and shell correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError, UsageError
from carescope.metrics.arrays import pair, refuse_constant

Float64 = npt.NDArray[np.float64]
Threshold = Literal["1/7", "half-bit"]

LEAST_PX = 8
# A single ring scatters: it is below the threshold only if so is the mean of as many rings, of
# itself and those that follow.
CONFIRMED_BY = 3


@dataclass(frozen=True)
class RingCorrelation:
    """A Fourier ring (planes) or shell (volumes) correlation.

    Parameters
    ----------
    frequency_per_um : (R,) array
        Middle of each ring, in cycles per micrometre.
    correlation : (R,) array
        In [-1, 1].
    threshold : (R,) array
        What the correlation has to stay above.
    resolution_um
        One over the frequency at which it falls below; infinite where it begins below, and not a
        number where it never does: the images then resolve what their pixels can hold.
    """

    frequency_per_um: Float64
    correlation: Float64
    threshold: Float64
    resolution_um: float


def fourier_ring_correlation(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    pixel_um: float | Sequence[float] = 1.0,
    *,
    threshold: Threshold = "1/7",
) -> RingCorrelation:
    r"""Correlate two images frequency by frequency, in rings of a plane or shells of a volume.

    .. math:: FRC(r) = \frac{\mathrm{Re} \sum_{k \in r} A_k B_k^*}
              {\sqrt{\sum_{k \in r} |A_k|^2 \sum_{k \in r} |B_k|^2}}

    of the images without their means, under a Hann window along every axis (without it, the jumps
    from one border to the other correlate). Two recordings with independent noise of equal power
    have FRC = SNR / (1 + SNR). A restoration against the truth tells to what detail it is right.
    Two images whose noise is not independent, such as two filterings of one recording, correlate
    everywhere and tell nothing.

    Parameters
    ----------
    first, second : (Y, X) or (Z, Y, X) arrays of one shape
        In any units, at least 8 pixels along every axis. Gain and offset do not matter.
    pixel_um
        Pixel size in micrometres, one for all axes or one for each.
    threshold
        ``"1/7"``; or ``"half-bit"``, :math:`\frac{0.2071 + 1.9102/\sqrt n}{1.2071 + 0.9102/\sqrt
        n}` with n the independent values of a ring: half of its Fourier values, as those of k and
        -k are one, times the share of the image that the window leaves effective.

    Returns
    -------
    RingCorrelation
        Rings are as wide as one period in the longest axis and reach to the lowest Nyquist
        frequency. A ring is below the threshold where the mean of it and the next two is, too.

    Raises
    ------
    InputError
        Shapes differ, are too small or not of 2 or 3 axes, or an image is constant or not finite.
    UsageError
        The pixel size is not positive, or there is no such threshold.

    References
    ----------
    W. O. Saxton, W. Baumeister, J. Microsc. 127, 1982, doi:10.1111/j.1365-2818.1982.tb00405.x
    (rings); G. Harauz, M. van Heel, Optik 73, 1986 (shells); M. van Heel, M. Schatz, J. Struct.
    Biol. 151, 2005, doi:10.1016/j.jsb.2005.05.009 (half-bit); R. Nieuwenhuizen et al., Nature
    Methods 10, 2013, doi:10.1038/nmeth.2448 (1/7 in light microscopy).
    """
    a, b = pair(first, second, ("the first image", "the second image"))
    spacing = _spacing(a, pixel_um)
    if threshold not in ("1/7", "half-bit"):
        raise UsageError(f"there is no threshold {threshold!r}", remedy="Choose 1/7 or half-bit")
    refuse_constant(a, "the first image")
    refuse_constant(b, "the second image")
    ring, width = _rings(a.shape, spacing)
    sums = _sums(a, b, ring)
    count, cross, power_a, power_b = (s[1:] for s in sums)  # without zero frequency
    power = np.sqrt(power_a * power_b)
    with np.errstate(invalid="ignore"):  # a ring without power has no correlation
        curve = np.where(power > 0, cross / power, 0)
    level = np.full(len(curve), 1 / 7)
    if threshold == "half-bit":
        root = np.sqrt(np.maximum(count / 2 * _effective(a.shape), 1))
        level = (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
    frequency = np.asarray(width * np.arange(1, len(curve) + 1), np.float64)
    return RingCorrelation(frequency, curve, level, _resolution(frequency, curve - level))


def _spacing(image: Float64, pixel_um: float | Sequence[float]) -> tuple[float, ...]:
    if image.ndim not in (2, 3) or min(image.shape) < LEAST_PX:
        raise InputError(
            f"rings need planes or volumes of {LEAST_PX} pixels along every axis, not "
            f"{describe_shape(image.shape)}",
            remedy="Give larger images, channels and time points one by one",
        )
    spacing = tuple(np.broadcast_to(np.asarray(pixel_um, float), (image.ndim,)).tolist())
    if not all(math.isfinite(s) and s > 0 for s in spacing):
        raise UsageError(f"the pixel size is {pixel_um}", remedy="Give positive micrometres")
    return spacing


def _rings(
    shape: tuple[int, ...], spacing: tuple[float, ...]
) -> tuple[npt.NDArray[np.intp], float]:
    """The number of the ring of each Fourier value as ``rfftn`` orders them, and their width.

    What lies beyond the lowest Nyquist frequency gets the number after the last ring.
    """
    width = 1 / max(n * s for n, s in zip(shape, spacing, strict=True))
    axes = [np.fft.fftfreq(n, s) for n, s in zip(shape, spacing, strict=True)]
    axes[-1] = np.fft.rfftfreq(shape[-1], spacing[-1])
    square = sum(f**2 for f in np.meshgrid(*axes, indexing="ij", sparse=True))
    last = int(round(1 / (2 * max(spacing)) / width, 6))
    return np.minimum(np.rint(np.sqrt(square) / width).astype(np.intp), last + 1), width


def _sums(a: Float64, b: Float64, ring: npt.NDArray[np.intp]) -> tuple[Float64, ...]:
    """Over each ring: Fourier values, cross power, and the power of each image."""
    from scipy.fft import rfftn

    first, second = rfftn(_windowed(a)), rfftn(_windowed(b))
    # Of the mirrored half, which rfftn leaves out, the last axis holds all but its ends.
    twice = np.full(ring.shape[-1], 2.0)
    twice[0] = 1
    if a.shape[-1] % 2 == 0:
        twice[-1] = 1
    parts = (np.ones(ring.shape), (first * second.conj()).real, abs(first) ** 2, abs(second) ** 2)
    sums = (np.bincount(ring.ravel(), (part * twice).ravel())[:-1] for part in parts)
    return tuple(np.asarray(s, np.float64) for s in sums)


def _window(shape: tuple[int, ...]) -> list[Float64]:
    """A Hann window along each axis, shaped to multiply an image of `shape`."""
    windows = []
    for axis, n in enumerate(shape):
        line = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
        windows.append(line.reshape([-1 if i == axis else 1 for i in range(len(shape))]))
    return windows


def _windowed(image: Float64) -> Float64:
    windows = _window(image.shape)
    weight: Float64 = math.prod(windows[1:], start=windows[0])
    return (image - np.average(image, weights=np.broadcast_to(weight, image.shape))) * weight


def _effective(shape: tuple[int, ...]) -> float:
    """The share of independent values that the window leaves."""
    shares = [(w**2).sum() ** 2 / (w**4).sum() / w.size for w in _window(shape)]
    return float(math.prod(shares))


def _resolution(frequency: Float64, above: Float64) -> float:
    """Where the curve falls below its threshold, and stays there on the mean of three rings."""
    ahead = np.pad(above, (0, CONFIRMED_BY - 1), mode="edge")
    mean = np.convolve(ahead, np.full(CONFIRMED_BY, 1 / CONFIRMED_BY), mode="valid")
    below = np.flatnonzero((above < 0) & (mean < 0))
    if not len(below):
        return math.nan
    first = int(below[0])
    if first == 0:
        return math.inf
    left, right = max(float(above[first - 1]), 0.0), float(above[first])
    share = left / (left - right)
    return float(1 / (frequency[first - 1] + share * (frequency[first] - frequency[first - 1])))
