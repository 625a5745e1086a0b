"""Restoring: pure functions of one output block, and loops over them."""

from carescope.predict.blocks import Block, block_size, cut, plan, seen_px, working_bytes
from carescope.predict.engaged import engaged
from carescope.predict.estimate import Estimate
from carescope.predict.flow import flow
from carescope.predict.glimpse import glimpses
from carescope.predict.memory import SLACK, room
from carescope.predict.outline import Outline, layer_names, outline, provenance
from carescope.predict.sight import Sight
from carescope.predict.single import restore_block
from carescope.predict.surface import check_projects, heights
from carescope.predict.volume import (
    Place,
    Restored,
    Steps,
    place_of,
    restore,
    restore_into,
)
from carescope.predict.widening import noise_seen

__all__ = [
    "SLACK",
    "Block",
    "Estimate",
    "Outline",
    "Place",
    "Restored",
    "Sight",
    "Steps",
    "block_size",
    "check_projects",
    "cut",
    "engaged",
    "flow",
    "glimpses",
    "heights",
    "layer_names",
    "noise_seen",
    "outline",
    "place_of",
    "plan",
    "provenance",
    "restore",
    "restore_block",
    "restore_into",
    "room",
    "seen_px",
    "working_bytes",
]
