"""Training pairs, made lazily and reproducibly."""

from carescope.pairs.lateral import LateralPairs, from_volume

__all__ = ["LateralPairs", "from_volume"]
