"""Engines: the same network, run faster, and held against float32 before it is believed."""

from carescope.engine.accelerated import Accelerated, accelerated
from carescope.engine.choose import Choice, Floats, choose
from carescope.engine.names import NAMES, check_name
from carescope.engine.told import settled, version, word

__all__ = [
    "NAMES",
    "Accelerated",
    "Choice",
    "Floats",
    "accelerated",
    "check_name",
    "choose",
    "settled",
    "version",
    "word",
]
