"""Passes over all pixels of a large file, made once: what they found is in the user's cache."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import carescope
from carescope import normalize
from carescope.errors import InputError
from carescope.files.cache import recall, remember
from carescope.image import Image
from carescope.jobs.identity import of_file
from carescope.normalize import Affine
from carescope.percentiles import ChannelLevels
from carescope.read import check

#: Pixels from which a pass is worth remembering: a second or so of reading.
WORTH = 1e8
_SUBJECT = "images"


def scan(image: Image, percentiles: tuple[float, float] = normalize.USUAL) -> check.Statistics:
    """As `carescope.read.check.scan`; `fit` needs no other pass for these percentiles."""
    if not (state := _state(image)):
        return check.scan(image)
    return check.Statistics(**_looked(image, state, percentiles)["statistics"])


def fit(image: Image, percentiles: tuple[float, float]) -> tuple[Affine, ...]:
    """As `carescope.normalize.fit`, from the levels that `scan` has counted."""
    if not (state := _state(image)):
        return normalize.fit(image, percentiles)
    counted = _looked(image, state, percentiles)["levels"]
    return _fitted(image, state, percentiles, ChannelLevels.of_lists(counted, image))


def _fitted(
    image: Image, state: str, percentiles: tuple[float, float], levels: ChannelLevels
) -> tuple[Affine, ...]:
    def find() -> dict[str, Any]:
        return {"maps": [asdict(one) for one in normalize.fit(image, percentiles, levels)]}

    found = _once(image, state, f"percentiles {percentiles}", find)
    return tuple(Affine(**one) for one in found["maps"])


def _looked(image: Image, state: str, percentiles: tuple[float, float]) -> dict[str, Any]:
    """Statistics and levels, found in one pass, and the percentiles while lower bits are known."""

    def find() -> dict[str, Any]:
        levels = ChannelLevels(image, percentiles)
        statistics = check.scan(image, levels.add)
        if not statistics.nonfinite:
            with suppress(InputError):  # of a constant channel, for whoever asks for the maps
                _fitted(image, state, percentiles, levels)
        return {"statistics": asdict(statistics), "levels": levels.as_lists()}

    return _once(image, state, "statistics and levels", find)


def _state(image: Image) -> str:
    """What tells a large file from any other; empty where a pass is not worth remembering."""
    return of_file(image) if math.prod(image.shape) >= WORTH else ""


def _once(
    image: Image, state: str, question: str, find: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What a pass finds, or found when this file was as it is now."""
    path = Path(str(image.source)).absolute()
    changed_ns = path.stat().st_ctime_ns  # a copy may have the size and time of the original
    told = "\n".join([carescope.__version__, question, str(path), str(changed_ns), state])
    key = hashlib.sha256(told.encode()).hexdigest()
    found = recall(_SUBJECT, key)
    if not found:
        found = find()
        remember(_SUBJECT, key, found)
    return found
