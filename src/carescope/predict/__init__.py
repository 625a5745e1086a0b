"""Restoring: pure functions of one output block, and loops over them."""

from carescope.predict import direct, sections
from carescope.predict.blocks import Block, block_size, cut, plan, working_bytes
from carescope.predict.estimate import Estimate
from carescope.predict.glimpse import glimpses
from carescope.predict.memory import left, room
from carescope.predict.outline import Outline, layer_names, outline, provenance
from carescope.predict.surface import check_projects, heights
from carescope.predict.volume import Place, Restored, restore, restore_into
from carescope.predict.widening import noise_seen

__all__ = [
    "Block",
    "Estimate",
    "Outline",
    "Place",
    "Restored",
    "block_size",
    "check_projects",
    "cut",
    "direct",
    "glimpses",
    "heights",
    "layer_names",
    "left",
    "noise_seen",
    "outline",
    "plan",
    "provenance",
    "restore",
    "restore_into",
    "room",
    "sections",
    "working_bytes",
]
