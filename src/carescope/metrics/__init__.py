"""Arrays in, numbers out: how close a restoration is, and how isotropic."""

from carescope.metrics.restoration import evaluate, match, normalise_truth, nrmse, psnr, ssim
from carescope.metrics.spectrum import isotropy_ratio, power_spectrum_axes, spectral_isotropy

__all__ = [
    "evaluate",
    "isotropy_ratio",
    "match",
    "normalise_truth",
    "nrmse",
    "power_spectrum_axes",
    "psnr",
    "spectral_isotropy",
    "ssim",
]
