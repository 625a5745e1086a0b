"""Camera noise: photons counted one by one, and the noise of reading them out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError, UsageError

Floats = npt.NDArray[np.float64]

BLOCK_PX = 8
BEND_VARIANCE = 36
MAX_PLANES, MAX_SIDE_PX = 64, 1024
BINS = 32
MIN_BLOCKS = 16
# Steps from window to window that leave no part of a plane out (Roberts' R2 sequence).
STEPS = (0.7549, 0.5698)
# Of blocks of white noise of variance 1, this share has a lower apparent variance than that.
LOW_SHARE, LOW_VARIANCE = 0.35, 0.843


@dataclass(frozen=True)
class Noise:
    """The noise of a camera: ``variance = gain * (signal - offset) + read_noise^2``.

    Parameters
    ----------
    gain
        Grey levels per photo-electron, not negative; 0 for a camera without photon noise.
    offset
        Grey level without light.
    read_noise
        Standard deviation of the read-out in grey levels, not negative.

    Raises
    ------
    UsageError
        A value is not finite, or the gain or read noise is negative.
    """

    gain: float
    offset: float = 0.0
    read_noise: float = 0.0

    def __post_init__(self) -> None:
        values = (self.gain, self.offset, self.read_noise)
        if not all(math.isfinite(v) for v in values) or self.gain < 0 or self.read_noise < 0:
            raise UsageError(
                f"gain {self.gain:g}, offset {self.offset:g} and read noise {self.read_noise:g} "
                "describe no camera",
                remedy="Gain and read noise are not negative",
            )

    def variance(self, signal: npt.ArrayLike) -> npt.NDArray[Any]:
        """Variance in grey levels squared of pixels whose noise-free grey level is `signal`."""
        light = np.maximum(self.gain * (np.asarray(signal) - self.offset), 0)
        return np.asarray(light + self.read_noise**2)


def expose(
    expected: npt.NDArray[Any], noise: Noise, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Take a picture of an image without noise.

    Photo-electrons are drawn from a Poisson distribution of the exact expectation, and the
    read noise is added; nothing is rounded or clipped, so the mean of many pictures is
    `expected`, below the offset too.

    Parameters
    ----------
    expected
        Grey levels without noise, an array of any shape.
    noise
        The camera.
    rng
        Source of random numbers.

    Returns
    -------
    Array of the same shape, float32.
    """
    grey = np.asarray(expected, dtype=np.float64)
    picture = grey + noise.read_noise * rng.standard_normal(grey.shape)
    if noise.gain > 0:
        electrons = np.maximum((grey - noise.offset) / noise.gain, 0)
        picture += noise.gain * (rng.poisson(electrons) - electrons)
    return picture.astype(np.float32)


def estimate(planes: Any, offset: float | None = None) -> Noise:
    """Gain and read noise of the camera, from pictures of anything.

    The difference of second differences along y and x (the mask ``[1 -2 1]' [1 -2 1]``,
    Immerkaer, doi:10.1006/cviu.1996.0060) removes whatever is smooth over 3 pixels. Its mean
    square in blocks of 8 x 8 pixels is compared with the blocks' mean grey level: among
    blocks of like brightness a low quantile tells the noise, as structure only adds to it; a
    straight line through brightnesses gives gain and read noise.

    What it cannot see: structure sharper than 3 pixels wherever an image is bright is taken
    for noise; noise that neighbouring pixels share (demosaicking, compression, earlier
    smoothing or interpolation) is missed; and offset and read noise cannot be told apart:
    only their sum in the variance is known.

    Parameters
    ----------
    planes
        (N, Y, X) array or lazy array, of which at most 64 planes are read, evenly spread, and
        1024 x 1024 pixels of each; or any iterable of (Y, X) planes, all of which are.
    offset
        Grey level without light, where it is known. Otherwise the read noise is that at grey
        level 0, or, where the line falls below, 0 from an offset up.

    Raises
    ------
    InputError
        No plane is as large as 16 x 16 pixels.
    """
    stats = [_blocks(np.asarray(plane, dtype=np.float64)) for plane in _chosen(planes)]
    if not stats or not any(len(s) for s in stats):
        raise InputError(
            "the planes are too small to tell noise from structure: 16 x 16 pixels at least",
            remedy="Give larger images, or leave the noise out with --noise none",
        )
    brightness, variance = np.concatenate(stats).T
    gain, ground = _line(*_binned(brightness, variance))
    if offset is None:
        offset = 0.0 if ground >= 0 or gain == 0 else -ground / gain
    read_noise = math.sqrt(max(0.0, ground + gain * offset))
    return Noise(gain, offset, read_noise)


def _chosen(planes: Any) -> Iterator[Any]:
    shape = getattr(planes, "shape", None)
    if shape is None:
        yield from planes
        return
    if len(shape) != 3:
        raise InputError(
            f"noise is estimated from a stack of planes, not from {len(shape)} dimensions",
            remedy="Give an array of axes (N, Y, X)",
        )
    count = min(shape[0], MAX_PLANES)
    for number, index in enumerate(np.linspace(0, shape[0] - 1, count).round().astype(int)):
        window = (_window(n, number * step) for n, step in zip(shape[1:], STEPS, strict=True))
        yield planes[(int(index), *window)]


def _window(length: int, share: float) -> slice:
    """Of a large plane a part, elsewhere in each, so that the parts are spread over it."""
    first = int((share % 1) * max(0, length - MAX_SIDE_PX))
    return slice(first, first + MAX_SIDE_PX)


def bend(planes: Floats) -> Floats:
    """The difference of second differences along y and x of planes (..., Y, X); see `estimate`.

    White noise of variance 1 gives it a variance of `BEND_VARIANCE`; it is 2 rows and columns less.
    """
    rows = planes[..., 2:, :] - 2 * planes[..., 1:-1, :] + planes[..., :-2, :]
    return np.asarray(rows[..., 2:] - 2 * rows[..., 1:-1] + rows[..., :-2])


def _blocks(plane: Floats) -> Floats:
    """(blocks, 2) brightness and apparent noise variance of a plane, saturated blocks left out."""
    rows, columns = ((n - 2) // BLOCK_PX for n in plane.shape)
    if min(rows, columns) < 1 or min(plane.shape) < 2 * BLOCK_PX:
        return np.empty((0, 2))

    def blocks(values: Floats) -> Floats:
        cut = values[: rows * BLOCK_PX, : columns * BLOCK_PX]
        return cut.reshape(rows, BLOCK_PX, columns, BLOCK_PX)

    inner = plane[1:-1, 1:-1]
    variance = (blocks(bend(plane)) ** 2).mean(axis=(1, 3)) / BEND_VARIANCE
    brightness = blocks(inner).mean(axis=(1, 3))
    saturated = (blocks(inner) == plane.max()).sum(axis=(1, 3)) > 1
    keep = np.isfinite(variance) & ~(saturated & (brightness > np.median(plane)))
    return np.stack([brightness[keep], variance[keep]], axis=1)


def _binned(brightness: Floats, variance: Floats) -> tuple[Floats, Floats, Floats]:
    """Brightness, noise variance and number of blocks, for bins of like brightness.

    The bins widen with brightness, as the noise does, so that one bin holds one noise.
    """
    low, high = np.quantile(brightness, [0.001, 0.999])
    edges = low + (high - low) * np.linspace(0, 1, BINS + 1) ** 2
    bin_of = np.clip(np.searchsorted(edges, brightness, side="right") - 1, 0, BINS - 1)
    rows = []
    for index in range(BINS):
        here = bin_of == index
        if np.count_nonzero(here) >= min(MIN_BLOCKS, len(brightness)):
            least = float(np.quantile(variance[here], LOW_SHARE)) / LOW_VARIANCE
            rows.append((float(np.median(brightness[here])), least, int(here.sum())))
    points = np.array(rows or [(brightness.mean(), np.median(variance), 1)], dtype=np.float64)
    return points[:, 0], points[:, 1], points[:, 2]


def _line(brightness: Floats, variance: Floats, count: Floats) -> tuple[float, float]:
    """Slope, not negative, and ordinate of ``variance = slope * brightness + ordinate``.

    A variance is known to a fraction of itself, so each point weighs by the line's own value
    there; points that structure lifts far off the line weigh less (Huber).
    """
    if variance.max() <= 0:
        return 0.0, 0.0
    slope, ordinate = 0.0, 0.0
    line = variance
    for _ in range(20):
        line = np.maximum(line, 1e-2 * variance.max())
        apart = np.abs(variance - slope * brightness - ordinate) / line
        weight = count / line**2 / np.maximum(1, apart / 0.1)
        mean = np.average(brightness, weights=weight)
        level = np.average(variance, weights=weight)
        spread = np.average((brightness - mean) ** 2, weights=weight)
        slope = 0.0
        if spread > 0:
            lean = np.average((brightness - mean) * (variance - level), weights=weight)
            slope = max(0.0, float(lean / spread))
        ordinate = float(level - slope * mean)
        line = slope * brightness + ordinate
    return slope, ordinate
