"""What a lateral slice would look like if it were an axial one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from carescope.normalize import Affine
from carescope.physics import blur, sampling
from carescope.physics.camera import Noise

Floats = npt.NDArray[np.float32]

#: The least noise that training assumes: photo-electrons in a stack's normalised range, and the
#: standard deviation of its read noise as a share of that range.
DIM_ELECTRONS, DIM_READ_NOISE = 200.0, 0.01
#: How unequally `recorrupted` shares noise out between input and target.
RECORRUPTION = 0.5


def degrade(
    draws: Sequence[np.random.Generator],
    windows: Floats,
    rows: slice,
    *,
    kernel: npt.NDArray[np.float64] | None,
    factor: float,
    noise: Sequence[Noise] | None,
    maps: Sequence[Affine],
    noise_share: float = 1.0,
) -> Floats:
    """Blur, sample along rows at a random phase, add noise, interpolate back.

    Parameters
    ----------
    draws
        Where the phase and the noise of each window come from.
    windows
        (N, C, H, W) lateral slices in grey levels, half the kernel larger on each side than what
        is sampled.
    rows
        Which rows of the blurred windows to give back; two sampled lines must lie on each side.
    kernel
        (Z, X) blur; None for none.
    factor
        Rows per sampled line. A whole factor has whole phases: lines are taken as they are.
    noise
        The camera's in each channel; None adds none. What blur and sampling leave of the slices'
        own noise is made up to the noise of a recorded pixel.
    maps
        Each channel's normalisation, whose range says how dim a stack may be taken to be.
    noise_share
        Noise variance that the windows hold, as a share of that of a recorded pixel.

    Returns
    -------
    (N, C, rows, W) float32, grey levels.
    """
    kept = noise_share  # share of noise variance that survives
    if kernel is not None:
        flat = windows.reshape(-1, *windows.shape[2:])
        flat = blur.blur_batch(flat, kernel)
        windows = flat.reshape(*windows.shape[:2], *flat.shape[1:])
        kept *= float((kernel**2).sum())
    length, wanted = windows.shape[2], np.arange(rows.start, rows.stop)
    degraded = np.empty((*windows.shape[:2], len(wanted), windows.shape[3]), np.float32)
    for draw, window, out in zip(draws, windows, degraded, strict=True):
        phase = draw.uniform(0, factor)
        if float(factor).is_integer():
            phase = math.floor(phase)
        weights = sampling.cubic_matrix(np.arange(phase, length - 1, factor), length)
        back = sampling.cubic_matrix((wanted - phase) / factor, weights.shape[0])
        missing = np.clip(1 - kept * (weights**2).sum(1, keepdims=True), 0, 1)
        for channel, seen in enumerate(window):
            lines = weights @ seen
            if noise is not None:
                spread = np.sqrt(_variance(lines, noise[channel], maps[channel]) * missing)
                lines = lines + spread * draw.standard_normal(lines.shape, np.float32)
            out[channel] = back @ lines
    return degraded


def recorrupted(
    draw: np.random.Generator, window: Floats, noise: Sequence[Noise]
) -> tuple[Floats, Floats]:
    """Two versions of one noisy window, (C, H, W), whose noises are independent.

    ``y + a z`` and ``y - z / a`` for normal `z` of the camera's own variance: for normal noise
    nothing of the target's can be guessed from the input, so that a network trained on the two
    learns the expected image (Pang et al., CVPR 2021, doi:10.1109/CVPR46437.2021.00208).
    """
    variance = np.stack([n.variance(one) for n, one in zip(noise, window, strict=True)])
    z = np.sqrt(variance).astype(np.float32) * draw.standard_normal(window.shape, np.float32)
    return window + np.float32(RECORRUPTION) * z, window - z / np.float32(RECORRUPTION)


def _variance(grey: Floats, noise: Noise, affine: Affine) -> npt.NDArray[np.float32]:
    """Noise variance of a recorded pixel, at least that of a dim stack.

    Lateral slices are not quite what axial slices look like: blur along z has mixed
    neighbouring planes into them. A network that meets no noise learns to trust details of its
    input to which real axial slices are not true, and restores them worse than one that was
    shown the stack as if its range held no more than `DIM_ELECTRONS`.
    """
    light = np.clip(affine.apply(grey), 0, None) / DIM_ELECTRONS + DIM_READ_NOISE**2
    return np.asarray(np.maximum(noise.variance(grey), light * affine.width**2), np.float32)
