"""Engines: the same network, run faster, and held against float32 before it is believed."""

from carescope.engine.accelerated import Accelerated, accelerated
from carescope.engine.choose import Choice, Floats, choose
from carescope.engine.names import NAMES, available, check_name, stands_for
from carescope.engine.told import settled, version, word

__all__ = [
    "NAMES",
    "Accelerated",
    "Choice",
    "Floats",
    "accelerated",
    "available",
    "check_name",
    "choose",
    "settled",
    "stands_for",
    "version",
    "word",
]
