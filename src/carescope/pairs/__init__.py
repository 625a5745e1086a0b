"""Training pairs, made lazily and reproducibly."""

from carescope.pairs.acquired import AcquiredPairs, from_pairs
from carescope.pairs.agree import TOLERANCE, check_pairs
from carescope.pairs.contract import Pairs
from carescope.pairs.lateral import LateralPairs, from_volume, isotropic_task
from carescope.pairs.scene import Scene
from carescope.pairs.simulated import SimulatedPairs, from_scene

__all__ = [
    "TOLERANCE",
    "AcquiredPairs",
    "LateralPairs",
    "Pairs",
    "Scene",
    "SimulatedPairs",
    "check_pairs",
    "from_pairs",
    "from_scene",
    "from_volume",
    "isotropic_task",
]
