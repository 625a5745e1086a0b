"""Classical denoisers, tuned fairly: what a network has to be better than."""

from carescope.baselines.denoisers import (
    bilateral,
    bm3d,
    bm4d,
    low_pass,
    median,
    non_local_means,
    total_variation,
)
from carescope.baselines.methods import METHODS, Method, Setting, apply, named
from carescope.baselines.tuning import trials, tune, window

__all__ = [
    "METHODS",
    "Method",
    "Setting",
    "apply",
    "bilateral",
    "bm3d",
    "bm4d",
    "low_pass",
    "median",
    "named",
    "non_local_means",
    "total_variation",
    "trials",
    "tune",
    "window",
]
