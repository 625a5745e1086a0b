"""Training pairs, made lazily and reproducibly."""

from carescope.pairs.agree import TOLERANCE
from carescope.pairs.lateral import LateralPairs, from_volume

__all__ = ["TOLERANCE", "LateralPairs", "from_volume"]
