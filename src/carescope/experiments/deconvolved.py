"""Richardson-Lucy as a fair opponent: its iterations are chosen where the truth is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from carescope import baselines, metrics
from carescope.experiments.scenes import CAMERA, Volume
from carescope.files.processor import cores
from carescope.grid import Grid
from carescope.image import Image
from carescope.physics import sampling
from carescope.physics.pointspread import trimmed
from carescope.physics.psf import PSF

ITERATIONS = (2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200)
#: Rims of a PSF that hold less than this share of its light are left out, for speed.
RIM = 2e-3


def kernel(psf: PSF) -> npt.NDArray[np.float64]:
    """What is deconvolved with."""
    return trimmed(psf.values, RIM)


def interpolated(stack: Image) -> Volume:
    """A stack at the restored planes, by cubics."""
    return np.asarray(sampling.upsample(stack.array().astype(np.float32), Grid.of(stack)))


def deconvolved(
    views: Sequence[Volume], kernels: Sequence[npt.ArrayLike], iterations: int
) -> Volume:
    """Richardson-Lucy on interpolated views, the camera's offset subtracted, on all cores."""
    from scipy.fft import set_workers

    light = [view - CAMERA.offset for view in views]
    with set_workers(cores()):
        return baselines.multiview(light, kernels, iterations=iterations)


def best_iterations(deconvolve: Callable[[int], Volume], truths: Sequence[Volume]) -> list[int]:
    """For each truth how many iterations come closest to it (PSNR), of those in `ITERATIONS`.

    Parameters
    ----------
    deconvolve
        Of an image that is not among those which are compared.
    truths
        What it is held to.
    """
    tried: list[list[float]] = [[] for _ in truths]
    for iterations in ITERATIONS:
        found = deconvolve(iterations)
        for scores, truth in zip(tried, truths, strict=True):
            scores.append(metrics.psnr(truth, found))
        if all(len(scores) > 1 and scores[-1] < max(scores) for scores in tried):
            break  # past the best for all of them
    return [ITERATIONS[int(np.argmax(scores))] for scores in tried]
