"""Numbers that describe windows of an image in ways that a network cares about.

They come in groups, each of which is compared on its own: how grey levels are spread, how strong
the noise is, of which colour, which structures rise above it, how these are directed and how
unevenly they lie, and how planes differ.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Frequencies between which power is averaged, in cycles per pixel.
EDGES = (0.023, 0.047, 0.07, 0.105, 0.15, 0.21, 0.3, 0.4, 0.5)
BANDS = len(EDGES) - 1
#: Structure is told from noise down to this share of the noise's power.
FAINT = 0.1
#: Below this variance, in squared normalised units, there is nothing.
NOTHING = 1e-9
BLOCK_PX = 8

GROUPS: dict[str, tuple[str, ...]] = {
    "grey levels": ("level_25", "level_50", "level_75", "level_95", "flat", "saturated"),
    "noise": ("noise_dim", "noise_median", "noise_bright"),
    "noise colour": ("colour_5", "colour_6", "lean_6", "lean_7", "tails_1"),
    "structure": tuple(f"power_{band}" for band in range(6)),
    "detail": tuple(f"fall_{band}" for band in range(1, 4)),
    "direction": tuple(f"lean_{band}" for band in range(6)),
    "texture": ("tails_2", "tails_4", "tails_8", "uneven_2", "uneven_4", "skew_2", "skew_4"),
    "depth": ("depth_1", "depth_2", "depth_4"),
}


def describe(windows: Floats) -> dict[str, float]:
    """Describe windows of an image together.

    Parameters
    ----------
    windows
        (N, P, S, S) normalised: N places, at each P neighbouring planes of S x S pixels, S >= 16.

    Returns
    -------
    A number for each name in `GROUPS`, NaN where it cannot be known: structures larger than the
    windows, and depth of a single plane. Amplitudes and ratios are natural logarithms.
    """
    planes = windows.reshape(-1, *windows.shape[2:])
    found = _levels(planes) | _noise(planes) | _spectrum(planes) | _texture(planes)
    found |= _depth(windows)
    return {name: found.get(name, np.nan) for names in GROUPS.values() for name in names}


def _levels(planes: Floats) -> dict[str, float]:
    """Quantiles; shares of pixels at the upper end and in blocks of one value, as square roots."""
    low, middle, high, top = np.quantile(planes, [0.25, 0.5, 0.75, 0.95])
    blocks = _blocks(planes)
    flat = np.mean(np.ptp(blocks, axis=(2, 4)) == 0)
    saturated = max(0.0, np.mean(planes == planes.max()) - 1 / planes.size)
    return {
        "level_25": float(low),
        "level_50": float(middle),
        "level_75": float(high),
        "level_95": float(top),
        "flat": float(np.sqrt(flat)),
        "saturated": float(np.sqrt(saturated)),
    }


def _blocks(planes: Floats) -> Floats:
    """(N, rows, 8, columns, 8): what is over at the right and below is left out."""
    rows, columns = (n // BLOCK_PX for n in planes.shape[1:])
    cut = planes[:, : rows * BLOCK_PX, : columns * BLOCK_PX]
    return cut.reshape(len(planes), rows, BLOCK_PX, columns, BLOCK_PX)


def _noise(planes: Floats) -> dict[str, float]:
    """Amplitude of what changes from pixel to pixel both ways, in dim, usual, bright blocks."""
    step = np.diff(np.diff(planes, axis=1), axis=2) / 2
    variance = (_blocks(step) ** 2).mean(axis=(2, 4))
    dim, usual, bright = 0.5 * np.log(np.quantile(variance, [0.1, 0.5, 0.9]) + NOTHING)
    return {"noise_dim": dim, "noise_median": usual, "noise_bright": bright}


def _spectrum(planes: Floats) -> dict[str, float]:
    """Power above noise, colour of the noise, and which way power leans, band by band."""
    side = planes.shape[1]
    line = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(side) + 0.5) / side)
    window = line[:, None] * line
    mean = (planes * window).sum(axis=(1, 2), keepdims=True) / window.sum()
    power = np.zeros((side, side // 2 + 1))
    for part, offset in zip(planes, mean, strict=True):
        power += np.abs(np.fft.rfft2((part - offset) * window)) ** 2
    power /= len(planes) * (window**2).sum()
    y, x = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    twice = np.where((x == 0) | (x == 0.5), 1.0, 2.0) + 0 * y
    band = np.searchsorted(EDGES, np.hypot(y, x), side="right") - 1
    along_x, along_y = np.abs(x) > np.abs(y), np.abs(x) < np.abs(y)

    def average(where: npt.NDArray[np.bool_]) -> Floats:
        weight = np.bincount(band[where], twice[where], BANDS + 1)[:BANDS]
        total = np.bincount(band[where], (twice * power)[where], BANDS + 1)[:BANDS]
        return np.where(weight > 0, total / np.maximum(weight, 1), np.nan) + NOTHING

    within = (band >= 0) & (band < BANDS)
    mean_power = average(within)
    lean = 0.5 * np.log(average(within & along_x) / average(within & along_y))
    above = 0.5 * np.log(np.maximum(mean_power / mean_power[-1] - 1, 0) + FAINT)
    colour = 0.5 * np.log(mean_power / mean_power[-1])
    found = {f"lean_{i}": float(v) for i, v in enumerate(lean)}
    found |= {f"power_{i}": float(v) for i, v in enumerate(above[:-2])}
    found |= {f"fall_{i}": float(above[i - 1] - above[i]) for i in range(1, 4)}
    return found | {f"colour_{i}": float(colour[i]) for i in (5, 6)}


def _texture(planes: Floats) -> dict[str, float]:
    """Heavy tails, skewness and unevenness of what a pyramid of averages leaves at each scale."""
    found = {}
    coarse, scale = planes, 1
    while scale <= 8 and min(coarse.shape[1:]) >= 4:
        coarse = coarse[:, : coarse.shape[1] // 2 * 2, : coarse.shape[2] // 2 * 2]
        a, b = coarse[:, ::2, ::2], coarse[:, 1::2, ::2]
        c, d = coarse[:, ::2, 1::2], coarse[:, 1::2, 1::2]
        steps = np.stack([a + b - c - d, a + c - b - d])
        spread = (steps**2).mean()
        found[f"tails_{scale}"] = float(np.log((steps**4).mean() / (spread**2 + NOTHING) + 0.1))
        coarse, scale = (a + b + c + d) / 4, 2 * scale
        if min(coarse.shape[1:]) < 4:
            break
        around = coarse[:, 2:, 1:-1] + coarse[:, :-2, 1:-1] + coarse[:, 1:-1, 2:]
        bump = coarse[:, 1:-1, 1:-1] - (around + coarse[:, 1:-1, :-2]) / 4
        size = np.sqrt((bump**2).mean())
        found[f"skew_{scale}"] = float(np.cbrt((bump**3).mean()) / (size + 1e-6))
        poor, rich = np.quantile((bump**2).mean(axis=(1, 2)), [0.25, 0.9]) + NOTHING
        found[f"uneven_{scale}"] = float(0.5 * np.log(rich / poor))
    return found


def _depth(windows: Floats) -> dict[str, float]:
    """How much neighbouring planes differ, over how much neighbouring pixels do, by scale."""
    found: dict[str, float] = {}
    if windows.shape[1] < 2:
        return found
    coarse = windows
    for scale in (1, 2, 4):
        if min(coarse.shape[2:]) < 2:
            break
        across = sum((np.diff(coarse, axis=axis) ** 2).mean() for axis in (2, 3)) / 2
        along = (np.diff(coarse, axis=1) ** 2).mean()
        found[f"depth_{scale}"] = float(0.5 * np.log((along + NOTHING) / (across + NOTHING)))
        rows, columns = (n // 2 for n in coarse.shape[2:])
        cut = coarse[..., : 2 * rows, : 2 * columns]
        coarse = cut.reshape(*cut.shape[:2], rows, 2, columns, 2).mean(axis=(3, 5))
    return found
