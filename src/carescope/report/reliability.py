"""Graphs of trust: promised against kept, a line with its interval, how often members differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from carescope import trust
from carescope.report.figures import PHONE_IN, WIDE_IN
from carescope.report.panels import FAINT, INK, POINTS, png
from carescope.report.plots import AXIAL, LATERAL, side_by_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Reals = npt.NDArray[np.floating]

BAND = "#c3d7ea"
# Told apart by people with any colour vision, and by dashes in black and white.
CHANNELS = ((LATERAL, "-"), (AXIAL, "--"), ("#3d8b5f", "-."), ("#7a5195", ":"))


class Line(NamedTuple):
    """Grey levels along a line: restored, with the bounds of its interval, and true."""

    at: Reals
    restored: Reals
    low: Reals
    high: Reals
    truth: Reals


def curves(
    before: Sequence[tuple[str, trust.Calibration]],
    after: Sequence[tuple[str, trust.Calibration]],
    *,
    width_in: float = WIDE_IN,
) -> bytes:
    """Reliability curves of each channel, as predicted and after rescaling.

    Parameters
    ----------
    before, after
        Name and curve of up to four channels.
    width_in
        Width of the picture in inches.
    """
    figure, axes = side_by_side(2, width_in, 3.6)
    titles = "as the network predicts", "after rescaling"
    for plot, title, channels in zip(axes, titles, (before, after), strict=True):
        draw_curves(plot, title, channels)
    return png(figure)


def draw_curves(plot: Axes, title: str, channels: Sequence[tuple[str, trust.Calibration]]) -> None:
    """Draw the reliability curves of up to four channels, or networks, into one plot."""
    plot.plot([0, 100], [0, 100], color=FAINT, lw=0.8, zorder=0)
    for (name, curve), (colour, dashes) in zip(channels, CHANNELS, strict=False):
        said = f"{name}: error {100 * curve.error:.1f} %" if name else f"{100 * curve.error:.1f} %"
        plot.plot(100 * curve.levels, 100 * curve.covered, color=colour, ls=dashes, label=said)
    plot.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    plot.set_xlabel("confidence of the interval (%)")
    plot.set_ylabel("true values in it (%)")
    plot.set_title(title, loc="left", fontsize=POINTS + 1, color=INK)
    plot.legend(frameon=False, fontsize=POINTS - 0.5, loc="lower right")
    plot.text(4, 93, "too cautious", color=FAINT, fontsize=POINTS - 1)
    plot.text(62, 40, "too sure", color=FAINT, fontsize=POINTS - 1)


def profile(line: Line, share: str, unit: str, *, width_in: float = WIDE_IN) -> bytes:
    """Restored values along a line with their interval as a band, and the truth.

    Parameters
    ----------
    line
        Positions, grey levels and bounds.
    share
        The confidence of the interval, such as ``90 %``.
    unit
        What the positions are in.
    width_in
        Width of the picture in inches.
    """
    figure, (plot,) = side_by_side(1, width_in, 2.9 if width_in >= PHONE_IN else 2.7)
    plot.fill_between(line.at, line.low, line.high, color=BAND, lw=0, label=f"{share} interval")
    plot.plot(line.at, line.restored, color=LATERAL, label="restored")
    plot.plot(line.at, line.truth, color=AXIAL, ls="--", lw=1.2, label="truth")
    plot.margins(x=0.01)
    plot.set_xlabel(f"along the line, from the top ({unit})")
    plot.set_ylabel("grey level")
    plot.legend(frameon=False, fontsize=POINTS, ncols=3)
    return png(figure)


def histogram(counts: Reals, edges: Reals, *, width_in: float = WIDE_IN) -> bytes:
    """How much of the pixels has which disagreement, on a logarithmic axis.

    Parameters
    ----------
    counts : (bins,) array
        Pixels in each bin.
    edges : (bins + 1,) array
        The bins' ends, within 0 to 1.
    width_in
        Width of the picture in inches.
    """
    figure, (plot,) = side_by_side(1, width_in, 2.5)
    shares = 100 * np.asarray(counts, np.float64) / np.sum(counts)
    plot.bar(edges[:-1], shares, np.diff(edges), align="edge", color=LATERAL, ec="white", lw=0.4)
    plot.set_yscale("log")
    plot.set_xlim(0, 1)
    plot.set_ylim(max(1e-5, 0.5 * float(shares[shares > 0].min())), 150)
    plot.set_xlabel("disagreement D")
    plot.set_ylabel("pixels (%)")
    return png(figure)
