"""Richardson-Lucy deconvolution: the classical way to undo a known blur."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.baselines.methods import Method
from carescope.errors import InputError, UsageError
from carescope.physics import blur

Floats = npt.NDArray[np.float32]
Real = npt.NDArray[Any]

ITERATIONS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80)
# Beyond the image, what is seen of a place by less than this share is not restored.
LEAST_SEEN = 1e-3


def richardson_lucy(
    image: npt.ArrayLike, psf: npt.ArrayLike, *, iterations: int, background_grey: float = 0.0
) -> Floats:
    r"""The likeliest object behind a blurred image of photons, approached step by step.

    .. math:: x \leftarrow \frac{x}{H^T 1}\; H^T \frac{g}{H x + b}

    which never lowers the likelihood of the image g under Poisson noise of mean :math:`H x + b`. H
    blurs an object that is larger than the image by half the PSF on each side and cuts out the
    image, so light that came from beyond the border is accounted for there, and the border does not
    ring. Without background, the blurred object has as much light as the image after every step.
    Details sharpen with the iterations, and so does noise: stop early.

    Parameters
    ----------
    image : (Y, X) or (Z, Y, X) array
        Grey levels above those without light (subtract a camera's offset); values below 0 count
        as 0.
    psf : array of as many axes
        Odd lengths, its centre in the middle, not negative, on the image's pixels; it is
        divided by its sum.
    iterations
        How many, from 1 on.
    background_grey
        b, the grey level of light that is to be left out, not negative.

    Returns
    -------
    float32 array of the image's shape
        The object, in the unit of the image.

    Raises
    ------
    InputError
        The image has not 2 or 3 axes, or holds values that are not finite.
    UsageError
        The PSF does not fit the image, or a number is out of its range.

    References
    ----------
    W. Richardson, J. Opt. Soc. Am. 62, 1972, doi:10.1364/JOSA.62.000055; L. Lucy, Astron. J. 79,
    1974, doi:10.1086/111605; the border as in M. Bertero, P. Boccacci, Astron. Astrophys. 437,
    2005, doi:10.1051/0004-6361:20052717.
    """
    grey, kernel = _checked(image, psf)
    if iterations < 1 or not background_grey >= 0:
        raise UsageError(
            f"iterations is {iterations}, background_grey {background_grey:g}",
            remedy="Give 1 iteration or more, and a background that is not negative",
        )
    half = [n // 2 for n in kernel.shape]
    inside = tuple(slice(h, h + n) for h, n in zip(half, grey.shape, strict=True))
    around = [(h, h) for h in half]

    def back(values: Floats) -> Floats:
        spread = blur.adjoint(np.pad(values, around), kernel, boundary="zero")
        return np.asarray(np.maximum(spread, 0), np.float32)

    seen = back(np.ones_like(grey))
    restorable = seen > LEAST_SEEN
    weight = np.where(restorable, 1 / np.maximum(seen, LEAST_SEEN), 0).astype(np.float32)
    start = max(float(grey.mean()) - background_grey, 1e-6)
    found = np.where(restorable, start, 0).astype(np.float32)
    least = np.float32(1e-6 * max(float(grey.max()), 1e-30))  # rounding must not divide by zero
    for _ in range(iterations):
        expected = blur.blur(found, kernel, boundary="zero")[inside] + np.float32(background_grey)
        ratio = np.asarray(grey / np.maximum(expected, least), np.float32)
        found = found * back(ratio) * weight
    return np.ascontiguousarray(found[inside], np.float32)


def deconvolution(psf: npt.ArrayLike) -> Method:
    """Richardson-Lucy with a PSF as a baseline, tuned over its iterations.

    ``tune(deconvolution(psf), pairs)`` and ``apply(deconvolution(psf), image, setting)`` do for it
    what they do for denoisers. The grey level of the image's second percentile, to which `apply`
    brings it, is the background.

    Parameters
    ----------
    psf : (Y, X) or (Z, Y, X) array
        As for `richardson_lucy`; of two axes for planes, of three for volumes.
    """
    kernel = np.asarray(psf)

    def function(image: Real, *, iterations: float) -> Floats:
        floor = min(float(np.min(image)), 0.0)
        return richardson_lucy(
            image - floor, kernel, iterations=int(iterations), background_grey=-floor
        )

    return Method(
        function,
        {"iterations": ITERATIONS},
        planes=kernel.ndim == 2,
        volumes=(False,) if kernel.ndim == 3 else (),
    )


def _checked(image: npt.ArrayLike, psf: npt.ArrayLike) -> tuple[Floats, Floats]:
    grey, kernel = np.asarray(image, np.float32), np.asarray(psf, np.float32)
    if grey.ndim not in (2, 3) or grey.size == 0 or not np.isfinite(grey).all():
        raise InputError(
            f"an image of {describe_shape(grey.shape)} cannot be deconvolved, or it holds values "
            "that are not finite",
            remedy="Give a plane (Y, X) or a volume (Z, Y, X); channels and time points one by one",
        )
    odd = kernel.ndim == grey.ndim and all(n % 2 for n in kernel.shape)
    if not odd or not np.isfinite(kernel).all() or kernel.min() < 0 or not kernel.sum() > 0:
        raise UsageError(
            f"a PSF of {describe_shape(kernel.shape)} does not fit an image of "
            f"{describe_shape(grey.shape)}, or it is negative somewhere",
            remedy="Give one of as many axes, of odd lengths, with its centre in the middle",
        )
    return np.maximum(grey, 0), kernel / kernel.sum()
