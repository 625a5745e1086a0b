"""Lengths and times as microscopes and programs spell them, in micrometres and seconds."""

from __future__ import annotations

import math
from typing import Any

from carescope.image import VoxelSize

_SPELLINGS = {
    1e-6: ("pm", "picometer", "picometers", "picometre", "picometres"),
    1e-4: ("å", "angstrom", "angstroms", "ångström"),
    1e-3: ("nm", "nanometer", "nanometers", "nanometre", "nanometres"),
    1.0: (
        *("um", "µm", "µ", "micron", "microns"),
        *("micrometer", "micrometers", "micrometre", "micrometres"),
    ),
    1e3: ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
    1e4: ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
    1e6: ("m", "meter", "meters", "metre", "metres"),
    25400.0: ("in", "inch", "inches", '"'),
}
_UM = {name: size for size, names in _SPELLINGS.items() for name in names}
_TIMES = {
    1e-9: ("ns", "nsec", "nanosecond", "nanoseconds"),
    1e-6: ("us", "µs", "usec", "microsecond", "microseconds"),
    1e-3: ("ms", "msec", "millisecond", "milliseconds"),
    1.0: ("s", "sec", "second", "seconds"),
    60.0: ("min", "minute", "minutes"),
    3600.0: ("h", "hr", "hour", "hours"),
    86400.0: ("d", "day", "days"),
}
_SECONDS = {name: size for size, names in _TIMES.items() for name in names}


def micrometres(unit: Any) -> float | None:
    r"""How many micrometres one `unit` is, or None where it is no length (pixel, seconds).

    ImageJ writes the micro sign as the six characters ``\u00B5``; others use the Greek letter
    mu, and UTF-8 read as Latin-1 leaves an A with a circumflex before it.
    """
    text = str(unit).strip().replace("\\u00B5", "µ").replace("\\u00b5", "µ")
    # The micro sign, not the Greek letter, is what the table holds.
    text = text.replace("\u00c2\u00b5", "\u00b5").replace("\u00ce\u00bc", "\u00b5")
    text = text.lower().replace("\u03bc", "\u00b5")
    return _UM.get(text)


def seconds(unit: Any) -> float | None:
    """How many seconds one `unit` is, or None where it is no time."""
    return _SECONDS.get(str(unit).strip().lower())


def interval(value: Any, unit: Any) -> float | None:
    """The seconds between frames, or None where they are absent or not positive."""
    count, one = number(value), seconds(unit)
    return count * one if count is not None and one is not None and count > 0 else None


def voxel(z: float | None, y: float | None, x: float | None) -> VoxelSize | None:
    """A voxel size in micrometres, or None where a number is absent, not positive or absurd."""
    if z is None or y is None or x is None:
        return None
    return (z, y, x) if all(1e-5 < v < 1e5 for v in (z, y, x)) else None


def number(value: Any) -> float | None:
    """A finite number, or None where there is none."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None


def pixel_size(resolution: Any) -> float | None:
    """Units a pixel, of a TIFF resolution tag that holds pixels a unit as a fraction."""
    try:
        pixels, units = (float(v) for v in resolution)
        return units / pixels
    except (TypeError, ValueError, ZeroDivisionError):
        return None
