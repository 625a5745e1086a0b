"""Restoring: pure functions of one output block, and loops over them."""

from carescope.predict import direct, sections
from carescope.predict.blocks import plan
from carescope.predict.estimate import Estimate
from carescope.predict.memory import left
from carescope.predict.outline import Outline, layer_names, outline, provenance
from carescope.predict.volume import Place, Restored, restore, restore_into

__all__ = [
    "Estimate",
    "Outline",
    "Place",
    "Restored",
    "direct",
    "layer_names",
    "left",
    "outline",
    "plan",
    "provenance",
    "restore",
    "restore_into",
    "sections",
]
