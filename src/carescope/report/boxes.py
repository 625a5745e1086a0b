"""Box plots of methods side by side: a dot an image, boxes where there are enough of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carescope.report.figures import PHONE_IN, WIDE_IN
from carescope.report.panels import FAINT, INK, POINTS, png
from carescope.report.plots import AXIAL, LATERAL, side_by_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Of fewer values than this a box would say more than is known.
ENOUGH = 5
WIDTH = 0.8  # of all boxes of a group together, where groups are 1 apart
OURS, TRUTH = AXIAL, INK
OTHERS = ("#9aa5b1", LATERAL, "#56b4e9", "#3d8b5f", "#7a5195", "#b8860b", "#b05a8a", "#4f7f7a")


class Boxes(NamedTuple):
    """One plot: the values of each method in each group."""

    title: str
    label: str
    """What the values are."""
    groups: Mapping[str, Mapping[str, Sequence[float]]]
    """By what stands below the group, then by method."""


def boxes(plots: Sequence[Boxes], *, ours: Sequence[str] = (), width_in: float = WIDE_IN) -> bytes:
    """Draw box plots as the papers do: interquartile range, median, whiskers to 1.5 times it.

    Parameters
    ----------
    plots
        From left to right; on a phone under each other. Values that are no numbers are left out.
    ours
        The methods that are drawn in the colour of restorations.
    width_in
        Width of the picture in inches.
    """
    figure, axes = side_by_side(len(plots), width_in, 3.3)
    methods = list(dict.fromkeys(m for p in plots for group in p.groups.values() for m in group))
    colours = _colours(methods, ours)
    for axis, plot in zip(axes, plots, strict=True):
        here = [m for m in methods if any(len(g.get(m, ())) for g in plot.groups.values())]
        step = WIDTH / max(1, len(here))
        for at, group in enumerate(plot.groups.values()):
            for number, method in enumerate(here):
                values = np.asarray(group.get(method, ()), np.float64)
                centre = at - WIDTH / 2 + (number + 0.5) * step
                _draw(axis, values[np.isfinite(values)], centre, step, colours[method])
        axis.set_xticks(range(len(plot.groups)), list(plot.groups))
        axis.set_xlim(-0.5, len(plot.groups) - 0.5)
        axis.tick_params(axis="x", length=0)
        axis.set_ylabel(plot.label)
        axis.set_title(plot.title, loc="left", fontsize=POINTS + 1, color=INK)
        for between in range(1, len(plot.groups)):
            axis.axvline(between - 0.5, color="#e3e8ec", lw=0.8, zorder=0)
    handles = [
        axes[0].plot([], [], "s", color=colours[method], ms=6, label=method)[0]
        for method in methods
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(methods), 6 if width_in >= PHONE_IN else 3),
        frameon=False,
        fontsize=POINTS - 0.5,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    return png(figure)


def _colours(methods: Sequence[str], ours: Sequence[str]) -> dict[str, str]:
    """One for each: that of restorations, that of the truth, or one of the others."""
    left = iter(OTHERS * (1 + len(methods) // len(OTHERS)))
    return {m: OURS if m in ours else TRUTH if m == "truth" else next(left) for m in methods}


def _draw(axis: Axes, values: np.ndarray, centre: float, step: float, colour: str) -> None:
    """A box, or the median alone, with a dot for each value."""
    if not len(values):
        return
    spread = 0.18 * step * np.array([0.0, 1.0, -1.0])
    dots = centre + np.resize(spread, len(values))
    axis.plot(dots, values, "o", color=colour, ms=2.6, alpha=0.75, mew=0)
    if len(values) < ENOUGH:
        half = 0.4 * step
        axis.hlines(np.median(values), centre - half, centre + half, color=colour, lw=1.6)
        return
    axis.boxplot(
        values,
        positions=[centre],
        widths=0.78 * step,
        showfliers=False,
        manage_ticks=False,
        boxprops={"color": colour, "lw": 1.1},
        medianprops={"color": colour, "lw": 1.8},
        whiskerprops={"color": FAINT, "lw": 0.8},
        capprops={"color": FAINT, "lw": 0.8},
    )
