"""Richardson-Lucy deconvolution, of one view or several: the classical way to undo known blur."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.baselines.methods import Method
from carescope.errors import InputError, UsageError
from carescope.physics import blur, sampling

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
    return multiview([image], [psf], iterations=iterations, background_grey=background_grey)


def multiview(
    images: Sequence[npt.ArrayLike],
    psfs: Sequence[npt.ArrayLike],
    *,
    iterations: int,
    background_grey: float = 0.0,
) -> Floats:
    r"""The likeliest object behind several images of it, each blurred in its own way.

    .. math:: x \leftarrow \frac{x}{\sum_v H_v^T 1}\; \sum_v H_v^T \frac{g_v}{H_v x + b}

    is the step of `richardson_lucy` for the joint likelihood of all views: it never lowers it
    either. Turned views come with their PSFs turned alike.

    Parameters
    ----------
    images : arrays (Y, X) or (Z, Y, X) of one shape
        Registered, and of equal exposure: one unit of grey level means as much light in each.
    psfs
        One for each image, as for `richardson_lucy`.
    iterations, background_grey
        As for `richardson_lucy`.

    Returns
    -------
    float32 array of the images' shape
        The object, in the unit of an image.

    Raises
    ------
    InputError, UsageError
        As for `richardson_lucy`; or images and PSFs do not go together.

    References
    ----------
    L. Shepp, Y. Vardi, IEEE Trans. Med. Imaging 1, 1982, doi:10.1109/TMI.1982.4307558; for
    microscopes S. Preibisch et al., Nature Methods 11, 2014, doi:10.1038/nmeth.2929.
    """
    if iterations < 1:
        raise UsageError(f"iterations is {iterations}", remedy="Give 1 iteration or more")
    steps = multiview_steps(images, psfs, background_grey=background_grey)
    return next(islice(steps, iterations - 1, None))


def multiview_steps(
    images: Sequence[npt.ArrayLike], psfs: Sequence[npt.ArrayLike], *, background_grey: float = 0.0
) -> Iterator[Floats]:
    """What `multiview` has come to after 1 iteration, after 2, and so on, without an end.

    Parameters, arrays and errors are those of `multiview`.
    """
    views = _views(images, psfs)
    if not background_grey >= 0:
        raise UsageError(
            f"background_grey is {background_grey:g}",
            remedy="Give a background that is not negative",
        )
    return _steps(views, np.float32(background_grey))


def _steps(views: list[tuple[Floats, Floats]], background: np.float32) -> Iterator[Floats]:
    half = [max(k.shape[axis] for _, k in views) // 2 for axis in range(views[0][0].ndim)]
    shape = views[0][0].shape
    inside = tuple(slice(h, h + n) for h, n in zip(half, shape, strict=True))
    around = [(h, h) for h in half]

    def back(values: Floats, kernel: Floats) -> Floats:
        spread = blur.adjoint(np.pad(values, around), kernel, boundary="zero")
        return np.asarray(np.maximum(spread, 0), np.float32)

    seen = sum(back(np.ones(shape, np.float32), kernel) for _, kernel in views) / len(views)
    restorable = seen > LEAST_SEEN
    weight = np.where(restorable, 1 / np.maximum(seen, LEAST_SEEN), 0).astype(np.float32)
    mean = float(np.mean([grey.mean() for grey, _ in views]))
    start = max(mean - float(background), 1e-6)
    found = np.where(restorable, start, 0).astype(np.float32)
    most = max(float(grey.max()) for grey, _ in views)
    least = np.float32(1e-6 * max(most, 1e-30))  # rounding must not divide by zero
    while True:
        push = np.zeros_like(found)
        for grey, kernel in views:
            expected = blur.blur(found, kernel, boundary="zero")[inside]
            expected = np.maximum(expected + background, least)
            push += back(np.asarray(grey / expected, np.float32), kernel)
        found = found * push * (weight / np.float32(len(views)))
        yield np.ascontiguousarray(found[inside], np.float32)


def widened(psf: npt.ArrayLike, factor: int) -> Floats:
    """A PSF as it looks in a stack of every so many planes, interpolated at those between.

    Planes of the PSF are kept as those of the stack are, its middle one among them, and the others
    are interpolated by cubics: with it, deconvolution accounts for the blur of interpolating too.

    Parameters
    ----------
    psf : (Z, Y, X) array
        As for `richardson_lucy`, on the voxels of the interpolated stack.
    factor
        Planes from one recorded plane to the next, from 1 on.

    References
    ----------
    M. Weigert et al., Nature Methods 15, 2018, Methods, "Zebrafish retinal tissue isotropic
    restoration", and supplementary figure 19, doi:10.1038/s41592-018-0216-7.
    """
    kernel = np.asarray(psf, np.float32)
    # Two recorded planes of nothing on either side, so that the cubics come to an end.
    reach = (-(-(len(kernel) // 2) // factor) + 2) * factor
    pad = reach - len(kernel) // 2
    padded = np.pad(kernel, [(pad, pad), (0, 0), (0, 0)])
    planes = padded[::factor]
    matrix = sampling.cubic_matrix(np.arange(len(padded)) / factor, len(planes))
    wide = np.maximum(sampling.resample(matrix, planes), 0)
    held = np.flatnonzero(wide.any(axis=(1, 2)))
    rim = min(held[0], len(wide) - 1 - held[-1])
    wide = wide[rim : len(wide) - rim]
    return np.asarray(wide / wide.sum(), np.float32)


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


def _views(
    images: Sequence[npt.ArrayLike], psfs: Sequence[npt.ArrayLike]
) -> list[tuple[Floats, Floats]]:
    """Each image with its PSF, if all go together."""
    if len(images) != len(psfs) or not images:
        raise UsageError(
            f"there are {len(images)} images and {len(psfs)} PSFs",
            remedy="Give one image at least, and a PSF for each",
        )
    views = [_checked(image, psf) for image, psf in zip(images, psfs, strict=True)]
    shapes = {grey.shape for grey, _ in views}
    if len(shapes) > 1:
        raise InputError(
            "the views have the shapes " + " and ".join(map(describe_shape, sorted(shapes))),
            remedy="Interpolate and crop them to one field",
        )
    return views


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
