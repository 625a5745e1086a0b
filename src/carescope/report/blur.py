"""The axial blur that was found in the stack: the figure of the fit, and the numbers in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from carescope.errors import InputError
from carescope.physics.blind import AxialBlur, Curves
from carescope.report.figures import WIDE_IN
from carescope.report.panels import INK, POINTS, png
from carescope.report.picture import Picture, picture
from carescope.report.plots import AXIAL, LATERAL, side_by_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FWHM = 2.355  # of a Gaussian, in standard deviations
DECADES = 4
NEAR = 2.0  # misfits are drawn up to so many times the estimate


def fit(blur: AxialBlur) -> tuple[str, Picture | None]:
    """What was found, in words, and the figure of the fit if there was one."""
    if not blur.curves:
        return words(blur), None
    several = len(blur.curves) > 1
    of = f" They are of the first of {len(blur.curves)} channels or stacks." if several else ""
    return words(blur), picture(
        lambda width: axial_blur(blur, width_in=width),
        "Fit: power of the stack along z, of lateral slices, and of lateral slices blurred by the "
        "estimate. Misfit: how it depends on the width of the blur.",
        "Fit: how much detail of each fineness there is along z (solid), how much there would be "
        "without axial blur, by the lateral slices (dashed), and what is left of that under the "
        "blur that fits best, sampled like the planes (dotted). Where dotted follows solid, the "
        f"blur explains the stack.{of} Misfit: how badly each blur explains it. The lowest point "
        "fits best; the shaded range is two standard errors to either side, for chance alone and "
        "not for what structures with an orientation do.",
    )


def words(blur: AxialBlur) -> str:
    """The blur in a few sentences, or why it cannot be told."""
    if blur.sigma_split_um is None:
        return f"The axial blur cannot be told from this stack. {blur.reason}"
    low, high = blur.interval_um or (blur.sigma_split_um, blur.sigma_split_um)
    if blur.sigma_split_um == 0:
        return (
            "The stack is no more blurred along z than across, as far as can be seen: any "
            f"Gaussian up to σ = {high:.2g} µm fits. Only the sampling was undone."
        )
    text = (
        "Along z the stack is blurred more than across, like by a Gaussian of "
        f"σ = {blur.sigma_split_um:.3g} µm ({low:.3g} to {high:.3g} µm): lateral slices blurred by "
        "it look most like axial ones. This is what the network learnt to undo."
    )
    if blur.misfit is not None:
        text += f" The amplitudes of edges still differ by {100 * blur.misfit:.0f} %."
    if blur.sigma_z_um is not None:
        text += (
            f" With a lateral blur of σ = {blur.sigma_xy_um:.3g} µm, assumed from the finest "
            f"detail above noise, the axial blur is σ = {blur.sigma_z_um:.3g} µm in all, or "
            f"{FWHM * blur.sigma_z_um:.3g} µm wide at half its height."
        )
    return text


def axial_blur(blur: AxialBlur, *, width_in: float = WIDE_IN) -> bytes:
    """Draw the spectra of the first fit, and the misfit over the blurs that were tried.

    Parameters
    ----------
    blur
        What `carescope.physics.blind.estimate` found, with curves.
    width_in
        Width of the picture in inches.

    Raises
    ------
    InputError
        There are no curves.
    """
    if not blur.curves:
        raise InputError("no blur was fitted, so there is no fit to draw", remedy="Say its reason")
    figure, (spectra, misfits) = side_by_side(2, width_in, 2.9)
    _draw_curves(spectra, blur.curves[0])
    _draw_misfits(misfits, blur)
    return png(figure)


def _draw_curves(plot: Axes, curves: Curves) -> None:
    drawn = [
        (curves.axial, AXIAL, "-", "along z"),
        (curves.lateral, LATERAL, "--", "lateral"),
        (curves.degraded, INK, ":", "lateral, blurred"),
    ]
    # Where noise was all there was, its subtraction leaves values about 0.
    shown = np.concatenate([power[power > 0] for power, *_ in drawn[:2]])
    top = float(shown.max(initial=1.0))
    for power, colour, style, label in drawn:
        positive = np.where(power > 0, power, np.nan)
        width = 2.2 if style == ":" else 1.5
        plot.semilogy(curves.frequency, positive, color=colour, ls=style, lw=width, label=label)
    bottom = float(shown.min(initial=top))
    plot.set_ylim(max(bottom / 1.5, top / 10**DECADES), 1.5 * top)
    plot.set_xlim(0, float(curves.frequency[-1]))
    plot.set_xlabel("frequency along z (cycles/µm)")
    plot.set_ylabel("power")
    plot.set_title("fit", loc="left", fontsize=POINTS + 1, color=INK)
    plot.legend(frameon=False, fontsize=POINTS)


def _draw_misfits(plot: Axes, blur: AxialBlur) -> None:
    plot.set_title("misfit", loc="left", fontsize=POINTS + 1, color=INK)
    plot.set_xlabel("σ of the blur along z (µm)")
    if blur.trials_um is None or blur.misfits is None:
        return
    trials, misfits = np.asarray(blur.trials_um), np.asarray(blur.misfits)
    relative = misfits / misfits.min() if misfits.min() > 0 else misfits
    best = float(trials[misfits.argmin()])
    centre = best if blur.sigma_split_um is None else blur.sigma_split_um
    low, high = blur.interval_um or (centre, centre)
    far = max(NEAR * centre, 1.5 * high, float(trials[min(8, len(trials) - 1)]))
    far = min(far, float(trials[-1]))
    plot.axvspan(low, min(high, far), color="#dbe6f1", lw=0, zorder=0, label="two standard errors")
    plot.plot(trials, relative, color=INK, marker="o", ms=3)
    if blur.sigma_split_um is not None:
        label = f"estimate, {blur.sigma_split_um:.3g} µm"
        plot.axvline(blur.sigma_split_um, color=AXIAL, ls="--", label=label)
    near = np.append(relative[trials <= far], np.interp(far, trials, relative))
    bottom, top = float(near.min()), float(near.max())
    height = (top - bottom) or 1.0
    plot.set_xlim(0, far)
    plot.set_ylim(bottom - 0.05 * height, top + 0.35 * height)  # with room for the legend
    plot.set_ylabel("misfit (lowest = 1)")
    plot.legend(loc="upper left", framealpha=0.9, edgecolor="none", fontsize=POINTS)
