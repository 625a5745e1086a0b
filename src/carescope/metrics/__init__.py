"""Arrays in, numbers out: how close a restoration is, how sharp, and what can be found in it."""

from carescope.metrics.correlation import RingCorrelation, fourier_ring_correlation
from carescope.metrics.links import Tracking, track, tracking
from carescope.metrics.objects import Matching, matching, seg
from carescope.metrics.outlines import best_cells, cells
from carescope.metrics.restoration import (
    evaluate,
    match,
    match_truth,
    normalise_truth,
    nrmse,
    psnr,
    ssim,
)
from carescope.metrics.scaled import ScaledError, resolution_scaled_error
from carescope.metrics.segmentation import best_threshold, components, intermodes, otsu, watershed
from carescope.metrics.spectrum import isotropy_ratio, power_spectrum_axes, spectral_isotropy
from carescope.metrics.strongest import Place, strongest, strongest_errors

__all__ = [
    "Matching",
    "Place",
    "RingCorrelation",
    "ScaledError",
    "Tracking",
    "best_cells",
    "best_threshold",
    "cells",
    "components",
    "evaluate",
    "fourier_ring_correlation",
    "intermodes",
    "isotropy_ratio",
    "match",
    "match_truth",
    "matching",
    "normalise_truth",
    "nrmse",
    "otsu",
    "power_spectrum_axes",
    "psnr",
    "resolution_scaled_error",
    "seg",
    "spectral_isotropy",
    "ssim",
    "strongest",
    "strongest_errors",
    "track",
    "tracking",
    "watershed",
]
