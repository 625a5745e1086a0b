"""Small pictures among the rows of an experiment: what its figure shows.

A key that begins with an underscore is kept out of the CSV; pictures stand under such keys, as JSON
can hold them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.report.figures import WIDE_IN
from carescope.report.panels import aligned, contrast, draw, png

Packed = dict[str, Any]
MOST_PX = 96


def packed(picture: npt.ArrayLike) -> Packed:
    """A picture (rows, columns) as JSON: 16 bits between its least and its largest value."""
    values = np.asarray(picture, np.float64)
    low, high = float(values.min()), float(values.max())
    whole = np.rint((values - low) / ((high - low) or 1.0) * 65535).astype("<u2")
    text = base64.b64encode(whole.tobytes()).decode()
    return {"shape": list(values.shape), "low": low, "high": high, "pixels": text}


def unpacked(picture: Packed) -> npt.NDArray[np.float64]:
    """The picture of `packed`."""
    whole = np.frombuffer(base64.b64decode(picture["pixels"]), "<u2").reshape(picture["shape"])
    return np.asarray(picture["low"] + whole * ((picture["high"] - picture["low"]) / 65535))


def section(volume: npt.ArrayLike, most_px: int = MOST_PX) -> npt.NDArray[Any]:
    """The middle of the middle xz section, at most so many planes and columns."""
    middle = np.asarray(volume)
    middle = middle[:, middle.shape[1] // 2, :]
    cut = [slice(max(0, (n - most_px) // 2), (n + most_px) // 2) for n in middle.shape]
    return np.asarray(middle[tuple(cut)])


def side_by_side(
    groups: Sequence[Mapping[str, Packed]], pixel_um: Sequence[float], *, columns: int
) -> bytes:
    """Pictures of several fields, each group at a contrast of its own, as a PNG.

    Parameters
    ----------
    groups
        By label, the pictures of one field.
    pixel_um
        Pixel size of each group.
    columns
        How many stand side by side.
    """
    rows, limits = [], []
    for group, size in zip(groups, pixel_um, strict=True):
        shown = aligned([(label, unpacked(p), (size, size)) for label, p in group.items()])
        parts = [shown[i : i + columns] for i in range(0, len(shown), columns)]
        rows += parts
        limits += [contrast(shown)] * len(parts)
    return png(draw(rows, limits, width_in=WIDE_IN))
