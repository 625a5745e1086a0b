"""Arrays in, arrays out: what networks predict, where they disagree, whether to believe them."""

from carescope.trust.calibration import Calibration, calibration
from carescope.trust.disagreement import disagreement
from carescope.trust.disputed import best_agreed, most_disputed
from carescope.trust.features import Features, features, noise_of
from carescope.trust.fingerprint import Comparison, Fingerprint
from carescope.trust.mixture import FAMILIES, cdf, fuse, interval, quantile
from carescope.trust.noisy import Trend, trend, widened
from carescope.trust.rescale import (
    FACTORS,
    Coverage,
    Rescaling,
    Tally,
    combined,
    coverage,
    leave_one_out,
    rescaling,
    tally,
)
from carescope.trust.samples import samples

__all__ = [
    "FACTORS",
    "FAMILIES",
    "Calibration",
    "Comparison",
    "Coverage",
    "Features",
    "Fingerprint",
    "Rescaling",
    "Tally",
    "Trend",
    "best_agreed",
    "calibration",
    "cdf",
    "combined",
    "coverage",
    "disagreement",
    "features",
    "fuse",
    "interval",
    "leave_one_out",
    "most_disputed",
    "noise_of",
    "quantile",
    "rescaling",
    "samples",
    "tally",
    "trend",
    "widened",
]
