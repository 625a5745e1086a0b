"""Restoring: a pure function of one output block, and loops over it."""

from carescope.predict.block import Estimate, restore_block
from carescope.predict.blocks import plan
from carescope.predict.outline import geometry, layer_names, layout, provenance, voxel_um
from carescope.predict.volume import Place, Restored, restore, restore_into

__all__ = [
    "Estimate",
    "Place",
    "Restored",
    "geometry",
    "layer_names",
    "layout",
    "plan",
    "provenance",
    "restore",
    "restore_block",
    "restore_into",
    "voxel_um",
]
