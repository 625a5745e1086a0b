"""What the page is put together from: pictures with their captions, values as people read them."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from carescope.report import figures


class Picture(NamedTuple):
    """A figure for wide screens and for phones, in words for those who cannot see it."""

    wide: str
    narrow: str
    alt: str
    caption: str
    heading: str = ""


def picture(draw: Callable[[float], bytes], alt: str, caption: str, heading: str = "") -> Picture:
    """Draw a figure at both widths, given what draws it at a width in inches."""
    wide, narrow = (
        "data:image/png;base64," + base64.b64encode(draw(width)).decode()
        for width in (figures.WIDE_IN, figures.NARROW_IN)
    )
    return Picture(wide, narrow, alt, caption, heading)


def show(value: object) -> str:
    """Render a value for people: five significant digits, words for yes, no and nothing."""
    if value is None:
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        number = float(value)
        return "∞" if number == math.inf else "–" if math.isnan(number) else f"{number:.5g}"
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence | np.ndarray):
        return ", ".join(show(item) for item in value)
    return str(value)
