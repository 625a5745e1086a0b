"""Is a sharper image true to the widefield one: resolution-scaled error and Pearson (SQUIRREL)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError
from carescope.metrics.arrays import real, refuse_constant

Float64 = npt.NDArray[np.float64]

NAMES = ("the widefield image", "the sharper image")
# In pixels of the sharper image; the wider end is also kept below a quarter of the image.
LEAST_SIGMA_PX, LARGEST_SIGMA_PX = 0.1, 50.0
# Widths that are tried before the best is refined, in equal proportions.
TRIED = 24


@dataclass(frozen=True)
class ScaledError:
    """A sharp image, made as blurred as a reference, beside it.

    Parameters
    ----------
    rse
        Resolution-scaled error: root mean square difference, in the unit of the reference.
    rsp
        Resolution-scaled Pearson correlation, in [-1, 1].
    sigma_px
        Standard deviation of the Gaussian that makes the sharp image as blurred as the reference,
        in pixels of the sharp image.
    gain, offset
        What its grey levels are multiplied by, and then added.
    error : array of the reference's shape, float32
        The error map: absolute differences, in the unit of the reference.
    """

    rse: float
    rsp: float
    sigma_px: float
    gain: float
    offset: float
    error: npt.NDArray[np.float32]


def resolution_scaled_error(widefield: npt.ArrayLike, sharper: npt.ArrayLike) -> ScaledError:
    r"""Blur a sharper image to the resolution of a widefield one, and compare the two.

    Finds the standard deviation of a Gaussian G, the gain :math:`\alpha` and the offset
    :math:`\beta` of least :math:`\lVert D - (\alpha S + \beta) * G \rVert^2`; gain and offset by
    regression for each width, the width by a search. What remains shows structures in S that D
    does not support, or that are lacking; it cannot show detail that is wrong below the resolution
    of D, since the blur takes that away. Neither image may be shifted against the other.

    Parameters
    ----------
    widefield : (Y, X) or (Z, Y, X) array
        D, in any unit.
    sharper : array of the same shape, or of a whole multiple of it along all axes
        S, such as a deconvolution or restoration of D. Where it has more pixels, the blurred image
        is averaged over those that make one of D. Beyond its border it is mirrored.

    Returns
    -------
    ScaledError
        With the error map.

    Raises
    ------
    InputError
        The shapes do not go together, or an image is constant or not finite.

    References
    ----------
    S. Culley et al., Nature Methods 15, 2018, doi:10.1038/nmeth.4605. There the widefield image is
    interpolated to the pixels of the sharper one instead, where these are smaller.
    """
    from scipy.optimize import minimize_scalar

    reference, image = real(widefield, NAMES[0]), real(sharper, NAMES[1])
    refuse_constant(reference, NAMES[0])
    refuse_constant(image, NAMES[1])
    factor = _factor(reference, image)

    def remaining(logarithm: float) -> float:
        blurred = _blurred(image, math.exp(logarithm), factor)
        return float(np.square(_regressed(reference, blurred)[0]).sum())

    largest = max(min(LARGEST_SIGMA_PX, max(image.shape) / 4), 2 * LEAST_SIGMA_PX)
    tried = np.linspace(math.log(LEAST_SIGMA_PX), math.log(largest), TRIED)
    best = int(np.argmin([remaining(x) for x in tried]))
    bounds = (tried[max(best - 1, 0)], tried[min(best + 1, TRIED - 1)])
    found = minimize_scalar(remaining, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    sigma_px = math.exp(float(found.x))
    blurred = _blurred(image, sigma_px, factor)
    difference, gain, offset = _regressed(reference, blurred)
    return ScaledError(
        rse=float(np.sqrt(np.mean(difference**2))),
        rsp=float(np.corrcoef(reference.ravel(), blurred.ravel())[0, 1]),
        sigma_px=sigma_px,
        gain=gain,
        offset=offset,
        error=np.abs(difference).astype(np.float32),
    )


def _factor(reference: Float64, image: Float64) -> int:
    """How many pixels of the sharper image lie along one of the reference."""
    factor = image.shape[-1] // reference.shape[-1] if image.ndim == reference.ndim else 0
    fits = factor > 0 and tuple(factor * n for n in reference.shape) == image.shape
    if reference.ndim not in (2, 3) or not fits:
        raise InputError(
            f"{NAMES[1]} is {describe_shape(image.shape)}, which is no whole multiple of "
            f"{NAMES[0]}, {describe_shape(reference.shape)}",
            remedy="Give planes or volumes of one field, cropped alike",
        )
    return factor


def _blurred(image: Float64, sigma_px: float, factor: int) -> Float64:
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(image, sigma_px)
    if factor > 1:
        parts = [m for n in blurred.shape for m in (n // factor, factor)]
        blurred = blurred.reshape(parts).mean(axis=tuple(range(1, len(parts), 2)))
    return np.asarray(blurred)


def _regressed(reference: Float64, blurred: Float64) -> tuple[Float64, float, float]:
    """What is left of the reference after the best gain and offset of the other."""
    centred = blurred - blurred.mean()
    square = float(np.vdot(centred, centred))
    gain = float(np.vdot(centred, reference)) / square if square > 0 else 0.0
    offset = float(reference.mean() - gain * blurred.mean())
    return reference - gain * blurred - offset, gain, offset
