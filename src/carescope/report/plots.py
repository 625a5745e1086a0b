"""The report's plots, each a function that returns a PNG file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError
from carescope.metrics.spectrum import Spectra
from carescope.report.figures import PHONE_IN, WIDE_IN
from carescope.report.panels import FAINT, INK, POINTS, new_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Told apart by people with any colour vision, and by dashes in black and white.
AXIAL, LATERAL = "#c1440e", "#1f5f99"
DECADES = 5
KERNEL_NAMES = {"h": "h", "h_iso": "h isotropic", "h_split": "h split", "h_rot": "h rotated"}


def spectra(
    before: Spectra,
    after: Spectra,
    *,
    recorded_nyquist: float,
    band: tuple[float, float],
    width_in: float = WIDE_IN,
) -> bytes:
    """Power along z and across it, before and after, with the band of the isotropy ratio.

    Parameters
    ----------
    before, after
        What `carescope.metrics.power_spectrum_axes` returned.
    recorded_nyquist
        The highest frequency that the recorded planes sample, in cycles per micrometre.
    band
        The band of the isotropy ratio, in cycles per micrometre; shaded.
    width_in
        Width of the picture in inches.
    """
    figure, axes = side_by_side(2, width_in, 2.7)
    top = max(float(power.max()) for s in (before, after) for _, power in s.values())
    for plot, title, curves in zip(axes, ("before", "after"), (before, after), strict=True):
        lateral = [np.interp(curves["x"][0], *curves[name]) for name in "yx"]
        plot.axvspan(*band, color="#eef1f4", lw=0, zorder=0)
        plot.semilogy(
            curves["x"][0], np.mean(lateral, axis=0), color=LATERAL, ls="--", label="across (y, x)"
        )
        plot.semilogy(*curves["z"], color=AXIAL, label="along z")
        plot.axvline(recorded_nyquist, color=FAINT, lw=0.8, ls=":")
        plot.set_ylim(top / 10**DECADES, 2 * top)
        plot.set_xlim(0, max(float(curves[name][0][-1]) for name in "zx"))
        plot.set_xlabel("frequency (cycles/µm)")
        plot.set_title(title, loc="left", fontsize=POINTS + 1, color=INK)
    axes[0].set_ylabel("power")
    axes[0].legend(frameon=False, fontsize=POINTS)
    return png(figure)


def kernels(
    arrays: Mapping[str, npt.NDArray[Any]],
    spacing_um: tuple[float, float],
    *,
    width_in: float = WIDE_IN,
) -> bytes:
    """The kernels of the optics, at one scale, over their profiles along z and x.

    Parameters
    ----------
    arrays
        (Z, X) array of each kernel by name, such as ``h``, ``h_iso`` and ``h_split``.
    spacing_um
        Pixel size (z, x) in micrometres.
    width_in
        Width of the picture in inches.

    Raises
    ------
    InputError
        There is no kernel, or one is not 2D or has no positive value.
    """
    for name, array in arrays.items():
        if np.ndim(array) != 2 or not np.max(array, initial=0) > 0:
            raise InputError(
                f"the kernel {name!r} of shape {np.shape(array)} cannot be drawn",
                remedy="Give (Z, X) arrays with positive values",
            )
    if not arrays:
        raise InputError("there is no kernel to draw", remedy="Give at least one (Z, X) array")
    figure = new_figure(width_in, 4.6 if width_in >= PHONE_IN else 3.4)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06)
    grid = figure.subplots(2, len(arrays), squeeze=False, height_ratios=(3, 2))
    reach = max(_reach_um(np.asarray(a, float), spacing_um) for a in arrays.values())
    for column, (name, array) in enumerate(arrays.items()):
        picture, profile = grid[:, column]
        values = np.asarray(array, float) / np.max(array)
        _draw_kernel(picture, values, spacing_um, reach)
        picture.set_title(KERNEL_NAMES.get(name, name), fontsize=POINTS + 1, color=INK)
        for axis, color, style in ((0, AXIAL, "-"), (1, LATERAL, "--")):
            line = values[:, values.shape[1] // 2] if axis == 0 else values[values.shape[0] // 2]
            at = (np.arange(len(line)) - len(line) // 2) * spacing_um[axis]
            profile.plot(at, line, color=color, ls=style, label="along " + "zx"[axis])
        profile.set_xlim(-reach, reach)
        profile.set_ylim(0, 1.05)
        profile.set_xlabel("µm")
        _dress(picture)
        _dress(profile)
        if column:
            profile.set_yticklabels([])
            picture.set_yticklabels([])
    figure.legend(
        *grid[1, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=POINTS,
    )
    grid[0, 0].set_ylabel("z (µm)")
    return png(figure)


def training_curve(history: Sequence[Mapping[str, float]], *, width_in: float = WIDE_IN) -> bytes:
    """Training and validation loss, and the learning rate, over the steps.

    Parameters
    ----------
    history
        Rows with ``step``, ``train_loss``, ``val_loss`` (nan where it was not measured) and
        ``learning_rate``.
    width_in
        Width of the picture in inches.

    Raises
    ------
    InputError
        The history is empty.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    if not history:
        raise InputError("there is no training history to draw", remedy="Give at least one row")
    step, train, validation, rate = (
        np.array([row.get(key, np.nan) for row in history], float)
        for key in ("step", "train_loss", "val_loss", "learning_rate")
    )
    figure, (losses, rates) = side_by_side(2, width_in, 2.7)
    measured = np.isfinite(validation)
    marker = "o" if len(step) < 3 else ""
    losses.plot(step, train, color=LATERAL, ls="--", marker=marker, label="training")
    if measured.any():
        losses.plot(step[measured], validation[measured], color=AXIAL, label="validation")
        best = np.flatnonzero(measured)[np.argmin(validation[measured])]
        losses.plot(step[best], validation[best], "o", color=AXIAL, ms=5, label="best, kept")
    finite = np.concatenate([train[np.isfinite(train)], validation[measured]])
    if finite.size and finite.min() > 0:
        losses.set_yscale("log")
        losses.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        losses.yaxis.set_minor_locator(NullLocator())
    losses.set_title("loss", loc="left", fontsize=POINTS + 1, color=INK)
    losses.legend(frameon=False, fontsize=POINTS)
    rates.plot(step, rate, color=INK, marker=marker)
    rates.set_ylim(bottom=0)
    rates.set_title("learning rate", loc="left", fontsize=POINTS + 1, color=INK)
    for plot in (losses, rates):
        plot.set_xlabel("step")
        plot.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return png(figure)


def side_by_side(count: int, width_in: float, height_in: float) -> tuple[Figure, list[Axes]]:
    """A figure of so many plots of one height; on a phone they are under each other."""
    phone = width_in < PHONE_IN
    figure = new_figure(width_in, height_in * count if phone else height_in)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    shape = (count, 1) if phone else (1, count)
    axes = list(figure.subplots(*shape, squeeze=False).flat)
    for plot in axes:
        _dress(plot)
    return figure, axes


def _dress(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b6c0ca")
    axes.tick_params(colors=FAINT, labelsize=POINTS - 1)
    axes.xaxis.label.set(color=INK, size=POINTS)
    axes.yaxis.label.set(color=INK, size=POINTS)


def _draw_kernel(
    axes: Axes, values: npt.NDArray[np.float64], spacing_um: tuple[float, float], reach: float
) -> None:
    rows, columns = values.shape
    left, top = (
        -(n // 2 + 0.5) * s for n, s in zip((columns, rows), spacing_um[::-1], strict=True)
    )
    axes.imshow(
        np.sqrt(np.maximum(values, 0)),
        cmap="magma",
        vmin=0,
        vmax=1,
        interpolation="nearest",
        extent=(left, left + columns * spacing_um[1], top + rows * spacing_um[0], top),
    )
    axes.set_xlim(-reach, reach)
    axes.set_ylim(reach, -reach)
    axes.set_facecolor("black")


def _reach_um(kernel: npt.NDArray[np.float64], spacing_um: tuple[float, float]) -> float:
    """Half the side of a square about the centre that holds all above 1 % of the peak."""
    bright = np.argwhere(kernel > 0.01 * kernel.max()) - np.array(kernel.shape) // 2
    farthest = np.max((np.abs(bright) + 1.5) * np.array(spacing_um))
    return float(farthest)
