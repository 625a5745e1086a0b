"""How sure the network is: maps of its scale and of disagreement, and a profile with its band."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from carescope import trust
from carescope.grid import Grid
from carescope.image import Image, Lazy
from carescope.report import figures
from carescope.report.panels import INK, POINTS, Shade, aligned, plain, png
from carescope.report.picture import Picture, picture
from carescope.report.planes import CloseUp, check_pair, volume_of
from carescope.report.plots import AXIAL, LATERAL, side_by_side

Reals = npt.NDArray[np.floating]

LEVEL = 0.9
SHARE = f"{100 * LEVEL:.0f} %"
SCALE, DISAGREEMENT = "viridis", "magma"  # ordered by lightness, for any colour vision
FAMILIES = {"laplace": "Laplace", "gaussian": "Gaussian"}
MEANING = (
    "For every pixel the network says how far off it expects its own grey level to be, by what it "
    "learnt on lateral slices, where the answer is known. On axial slices nobody checked it "
    "against the truth (it is not calibrated), so a small number is no proof."
)
OF_MEMBERS = (
    " Disagreement runs from 0, where networks that were trained alike from other random numbers "
    "restore the same, to 1, where each restores something else: do not rely on what is there."
)


class Spread(NamedTuple):
    """What a restoration says of its own errors: images of its shape, and the family they are of.

    `scale` is in grey levels, the b of a Laplace distribution or the standard deviation of a
    Gaussian; `disagreement` is from 0 to 1, and None where one network restored alone.
    """

    scale: Image
    family: str
    disagreement: Image | None = None


class Profile(NamedTuple):
    """A line along z: depths in micrometres, restored grey levels and the bounds of the interval.

    `recorded_um` and `recorded` are where and what the recorded planes hold on the line.
    """

    z_um: Reals
    restored: Reals
    low: Reals
    high: Reals
    recorded_um: Reals
    recorded: Reals


def pictures(
    spread: Spread, stack: Lazy, grid: Grid, closer: Sequence[CloseUp]
) -> tuple[str, list[Picture]]:
    """What the spread means, maps of it beside the close-ups, and a profile.

    Parameters
    ----------
    spread
        Of all channels and time points; the first is shown.
    stack : (Z, Y, X) lazy array
        The recorded volume.
    grid
        Relates its planes to the restored ones.
    closer
        The parts of the xz and the yz section to show, as restored.

    Raises
    ------
    InputError
        The scale or the disagreement is not of the restoration's shape.
    """
    scale = volume_of(spread.scale)
    disagreement = volume_of(spread.disagreement) if spread.disagreement else None
    for volume in (scale, disagreement):
        if volume is not None:
            check_pair(stack, volume, grid)
    scales = [part.of(scale) for part in closer]
    among = [part.of(disagreement) for part in closer] if disagreement is not None else []
    column = liveliest(closer[0].restored)
    rows = _maps(grid, closer, scales, among, column)
    maps = picture(
        partial(figures.draw_close_ups, rows),
        "Close-ups of the restoration beside maps of its scale"
        + (" and of the disagreement of its networks." if among else "."),
        _said(spread.family, closer, scales, among),
    )
    line = along_z(spread.family, stack, grid, closer[0], scales[0], column)
    graph = picture(
        lambda width: profile(line, width_in=width),
        "Grey levels on a line along z: restored, with its interval as a band, and recorded.",
        "Grey levels along the dashed line, with the range in which the network expects "
        f"{SHARE} of the true values. Dots are the recorded planes; where blur is undone, the "
        "restoration need not go through them.",
    )
    return MEANING + (OF_MEMBERS if among else ""), [maps, graph]


def profile(line: Profile, *, width_in: float = figures.WIDE_IN) -> bytes:
    """Draw a line along z with its interval as a band.

    Parameters
    ----------
    line
        Depths, grey levels and bounds.
    width_in
        Width of the picture in inches.
    """
    figure, (plot,) = side_by_side(1, width_in, 2.7)
    label = f"{SHARE} interval"
    plot.fill_between(line.z_um, line.low, line.high, color="#c3d7ea", lw=0, label=label)
    plot.plot(line.z_um, line.restored, color=LATERAL, label="restored")
    plot.plot(line.recorded_um, line.recorded, "o", color=AXIAL, ms=3.5, label="recorded")
    plot.margins(x=0.01)
    plot.set_xlabel("z (µm)")
    plot.set_ylabel("grey level")
    plot.set_title("along the dashed line", loc="left", fontsize=POINTS + 1, color=INK)
    plot.legend(frameon=False, fontsize=POINTS)
    return png(figure)


def _maps(
    grid: Grid,
    closer: Sequence[CloseUp],
    scales: Sequence[Reals],
    among: Sequence[Reals],
    column: int,
) -> figures.Rows:
    """A row for each close-up: restored, scale, disagreement."""
    widest = float(max(np.nanpercentile(part, 99.7) for part in scales))
    shades = (None, Shade(SCALE, 0.0, widest or 1.0), Shade(DISAGREEMENT, 0.0, 1.0))
    rows = []
    for k, part in enumerate(closer):
        size = (grid.spacing_um, part.section.column_um)
        maps = [("restored", part.restored), ("scale", scales[k])]
        maps += [("disagreement", among[k])] if among else []
        panels = aligned([(f"{part.section.name} · {name}", p, size) for name, p in maps])
        rows.append([p._replace(shade=s) for p, s in zip(panels, shades, strict=False)])
    line = column * closer[0].section.column_um
    rows[0][0] = rows[0][0]._replace(line=line)
    return rows


def along_z(
    family: str,
    stack: Lazy,
    grid: Grid,
    part: CloseUp,
    scale: Reals,
    column: int,
) -> Profile:
    """The line along z at a column of an xz close-up, with its interval.

    Parameters
    ----------
    family
        ``laplace`` or ``gaussian``.
    stack : (Z, Y, X) lazy array
        The recorded volume.
    grid
        Relates its planes to the restored ones.
    part
        The close-up.
    scale : (planes, columns) array
        The scale there, in grey levels.
    column
        Which column of the close-up.
    """
    restored = np.asarray(part.restored[:, column], np.float32)
    low, high = trust.interval(restored, scale[:, column], LEVEL, family=family)
    at = np.arange(part.planes.start, part.planes.stop) * grid.spacing_um
    first = int(np.ceil(part.planes.start / grid.factor - 1e-6))
    last = int(np.floor((part.planes.stop - 1) / grid.factor + 1e-6))
    x = part.section.x
    place = (x.start or 0) + column if isinstance(x, slice) else x
    recorded = np.asarray(stack[first : last + 1, part.section.y, place], np.float64)
    return Profile(at, restored, low, high, np.arange(first, last + 1) * grid.step_um, recorded)


def liveliest(pixels: Reals) -> int:
    """Which column in the middle half of a close-up varies most."""
    width = pixels.shape[1]
    first, stop = width // 4, max(width // 4 + 1, width - width // 4)
    variance = np.var(pixels[:, first:stop], axis=0, dtype=np.float64)
    return int(first + np.argmax(variance))


def _said(
    family: str,
    closer: Sequence[CloseUp],
    scales: Sequence[Reals],
    among: Sequence[Reals],
) -> str:
    """What the maps show, with their typical numbers."""
    pixels = np.concatenate([part.ravel() for part in scales]).astype(np.float32)
    typical, wide = (float(v) for v in np.percentile(pixels, (50, 99)))
    half = float(trust.interval([0.0], [1.0], LEVEL, family=family)[1][0])
    seen = np.concatenate([np.asarray(part.restored, np.float32).ravel() for part in closer])
    low, high = (float(v) for v in np.percentile(seen, (0.5, 99.7)))
    text = (
        "The close-ups again, with maps of the scale in grey levels (the width of a "
        f"{FAMILIES[family]} distribution). Its median here is {plain(typical)}, so the {SHARE} "
        f"interval is typically ± {plain(half * typical)} grey levels, and one pixel in a hundred "
        f"has more than ± {plain(half * wide)}; nearly all restored values here lie between "
        f"{plain(low)} and {plain(high)}."
    )
    if among:
        share = float(np.mean([np.mean(part > 0.5) for part in among]))
        text += f" Disagreement is above 0.5 in {100 * share:.1f} % of the pixels."
    return text
