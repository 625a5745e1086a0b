"""Richardson-Lucy as a fair opponent: its iterations are chosen where the truth is known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

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
    views: Sequence[Volume], kernels: Sequence[npt.ArrayLike], iterations: Collection[int]
) -> Iterator[tuple[int, Volume]]:
    """Richardson-Lucy after each of some numbers of iterations, the fewest first.

    On interpolated views, the camera's offset subtracted, on all cores.
    """
    from scipy.fft import set_workers

    steps = baselines.multiview_steps([view - CAMERA.offset for view in views], kernels)
    for number in range(1, max(iterations) + 1):
        with set_workers(cores()):
            found = next(steps)
        if number in iterations:
            yield number, found


def best_iterations(tried: Iterable[tuple[int, Volume]], truths: Sequence[Volume]) -> list[int]:
    """For each truth how many iterations come closest to it (PSNR).

    Parameters
    ----------
    tried
        Numbers of iterations and what they come to, of an image that is not among those which are
        compared. None is asked for beyond the best of all truths.
    truths
        What it is held to.
    """
    numbers: list[int] = []
    scores: list[list[float]] = [[] for _ in truths]
    for number, found in tried:
        numbers.append(number)
        for some, truth in zip(scores, truths, strict=True):
            some.append(metrics.psnr(truth, found))
        if all(some[-1] < max(some) for some in scores):
            break
    return [numbers[int(np.argmax(some))] for some in scores]
