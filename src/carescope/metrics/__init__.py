"""Arrays in, numbers out: how close a restoration is, and how isotropic."""

from carescope.metrics.restoration import (
    evaluate,
    match,
    match_truth,
    normalise_truth,
    nrmse,
    psnr,
    ssim,
)
from carescope.metrics.spectrum import isotropy_ratio, power_spectrum_axes, spectral_isotropy
from carescope.metrics.strongest import Place, strongest, strongest_errors

__all__ = [
    "Place",
    "evaluate",
    "isotropy_ratio",
    "match",
    "match_truth",
    "normalise_truth",
    "nrmse",
    "power_spectrum_axes",
    "psnr",
    "spectral_isotropy",
    "ssim",
    "strongest",
    "strongest_errors",
]
