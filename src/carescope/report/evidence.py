"""Pictures to judge a network by: against the truth, member beside member, at its worst."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from carescope import trust
from carescope.errors import InputError
from carescope.report import reliability
from carescope.report.figures import PHONE_IN, Rows
from carescope.report.panels import Panel, Shade, aligned, contrast, draw, plain, png
from carescope.report.picture import Picture, picture
from carescope.report.spread import DISAGREEMENT, LEVEL, SCALE, SHARE, liveliest

Pixels = npt.NDArray[Any]

ERROR = "inferno"


class Example(NamedTuple):
    """A part of a held-out image, all (Y, X).

    `restored`, `scale` and `truth` are in one unit, the scale as the family given spreads it, after
    rescaling. `recorded` may be in another: it is shown with a contrast of its own.
    """

    where: str
    recorded: Pixels
    restored: Pixels
    scale: Pixels
    truth: Pixels
    family: str


class Members(NamedTuple):
    """A part of an image as each member of an ensemble restores it, (M, Y, X); the rest (Y, X)."""

    where: str
    recorded: Pixels
    members: Pixels
    mean: Pixels
    disagreement: Pixels
    truth: Pixels | None = None


class Wrong(NamedTuple):
    """A part of an image that is far from the truth, all (Y, X).

    `value` is the local error over the truth's range, as `metrics.strongest_errors` measures it.
    """

    where: str
    value: float
    recorded: Pixels
    restored: Pixels
    truth: Pixels


def against_truth(example: Example, pixel_um: tuple[float, float] | None) -> list[Picture]:
    """A restoration beside its truth, and a line through both with the interval.

    Raises
    ------
    InputError
        The pictures are not of one shape.
    """
    shown = {
        "recorded": example.recorded,
        "restored": example.restored,
        "truth": example.truth,
        "scale": example.scale,
    }
    size, unit = _pixel(pixel_um)
    panels = _panels(example.where, shown, size)
    column = liveliest(example.truth)
    panels[1] = panels[1]._replace(line=column * size[1])
    widest = float(np.nanpercentile(example.scale, 99.7)) or 1.0
    panels[3] = panels[3]._replace(shade=Shade(SCALE, 0.0, widest))
    values = [np.asarray(a[:, column], np.float32) for a in (example.restored, example.truth)]
    bounds = trust.interval(values[0], example.scale[:, column], LEVEL, family=example.family)
    line = reliability.Line(np.arange(len(values[0])) * size[0], values[0], *bounds, values[1])
    inside = float(np.mean((bounds[0] <= values[1]) & (values[1] <= bounds[1])))
    everywhere = trust.interval(example.restored, example.scale, LEVEL, family=example.family)
    held = float(np.mean((everywhere[0] <= example.truth) & (example.truth <= everywhere[1])))
    return [
        picture(
            partial(_draw, [panels], unit),
            "A held-out image as recorded and restored, its truth, and the scale of each pixel.",
            "The scale is how far off the network expects to be, after rescaling. Restored and "
            "true values are in one contrast; the recorded image has its own. In this part the "
            f"{SHARE} interval holds {100 * held:.0f} % of the true values.",
            example.where,
        ),
        picture(
            lambda width: reliability.profile(line, SHARE, unit, width_in=width),
            "Restored values along a line with their interval as a band, and the true values.",
            f"Along the dashed line: of {len(values[0])} true values {100 * inside:.0f} % lie in "
            f"the {SHARE} interval.",
        ),
    ]


def members(shown: Members, pixel_um: tuple[float, float] | None) -> Picture:
    """What each member makes of a place, and how far they differ.

    Raises
    ------
    InputError
        The pictures are not of one shape.
    """
    size, unit = _pixel(pixel_um)
    together = {"recorded": shown.recorded, "mean of members": shown.mean}
    together |= {"truth": shown.truth} if shown.truth is not None else {}
    together["disagreement"] = shown.disagreement
    each = {f"member {n + 1}": one for n, one in enumerate(shown.members)}
    panels = _panels(shown.where, together | each, size)
    above, below = panels[: len(together)], panels[len(together) :]
    above[-1] = above[-1]._replace(shade=Shade(DISAGREEMENT, 0.0, 1.0))
    typical = float(np.nanmean(shown.disagreement))
    return picture(
        partial(_draw, [above, below], unit),
        "A place as recorded, restored by all members together and by each, and a map of their "
        "disagreement.",
        f"Disagreement is {typical:.2f} here on average. Restored values are in one contrast, "
        "which the recorded image does not share.",
        shown.where,
    )


def wrong(shown: Wrong, pixel_um: tuple[float, float] | None) -> Picture:
    """A place where the restoration is far from the truth, with a map of the error.

    Raises
    ------
    InputError
        The pictures are not of one shape.
    """
    size, unit = _pixel(pixel_um)
    pictures = {"recorded": shown.recorded, "restored": shown.restored, "truth": shown.truth}
    panels = _panels(shown.where, pictures, size)
    error = np.abs(np.asarray(shown.restored, np.float32) - shown.truth)
    shade = Shade(ERROR, 0.0, float(error.max()) or 1.0)
    panels.append(panels[2]._replace(label="error", pixels=error, shade=shade))
    return picture(
        partial(_draw, [panels], unit),
        "A place where the restoration is far from the truth: recorded, restored, true, and the "
        "error.",
        f"The largest error here, over a few pixels, is {plain(100 * shown.value)} % of the "
        "truth's range. The recorded image has its own contrast.",
        shown.where,
    )


def _pixel(pixel_um: tuple[float, float] | None) -> tuple[tuple[float, float], str]:
    """The size of a pixel, and what it is measured in."""
    return (pixel_um, "µm") if pixel_um else ((1.0, 1.0), "px")


def _panels(where: str, pictures: dict[str, Pixels], size: tuple[float, float]) -> list[Panel]:
    """Panels of one field; what was recorded is as bright as what was restored from it."""
    shapes = {np.shape(pixels) for pixels in pictures.values()}
    if len(shapes) > 1 or any(len(shape) != 2 or 0 in shape for shape in shapes):
        raise InputError(
            f"the pictures have the shapes {sorted(shapes)}",
            where=where,
            remedy="Give (Y, X) arrays that show the same pixels",
        )
    like = next(
        pixels for name, pixels in pictures.items() if name in ("restored", "mean of members")
    )
    pictures = pictures | {"recorded": _as_bright(pictures["recorded"], like)}
    return aligned([(name, np.asarray(pixels), size) for name, pixels in pictures.items()])


def _as_bright(recorded: Pixels, like: Pixels) -> Pixels:
    """The recorded pixels, with black and white where the other picture has them."""
    (low, high), (black, white) = (
        np.nanpercentile(np.asarray(a, np.float64), (0.5, 99.7)) for a in (recorded, like)
    )
    gain = (white - black) / (high - low) if high > low else 1.0
    return np.asarray(black + gain * (np.asarray(recorded, np.float64) - low), np.float32)


def _draw(rows: Rows, unit: str, width_in: float) -> bytes:
    """Draw rows of panels in one contrast; on a phone two beside each other."""
    limits = contrast([panel for row in rows for panel in row if panel.shade is None])
    if width_in < PHONE_IN:
        rows = [row[n : n + 2] for row in rows for n in range(0, len(row), 2)]
    return png(draw(rows, [limits] * len(rows), width_in=width_in, unit=unit))
