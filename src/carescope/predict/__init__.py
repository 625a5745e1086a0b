"""Restoring: a pure function of one output block, and loops over it."""

from carescope.predict.block import restore_block
from carescope.predict.volume import (
    Restored,
    geometry,
    plan,
    provenance,
    restore,
    restore_into,
    voxel_um,
)

__all__ = [
    "Restored",
    "geometry",
    "plan",
    "provenance",
    "restore",
    "restore_block",
    "restore_into",
    "voxel_um",
]
