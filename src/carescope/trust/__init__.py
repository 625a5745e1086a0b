"""Arrays in, arrays out: what networks predict, where they disagree, whether to believe them."""

from carescope.trust.calibration import Calibration, calibration
from carescope.trust.disagreement import disagreement
from carescope.trust.mixture import FAMILIES, cdf, fuse, interval, quantile

__all__ = [
    "FAMILIES",
    "Calibration",
    "calibration",
    "cdf",
    "disagreement",
    "fuse",
    "interval",
    "quantile",
]
