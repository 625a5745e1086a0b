"""What a lateral slice would look like if it were an axial one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.normalize import Affine
from carescope.physics import blur, sampling
from carescope.physics.camera import Noise

Floats = npt.NDArray[np.float32]

#: The least noise that training assumes: photo-electrons in a stack's normalised range, and the
#: standard deviation of its read noise as a share of that range.
DIM_ELECTRONS, DIM_READ_NOISE = 200.0, 0.01


def degrade(
    draw: np.random.Generator,
    windows: Floats,
    rows: slice,
    *,
    kernel: npt.NDArray[np.float64] | None,
    factor: float,
    noise: Noise | None,
    affine: Affine,
    noise_free: bool = False,
) -> Floats:
    """Blur, sample along axis 1 at a random phase, add noise, interpolate back.

    Parameters
    ----------
    draw
        Where phases and noise come from.
    windows
        (N, H, W) lateral slices in grey levels, half the kernel larger on each side than what
        is sampled.
    rows
        Which rows of the blurred windows to give back; two sampled lines must lie on each side.
    kernel
        (Z, X) blur; None for none.
    factor
        Rows per sampled line. A whole factor has whole phases: lines are taken as they are.
    noise
        The camera's; None adds none. What blur and sampling leave of the slices' own noise is
        made up to the noise of a recorded pixel.
    affine
        The model's normalisation, whose range says how dim a stack may be taken to be.
    noise_free
        Whether the windows themselves hold no noise, so that all of it is missing.

    Returns
    -------
    (N, rows, W) float32, grey levels.
    """
    kept = 0.0 if noise_free else 1.0  # share of noise variance that survives
    if kernel is not None:
        windows = blur.blur_batch(windows, kernel)
        kept *= float((kernel**2).sum())
    length, wanted = windows.shape[1], np.arange(rows.start, rows.stop)
    degraded = np.empty((len(windows), len(wanted), windows.shape[2]), np.float32)
    for window, out in zip(windows, degraded, strict=True):
        phase = draw.uniform(0, factor)
        if float(factor).is_integer():
            phase = math.floor(phase)
        weights = sampling.cubic_matrix(np.arange(phase, length - 1, factor), length)
        lines = weights @ window
        if noise is not None:
            missing = np.clip(1 - kept * (weights**2).sum(1, keepdims=True), 0, 1)
            spread = np.sqrt(_variance(lines, noise, affine) * missing)
            lines = lines + spread * draw.standard_normal(lines.shape, np.float32)
        out[:] = sampling.cubic_matrix((wanted - phase) / factor, len(lines)) @ lines
    return degraded


def _variance(grey: Floats, noise: Noise, affine: Affine) -> npt.NDArray[Any]:
    """Noise variance of a recorded pixel, at least that of a dim stack.

    Lateral slices are not quite what axial slices look like: blur along z has mixed
    neighbouring planes into them. A network that meets no noise learns to trust details of its
    input to which real axial slices are not true, and restores them worse than one that was
    shown the stack as if its range held no more than `DIM_ELECTRONS`.
    """
    light = np.clip(affine.apply(grey), 0, None) / DIM_ELECTRONS + DIM_READ_NOISE**2
    return np.asarray(np.maximum(noise.variance(grey), light * affine.width**2))
