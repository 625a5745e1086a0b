"""How close a restored image is to the truth, up to gain and offset.

The three measures compare the truth with an affine match of the restoration, because a
restoration is only defined up to the normalisation it was trained in: a gain or offset
(of either sign) applied to the restored image changes none of them.

References
----------
M. Weigert et al., Content-aware image restoration, Nature Methods 15, 2018,
doi:10.1038/s41592-018-0216-7 (NRMSE, SSIM). M. Weigert et al., Isotropic reconstruction of
3D fluorescence microscopy images using convolutional neural networks, MICCAI 2017,
doi:10.1007/978-3-319-66185-8_15 (PSNR, equation 3).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError
from carescope.metrics.arrays import pair, real, refuse_constant

Float64 = npt.NDArray[np.float64]

P_LOW, P_HIGH = 0.1, 99.9
SSIM_WINDOW_PX = 7


def normalise_truth(truth: npt.ArrayLike) -> Float64:
    """Map the 0.1 and 99.9 percentiles of the truth to 0 and 1, without clipping.

    Parameters
    ----------
    truth : (...) array
        The ground truth, of any number of dimensions, in any unit.

    Returns
    -------
    (...) float64 array
        ``(truth - p_0.1) / (p_99.9 - p_0.1)``; a few values lie below 0 and above 1.

    Raises
    ------
    InputError
        The truth is empty, not real, not finite, or its two percentiles are equal.
    """
    image = real(truth, "the truth")
    low, high = _range(image)
    normalised: Float64 = (image - low) / (high - low)
    return normalised


def match(truth: npt.ArrayLike, restored: npt.ArrayLike) -> Float64:
    r"""Bring the restored image onto the truth's scale by the best gain and offset.

    Parameters
    ----------
    truth, restored : (...) arrays of one shape
        In any units.

    Returns
    -------
    (...) float64 array
        :math:`\alpha y + \beta` with :math:`\alpha = cov(y, y_0) / var(y)` and
        :math:`\beta = mean(y_0) - \alpha\, mean(y)`, the least squares over all pixels.

    Raises
    ------
    InputError
        The shapes differ, a value is not finite, or the restored image is constant.
    """
    return _match(*pair(truth, restored))


def match_truth(truth: npt.ArrayLike, restored: npt.ArrayLike) -> Float64:
    r"""Bring the truth onto the restored image's scale, where predicted scales need not change.

    Parameters
    ----------
    truth, restored : (...) arrays of one shape
        In any units.

    Returns
    -------
    (...) float64 array
        :math:`(y_0 - \beta) / \alpha`, the inverse of `match`.

    Raises
    ------
    InputError
        As `match`; or the restored image does not rise with the truth, so that no gain fits.
    """
    target, image = pair(truth, restored)
    gain, offset = _gain_and_offset(target, image)
    if not gain > 0:
        raise InputError(
            "the restored image is not brighter where the truth is",
            remedy="Check that the right files are compared",
        )
    return (target - offset) / gain


def nrmse(truth: npt.ArrayLike, restored: npt.ArrayLike) -> float:
    r"""Root-mean-square error in units of the truth's range; 0 is perfect.

    Parameters
    ----------
    truth, restored : (...) arrays of one shape
        In any units.

    Returns
    -------
    float
        :math:`\sqrt{mean((N(y_0) - match(N(y_0), y))^2)}` with `normalise_truth` as N.

    Raises
    ------
    InputError
        The shapes differ, a value is not finite, or either image is constant.
    """
    target, image = pair(truth, restored)
    low, high = _range(target)  # dividing the error is normalising the truth, for less rounding
    return _rms_error(target, image) / (high - low)


def ssim(truth: npt.ArrayLike, restored: npt.ArrayLike, *, planewise: bool = False) -> float:
    """Structural similarity; 1 is perfect.

    Uniform windows of 7 pixels along every axis, K1 = 0.01, K2 = 0.03, sample covariance, and
    a data range of 1, which is what `normalise_truth` maps the truth's percentiles to.

    Parameters
    ----------
    truth, restored : (Y, X) or (Z, Y, X) arrays of one shape
        In any units.
    planewise
        For volumes: the mean over planes of the SSIM of each YX plane, instead of windows of
        7 x 7 x 7 voxels. Right where the planes are not neighbours (the unseen planes of a
        stack), or fewer than 7. Gain and offset are matched once, over the volume.

    Raises
    ------
    InputError
        As `nrmse`; or the images are not 2D or 3D, or smaller than the window.

    References
    ----------
    Z. Wang et al., IEEE Transactions on Image Processing 13, 2004, doi:10.1109/TIP.2003.819861.
    """
    from skimage.metrics import structural_similarity

    target, image = pair(truth, restored)
    if target.ndim not in (2, 3):
        raise InputError(
            f"SSIM is defined here for (Y, X) and (Z, Y, X), not {target.ndim} dimensions",
            remedy="Compare one channel and one time point at a time",
        )
    planewise = planewise and target.ndim == 3
    window = target.shape[1:] if planewise else target.shape
    if min(window) < SSIM_WINDOW_PX:
        raise InputError(
            f"SSIM needs {SSIM_WINDOW_PX} pixels along every axis of its window, and the "
            f"images are {describe_shape(target.shape)}",
            remedy="Compare larger images"
            if planewise or target.ndim == 2
            else "Compare larger images, or give planewise=True",
        )
    target = normalise_truth(target)
    image = _match(target, image)
    pairs = zip(target, image, strict=True) if planewise else [(target, image)]
    values = [
        structural_similarity(a, b, win_size=SSIM_WINDOW_PX, data_range=1.0)  # type: ignore[no-untyped-call]
        for a, b in pairs
    ]
    return float(np.mean(values))


def psnr(truth: npt.ArrayLike, restored: npt.ArrayLike) -> float:
    r"""Peak signal-to-noise ratio in decibels; larger is better, equal images give inf.

    Parameters
    ----------
    truth, restored : (...) arrays of one shape
        In any units; the truth's maximum must be positive.

    Returns
    -------
    float
        :math:`20 \log_{10} \max y_0 - 10 \log_{10} mean((y_0 - match(y_0, y))^2)`, in the
        truth's own units.

    Raises
    ------
    InputError
        As `nrmse`; or nothing in the truth is positive.
    """
    target, image = pair(truth, restored)
    refuse_constant(target, "the truth")
    peak = float(target.max())
    if not peak > 0:
        raise InputError(
            f"the peak of the truth is its maximum, {peak:g}, and that is not positive",
            remedy="Give the truth in units that are positive where there is signal",
        )
    error = _rms_error(target, image)
    return math.inf if error == 0 else 20 * (math.log10(peak) - math.log10(error))


def evaluate(
    truth: npt.ArrayLike, restored: npt.ArrayLike, *, planewise: bool = False
) -> dict[str, float]:
    """Return ``{"psnr_db", "nrmse", "ssim"}`` of a restored image.

    Parameters
    ----------
    truth, restored : (Y, X) or (Z, Y, X) arrays of one shape
        In any units.
    planewise
        Whether SSIM is the mean over planes; see `ssim`.

    Raises
    ------
    InputError
        As `psnr`, `nrmse` and `ssim`.
    """
    return {
        "psnr_db": psnr(truth, restored),
        "nrmse": nrmse(truth, restored),
        "ssim": ssim(truth, restored, planewise=planewise),
    }


def _range(truth: Float64) -> tuple[float, float]:
    low, high = (float(p) for p in np.percentile(truth, (P_LOW, P_HIGH)))
    if not high > low:
        raise InputError(
            f"the truth is the same, {low:g}, from its {P_LOW} to its {P_HIGH} percentile",
            remedy="Compare with a truth, or a crop of it, that shows something",
        )
    return low, high


def _rms_error(target: Float64, image: Float64) -> float:
    return math.sqrt(float(np.mean(np.square(target - _match(target, image)))))


def _match(target: Float64, image: Float64) -> Float64:
    gain, offset = _gain_and_offset(target, image)
    return gain * image + offset


def _gain_and_offset(target: Float64, image: Float64) -> tuple[float, float]:
    refuse_constant(image, "the restored image")
    # Each by its largest value: squares of tiny ones stay above zero, and of equal images the gain
    # is 1 to the last bit on every processor.
    (image_mean, image_peak, seen), (mean, peak, wanted) = map(_centred, (image, target))
    gain = np.vdot(seen, wanted) / np.vdot(seen, seen) * (peak / image_peak)
    return float(gain), float(mean - gain * image_mean)


def _centred(values: Float64) -> tuple[float, float, Float64]:
    """The mean, the largest difference from it, and the differences in units of that."""
    mean = values.mean()
    centred = values - mean
    peak = float(np.abs(centred).max())
    return float(mean), peak, centred / (peak or 1)
