"""Cell nuclei: textured ellipsoids of any orientation that may touch but never overlap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from carescope import rng
from carescope.errors import UsageError
from carescope.phantoms.texture import SmoothNoise, slabs

Volume = npt.NDArray[np.float32]


def nuclei(
    shape: tuple[int, int, int],
    seed: int,
    *,
    radius_px: tuple[float, float] = (9.0, 15.0),
    volume_per_nucleus_px3: float = 50_000.0,
    background: float = 0.02,
) -> tuple[Volume, npt.NDArray[np.int32]]:
    """Fluorophore density of nuclei and their labels.

    Parameters
    ----------
    shape
        Planes, rows and columns (Z, Y, X), each at least 16.
    seed
        The same seed gives the same phantom.
    radius_px
        Range of the half-axes of a nucleus in voxels.
    volume_per_nucleus_px3
        Mean volume that holds one nucleus, in voxels.
    background
        Density outside nuclei, as a share of a bright nucleus.

    Returns
    -------
    density : (Z, Y, X) float32
        Non-negative, about 1 in a bright nucleus.
    labels : (Z, Y, X) int32
        0 outside, 1, 2, ... in each nucleus.

    Raises
    ------
    UsageError
        The volume is too small to hold a nucleus.
    """
    if len(shape) != 3 or min(shape) < 16:
        raise UsageError(
            f"a phantom of shape {shape} is too small for nuclei",
            remedy="Give at least 16 voxels along Z, Y and X",
        )
    labels = np.zeros(shape, np.int32)
    brightness = [0.0]
    wanted = max(1, round(float(np.prod(shape)) / volume_per_nucleus_px3))
    for attempt in range(20 * wanted):
        draw = rng.generator(seed, "nucleus", attempt)
        window, inside = _ellipsoid(shape, draw, radius_px)
        if (labels[window][inside] != 0).any():
            continue
        labels[window][inside] = len(brightness)
        brightness.append(draw.uniform(0.5, 1.0))
        if len(brightness) > wanted:
            break
    return _density(labels, np.array(brightness, np.float32), background, seed), labels


def _ellipsoid(
    shape: tuple[int, int, int], draw: np.random.Generator, radius_px: tuple[float, float]
) -> tuple[tuple[slice, ...], npt.NDArray[np.bool_]]:
    """A window of the volume and which of its voxels lie in a random ellipsoid."""
    centre = draw.uniform(0, 1, 3) * np.array(shape)
    radii = draw.uniform(*radius_px, 3)
    turn, _ = np.linalg.qr(draw.normal(size=(3, 3)))
    reach = radii.max()
    window = tuple(
        slice(max(0, int(c - reach)), min(n, int(c + reach) + 2))
        for c, n in zip(centre, shape, strict=True)
    )
    grid = np.meshgrid(*(np.arange(s.start, s.stop) for s in window), indexing="ij")
    offset = np.stack([g - c for g, c in zip(grid, centre, strict=True)], axis=-1)
    return window, (((offset @ turn) / radii) ** 2).sum(-1) <= 1.0


def _density(
    labels: npt.NDArray[np.int32], brightness: Volume, background: float, seed: int
) -> Volume:
    """Brightness of each nucleus times a chromatin-like texture around 1, noise of three scales."""
    shape = (labels.shape[0], labels.shape[1], labels.shape[2])
    octaves = [
        (SmoothNoise(shape, scale_px, seed, "texture", octave), weight)
        for octave, (scale_px, weight) in enumerate(((16, 0.5), (8, 0.35), (4, 0.25)))
    ]
    density = np.full(shape, background, np.float32)
    for slab in slabs(shape):
        noise = np.zeros(labels[slab].shape, np.float32)
        for octave, weight in octaves:
            noise += weight * octave.planes(slab)
        texture = np.clip(1.0 + 0.45 * noise, 0.15, None)
        nucleus = labels[slab] > 0
        density[slab][nucleus] = (brightness[labels[slab]] * texture)[nucleus]
    return density
