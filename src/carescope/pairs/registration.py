"""Whether two images of a pair show the same scene, and in the same place."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from carescope.image import Image

Floats = npt.NDArray[np.float32]

#: Of an image at most so many planes, rows and columns, about its middle, are compared.
MOST_PX = (64, 512, 512)
#: Structures between these Gaussian widths tell where an image lies: no noise, no illumination.
FINE_PX, COARSE_PX = 1.5, 12.0
#: Two images show one scene where they correlate as much, or where they lie almost on one another
#: and their correlation stands out by so many standard deviations: chance puts it anywhere.
SURE, LEAST_PEAK, NEAR_PX = 0.35, 4.5, 2


class Shift(NamedTuple):
    """By how many pixels the second image lies further along z, y and x, and how sure that is.

    `correlation` is Pearson's coefficient once the shift is taken back, `peak` the same in standard
    deviations of those of all shifts, `same` whether the two show the same scene at all.
    """

    pixels: tuple[int, int, int]
    correlation: float
    peak: float

    @property
    def same(self) -> bool:
        near = max(map(abs, self.pixels)) <= NEAR_PX
        return self.correlation >= SURE or (near and self.peak >= LEAST_PEAK)


def shift_between(low: Image, high: Image, factor: float = 1.0) -> Shift:
    """Find by how many whole pixels two images of one scene are displaced.

    By the correlation of what is neither noise nor illumination, through Fourier transforms, of the
    mean over channels in the middle of time.

    Parameters
    ----------
    low, high
        Axes YX or ZYX, perhaps with C and T, of equal size, but for the planes of the second where
        there is a factor.
    factor
        Planes of the second per plane of the first. Recorded planes alone are compared: those
        interpolated between them look like what lies next to them.

    Returns
    -------
    Shift
        In pixels and planes of `high`. A shift of more than a quarter of the compared part is not
        found.
    """
    from scipy.fft import irfftn, rfftn

    one, other, recorded = _laid_on(low, high, factor)
    fade = np.broadcast_to(_fade(one.shape[1:]), one.shape)
    padded = (2 * one.shape[0] - 1, *one.shape[1:])  # planes are few, and must not go round

    def correlated(a: Floats, b: Floats) -> Floats:
        spectrum = rfftn(b, s=padded) * rfftn(a, s=padded).conj()
        return np.asarray(irfftn(spectrum, s=padded), np.float32)

    # Pearson's coefficient of what overlaps: neither a large overlap nor a small one is preferred.
    whole = np.ones_like(one)
    one, other = one * fade, other * fade
    energy = correlated(one * one, whole) * correlated(recorded * whole, other * other)
    least = 1e-6 * float(energy.max()) + 1e-30
    correlation = correlated(one, other) / np.sqrt(np.maximum(energy, least))
    reach = [n // 4 for n in one.shape]
    near = np.ones(padded, bool)
    for axis, (r, n) in enumerate(zip(reach, padded, strict=True)):
        far = np.minimum(np.arange(n), n - np.arange(n)) > r
        near[(slice(None),) * axis + (far,)] = False
    at = np.unravel_index(np.where(near, correlation, -np.inf).argmax(), padded)
    z, y, x = (int(i) if i <= n // 2 else int(i) - n for i, n in zip(at, padded, strict=True))
    best, spread = float(correlation[at]), float(correlation[near].std())
    return Shift((z, y, x), best, best / spread if spread > 0 else 0.0)


def shifts_within(low: Image, high: Image, factor: float = 1.0) -> dict[str, Shift]:
    """How frames and channels of a pair are displaced, each alone: of those that show one scene.

    The first frame and the last one are looked at, and every channel of images that have as many;
    an image without several of either has none.

    Parameters
    ----------
    low, high, factor
        As for `shift_between`.
    """
    parts = {}
    frames, channels = low.size("T"), low.size("C")
    for number in (0, frames - 1) if frames > 1 else ():
        parts[f"frame {number}"] = low.select("T", number), high.select("T", number)
    for number in range(channels if channels == high.size("C") > 1 else 0):
        parts[f"channel {number}"] = low.select("C", number), high.select("C", number)
    found = {name: shift_between(one, other, factor) for name, (one, other) in parts.items()}
    return {name: shift for name, shift in found.items() if shift.same}


def _laid_on(low: Image, high: Image, factor: float) -> tuple[Floats, Floats, Floats]:
    """The middle of two images as structure, (Z, Y, X), on the planes of the second.

    The first is 0 on planes that it lacks, and the third array, (Z, 1, 1), 1 on those that it has.
    """
    planes = low.size("Z")
    count = min(planes, int((MOST_PX[0] - 1) / factor) + 1)
    first = (planes - count) // 2
    at = np.round(np.arange(first, first + count) * factor).astype(int)
    at = np.minimum(at, high.size("Z") - 1)
    thin = _structure(low, slice(first, first + count))
    other = _structure(high, slice(at[0], at[-1] + 1))
    one, recorded = np.zeros_like(other), np.zeros((len(other), 1, 1), np.float32)
    one[at - at[0]], recorded[at - at[0]] = thin, 1
    return one, other, recorded


def _structure(image: Image, planes: slice) -> Floats:
    """The middle of some planes of an image as zero-mean structure, (Z, Y, X)."""
    from scipy.ndimage import gaussian_filter

    frame = image.middle()
    place = [planes]
    for size, most in zip(frame.shape[2:], MOST_PX[1:], strict=True):
        first = max(0, (size - most) // 2)
        place.append(slice(first, first + min(size, most)))
    grey = np.asarray(frame.data[(slice(None), *place)], np.float32)
    grey = grey - grey.mean(axis=(1, 2, 3), keepdims=True)
    seen = (grey / np.maximum(grey.std(axis=(1, 2, 3), keepdims=True), 1e-12)).mean(axis=0)
    fine, coarse = (gaussian_filter(seen, (0, s, s)) for s in (FINE_PX, COARSE_PX))
    return np.asarray(fine - coarse, np.float32)


def _fade(shape: tuple[int, ...]) -> Floats:
    """A weight of planes (Y, X) that falls towards their sides."""
    rows, columns = (np.hanning(n + 2)[1:-1].astype(np.float32) for n in shape)
    return np.asarray(rows[:, None] * columns)


def aligned(
    low: Image, high: Image, shift: tuple[int, int, int], factor: float = 1.0
) -> tuple[Image, Image]:
    """Both images cropped to what they have in common once the second is moved back.

    Parameters
    ----------
    low, high
        Of equal size, but for the planes of the second where there is a factor.
    shift
        By how many of the second's pixels along z, y and x it lies further.
    factor
        Planes of the second per plane of the first.
    """
    places: tuple[dict[str, slice], dict[str, slice]] = ({}, {})
    for axis, pixels in zip("ZYX", shift, strict=True):
        if pixels and axis in low.axes:
            per = factor if axis == "Z" else 1
            first = math.ceil(max(0, -pixels) / per)
            other = round(first * per) + pixels
            both = math.floor((high.size(axis) - other - 1) / per + 1e-6) + 1
            both = min(low.size(axis) - first, both)
            places[0][axis] = slice(first, first + both)
            places[1][axis] = slice(other, other + math.floor((both - 1) * per + 1e-6) + 1)
    return low.cropped(places[0]), high.cropped(places[1])
