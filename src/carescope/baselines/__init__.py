"""Classical methods, tuned fairly: what a network has to be better than."""

from carescope.baselines.deconvolution import (
    deconvolution,
    multiview,
    multiview_steps,
    richardson_lucy,
    widened,
)
from carescope.baselines.denoisers import (
    bilateral,
    bm3d,
    bm4d,
    low_pass,
    median,
    non_local_means,
    total_variation,
)
from carescope.baselines.methods import METHODS, Method, Setting, apply, missing, named
from carescope.baselines.projections import (
    PROJECTORS,
    Projection,
    Projector,
    project,
    sample,
    tune_projection,
)
from carescope.baselines.surfaces import minimum_cost, smooth_height
from carescope.baselines.tuning import trials, tune, window

__all__ = [
    "METHODS",
    "PROJECTORS",
    "Method",
    "Projection",
    "Projector",
    "Setting",
    "apply",
    "bilateral",
    "bm3d",
    "bm4d",
    "deconvolution",
    "low_pass",
    "median",
    "minimum_cost",
    "missing",
    "multiview",
    "multiview_steps",
    "named",
    "non_local_means",
    "project",
    "richardson_lucy",
    "sample",
    "smooth_height",
    "total_variation",
    "trials",
    "tune",
    "tune_projection",
    "widened",
    "window",
]
