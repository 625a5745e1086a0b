"""How the power of a stack's structures is spread over axial and lateral frequencies.

The bright parts of a stack are cut into overlapping blocks of all its planes. Each is windowed and
Fourier transformed in 3D, and its power averaged over rings of equal lateral frequency.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from carescope.image import Image

Floats = npt.NDArray[np.float64]

SIDE_PX, SMALLEST_SIDE_PX = 64, 32
#: Of a large stack, no more than this is read: memory stays below 200 MB.
REGION_PX, MOST_PLANES = 512, 64
CANDIDATES, LOOKS = 4, 5
#: Blocks with less structure than this share of the richest ones are background.
POOREST = 0.05
GROUPS = 8
#: Below two cycles in a block lies what the Hann window leaks from its mean.
FIRST_RING = 2


@dataclass(frozen=True, eq=False)
class Rings:
    """Power of a stack's blocks by axial and lateral frequency.

    Parameters
    ----------
    power
        (groups, KZ, KR) mean periodogram of the blocks of neighbouring places, divided by each
        block's mean; its unit is arbitrary, and white noise gives the same everywhere. Row k
        belongs to axial frequency ``k / (planes * step)``, column r to lateral frequency
        ``r / (side * pixel)``, up to their Nyquist frequencies.
    count
        (KR,) lateral frequencies in each ring.
    blocks
        How many blocks there are, overlapping by half.
    planes, side_px
        Size of a block.
    pixel_um, step_um
        Pixel size and plane distance.
    orientation
        From 0, the lateral power is the same in all directions, to 1, it lies in one.
    """

    power: Floats
    count: Floats
    blocks: int
    planes: int
    side_px: int
    pixel_um: float
    step_um: float
    orientation: float

    @property
    def factor(self) -> float:
        """Plane distance in pixels."""
        return self.step_um / self.pixel_um

    @property
    def axial(self) -> Floats:
        """Axial frequency of each row, in cycles per pixel size."""
        return np.arange(self.power.shape[1]) / (self.planes * self.factor)

    @property
    def lateral(self) -> Floats:
        """Lateral frequency of each ring, in cycles per pixel."""
        return np.arange(self.power.shape[2]) / self.side_px

    @property
    def noise(self) -> float:
        """Power of white noise: that of the highest frequencies."""
        mean = self.power.mean(axis=0)
        return float(mean[-max(1, len(mean) // 4) :, self.lateral > 0.42].mean())

    @property
    def band(self) -> slice:
        """The rings, from the first that counts, in which structure exceeds noise."""
        low = self.power.mean(axis=0)[: max(1, self.power.shape[1] // 8)].mean(axis=0)
        weak = low[FIRST_RING:] < 2 * self.noise
        width = int(weak.argmax()) if weak.any() else len(weak)
        return slice(FIRST_RING, FIRST_RING + width)


def measure(stack: Image) -> Rings | None:
    """The spectra of a stack.

    Of a stack that is larger than 64 planes of 512 x 512 pixels only so much is read, where there
    is most structure among a few places looked at.

    Parameters
    ----------
    stack
        Axes ZYX, with a voxel size and square pixels; at least 2 planes of 32 x 32 pixels.

    Returns
    -------
    The spectra; None where no part of the stack varies or all of it holds values that are not
    finite.
    """
    volume = _region(stack)
    side = _side(min(volume.shape[1:]))
    rings = _spectra(stack, volume, side)
    enough = rings is None or rings.band.stop - rings.band.start >= SIDE_PX // 8
    if not enough and min(volume.shape[1:]) >= 3 * side:
        rings = _spectra(stack, volume, 2 * side)  # structures are large in pixels
    return rings


def _side(shortest: int) -> int:
    if shortest >= 1.5 * SIDE_PX:
        return SIDE_PX
    return max(SMALLEST_SIDE_PX, int(shortest / 1.5) // 2 * 2)


def _region(stack: Image) -> npt.NDArray[np.float32]:
    """The part of the stack that is used, in memory: the most varied of some candidates."""
    corners = [_starts(stack.size(a), REGION_PX, CANDIDATES) for a in "YX"]
    looked = np.unique(np.linspace(0, stack.size("Z") - 1, LOOKS).round().astype(int))
    best, most = (int(looked[len(looked) // 2]), corners[0][0], corners[1][0]), -1.0
    if max(len(corners[0]), len(corners[1])) > 1 or stack.size("Z") > MOST_PLANES:
        for z in looked[1:-1] if len(looked) > 2 else looked:
            for y in corners[0]:
                for x in corners[1]:
                    view = stack.data[int(z), y : y + REGION_PX, x : x + REGION_PX]
                    spread = _spread(np.asarray(view, np.float64))
                    if spread > most:
                        best, most = (int(z), y, x), spread
    z, y, x = best
    planes = min(stack.size("Z"), MOST_PLANES)
    start = min(max(0, z - planes // 2), stack.size("Z") - planes)
    rows, columns = (min(stack.size(a), REGION_PX) for a in "YX")
    volume = np.empty((planes, rows, columns), np.float32)
    for k in range(planes):  # one plane at a time, whatever the type of the file's pixels
        volume[k] = stack.data[start + k, y : y + rows, x : x + columns]
    return volume


def _spread(view: Floats) -> float:
    """Standard deviation of what is finite."""
    finite = view[np.isfinite(view)]
    return float(np.std(finite)) if finite.size else -1.0


def _starts(length: int, size: int, most: int) -> list[int]:
    """Where up to `most` evenly spread windows begin, or the only one."""
    count = min(most, -(-length // size))
    return sorted({int(v) for v in np.linspace(0, max(0, length - size), count).round()})


def _blocks(volume: npt.NDArray[np.float32], side: int) -> Iterator[Floats]:
    for y in _starts(volume.shape[1], side, 2 * volume.shape[1] // side):
        for x in _starts(volume.shape[2], side, 2 * volume.shape[2] // side):
            yield volume[:, y : y + side, x : x + side].astype(np.float64)


def _spectra(stack: Image, volume: npt.NDArray[np.float32], side: int) -> Rings | None:
    """Transform the blocks, leave out background, and pool neighbours into groups."""
    frequency = np.fft.fftfreq(side) * side
    radius = np.rint(np.hypot(frequency[:, None], frequency)).astype(int)
    angle = np.arctan2(frequency[:, None], frequency)
    inside = radius <= side // 2
    count = np.bincount(radius[inside]).astype(np.float64)
    spectra, turns = [], []
    for block in _blocks(volume, side):
        power = _periodogram(block) if np.isfinite(block).all() else None
        if power is None:
            continue
        ring = np.stack([np.bincount(radius[inside], plane[inside]) for plane in power]) / count
        low = power[: max(1, len(power) // 8)].mean(axis=0) * np.exp(2j * angle)
        turn = [np.bincount(radius[inside], part[inside]) for part in (low.real, low.imag)]
        spectra.append(ring)
        turns.append((turn[0] + 1j * turn[1]) / count)
    if not spectra:
        return None
    power, turned = np.array(spectra), np.array(turns)
    mean = power[:, :, FIRST_RING:].mean(axis=(1, 2))
    structure = mean - power[:, -1, -max(1, side // 12) :].mean(axis=1)
    keep = structure >= POOREST * np.quantile(structure, 0.95)
    power, turned = (a[keep] / mean[keep].reshape(-1, *[1] * (a.ndim - 1)) for a in (power, turned))
    groups = np.array([g.mean(axis=0) for g in np.array_split(power, min(GROUPS, len(power)))])
    step, _, pixel = stack.voxel()
    rings = Rings(groups, count, len(power), len(volume), side, pixel, step, 0.0)
    band = rings.band
    light = power[:, : max(1, power.shape[1] // 8)].mean(axis=(0, 1)) - rings.noise
    lean = np.abs(turned.mean(axis=0))[band] / np.maximum(light[band], 1e-12)
    orientation = float(np.median(lean)) if band.stop > band.start else 0.0
    return Rings(groups, count, len(power), len(volume), side, pixel, step, orientation)


def _periodogram(block: Floats) -> Floats | None:
    """(KZ, Y, X) power of a windowed block, row k that of axial frequencies +k and -k."""
    from scipy.fft import fftn

    planes, side = block.shape[0], block.shape[1]
    across = hann(side)
    window = hann(planes)[:, None, None] * across[:, None] * across
    block = block - (block * window).sum() / window.sum()
    if not np.ptp(block) > 0:
        return None
    power = np.square(np.abs(fftn(block * window))) / np.square(window).sum()
    rows = np.arange(planes // 2 + 1)
    return np.asarray((power[rows] + power[-rows]) / 2)


def hann(length: int) -> Floats:
    """A Hann window that no sample of a short stack falls out of, (length,)."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(length) + 0.5) / length))
