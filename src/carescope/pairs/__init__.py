"""Training pairs, made lazily and reproducibly."""

from carescope.pairs.acquired import AcquiredPairs, check_pairs, from_pairs
from carescope.pairs.agree import TOLERANCE
from carescope.pairs.contract import Pairs
from carescope.pairs.lateral import LateralPairs, from_volume, isotropic_task

__all__ = [
    "TOLERANCE",
    "AcquiredPairs",
    "LateralPairs",
    "Pairs",
    "check_pairs",
    "from_pairs",
    "from_volume",
    "isotropic_task",
]
