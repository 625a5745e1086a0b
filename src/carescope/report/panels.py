"""Pictures laid out so that a micrometre is as long in every one of them."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 200
INK = "#1c2733"
FAINT = "#5b6875"
LABEL_IN = 0.26  # room for the label above each panel
GAP_IN = 0.12
KEY_IN = 0.6  # length of a colour bar
MOST_PX = 3200  # twice as many as a figure of 8 inches has
POINTS = 9.5


class Extent(NamedTuple):
    """Edges of a picture in micrometres; `top` is the smaller vertical coordinate."""

    left: float
    right: float
    top: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


class Shade(NamedTuple):
    """The colours of a map of a quantity: a Matplotlib colour map from `low` to `high`."""

    colours: str
    low: float
    high: float


class Panel(NamedTuple):
    """A labelled picture, (rows, columns), its edges, and how much of it to show.

    A map of a quantity has a `shade`, and gets a colour bar; without one, a picture is grey with
    the limits of its row. `line` is where along the columns a dashed line is drawn.
    """

    label: str
    pixels: npt.NDArray[Any]
    edges: Extent
    field: Extent
    shade: Shade | None = None
    line: float | None = None


def aligned(
    pictures: Sequence[tuple[str, npt.NDArray[Any], tuple[float, float]]], at: float = 0
) -> list[Panel]:
    """Panels of label, pixels and pixel size (row, column), all showing the field they share.

    The centres of their first pixels coincide, at `at` along the columns. Pixels that are much
    finer than any figure are averaged.
    """
    coarse = [_coarser(pixels) for _, pixels, _ in pictures]
    edges = [
        _edges(tuple(n * k for n, k in zip(pixels.shape, by, strict=True)), size, at)
        for (pixels, by), (_, _, size) in zip(coarse, pictures, strict=True)
    ]
    field = Extent(
        max(e.left for e in edges),
        min(e.right for e in edges),
        max(e.top for e in edges),
        min(e.bottom for e in edges),
    )
    return [
        Panel(label, pixels, e, field)
        for (label, _, _), (pixels, _), e in zip(pictures, coarse, edges, strict=True)
    ]


def contrast(panels: Sequence[Panel]) -> tuple[float, float]:
    """Limits from black to white that suit all panels: the widest 0.5 to 99.7 percentiles."""
    limits = [np.nanpercentile(panel.pixels, (0.5, 99.7)) for panel in panels]
    low, high = float(min(a for a, _ in limits)), float(max(b for _, b in limits))
    return (low, high) if high > low else (low, low + 1)


def draw(
    rows: Sequence[Sequence[Panel]],
    limits: Sequence[tuple[float, float]],
    *,
    width_in: float,
    unit: str = "µm",
) -> Figure:
    """Lay out rows of panels at one scale, with scale bars.

    Parameters
    ----------
    rows
        Panels from left to right, rows from top to bottom; those of a row show one field.
    limits
        For each row, the values that its grey panels show black and white.
    width_in
        Width of the figure in inches; the height follows.
    unit
        What the edges are measured in, for the scale bars: ``"µm"`` or ``"px"``.
    """
    figure = new_figure(width_in)
    fields = [row[0].field for row in rows]
    scale = min(
        (width_in - GAP_IN * (len(row) - 1)) / (field.width * len(row))
        for row, field in zip(rows, fields, strict=True)
    )
    heights = [field.height * scale for field in fields]
    bar = bar_length(min(field.width for field in fields))
    height_in = sum(heights) + LABEL_IN * len(rows) + GAP_IN * (len(rows) - 1)
    figure.set_size_inches(width_in, height_in)
    top = height_in
    for row, shades, field, height in zip(rows, limits, fields, heights, strict=True):
        top -= LABEL_IN
        for column, panel in enumerate(row):
            left = column * (field.width * scale + GAP_IN)
            box = (
                left / width_in,
                (top - height) / height_in,
                field.width * scale / width_in,
                height / height_in,
            )
            axes = figure.add_axes(box)
            _show(axes, panel, panel.shade or Shade("gray", *shades), scale)
            _bar(axes, field, bar, unit)
            if panel.shade:
                end = (left + field.width * scale) / width_in, (top + 0.09) / height_in
                _key(figure, panel.shade, end)
            figure.text(left / width_in, (top + 0.07) / height_in, panel.label, **_label_style())
        top -= height + GAP_IN
    return figure


def bar_length(field_um: float) -> float:
    """The longest of 1, 2, 5 times a power of ten that spans at most a quarter of the field."""
    decade = 10.0 ** math.floor(math.log10(field_um / 4))
    return max(m * decade for m in (1, 2, 5) if m * decade <= field_um / 4 * (1 + 1e-9))


def plain(value: float) -> str:
    """A number with three significant digits and without an exponent, as far as that is short."""
    return f"{float(f'{value:.3g}'):,.9g}"


def new_figure(width_in: float, height_in: float = 1.0) -> Figure:
    """A white figure that belongs to no window and no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as a PNG file, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _coarser(pixels: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], tuple[int, int]]:
    """Pixels averaged by so many rows and columns that a figure can hold them.

    What does not fill a last row or column is left out.
    """
    down, across = (-(-n // MOST_PX) for n in pixels.shape)
    if down == across == 1:
        return pixels, (1, 1)
    rows, columns = pixels.shape[0] // down, pixels.shape[1] // across
    blocks = pixels[: rows * down, : columns * across].reshape(rows, down, columns, across)
    return blocks.mean(axis=(1, 3), dtype=np.float32), (down, across)


def _edges(shape: tuple[int, ...], pixel_um: tuple[float, float], at: float) -> Extent:
    (rows, columns), (row_um, column_um) = shape, pixel_um
    return Extent(
        at - column_um / 2,
        at + (columns - 0.5) * column_um,
        -row_um / 2,
        (rows - 0.5) * row_um,
    )


def _show(axes: Axes, panel: Panel, shade: Shade, scale: float) -> None:
    # Recorded pixels stay square-edged; only a picture finer than the figure is averaged.
    pixel = panel.edges.width / panel.pixels.shape[1], panel.edges.height / panel.pixels.shape[0]
    finer = min(pixel) * scale * DPI < 1
    axes.imshow(
        panel.pixels,
        cmap=shade.colours,
        vmin=shade.low,
        vmax=shade.high,
        interpolation="hanning" if finer else "nearest",
        extent=(panel.edges.left, panel.edges.right, panel.edges.bottom, panel.edges.top),
        aspect="auto",
    )
    axes.set_xlim(panel.field.left, panel.field.right)
    axes.set_ylim(panel.field.bottom, panel.field.top)
    axes.set_axis_off()
    if panel.line is not None:
        axes.axvline(panel.line, color="white", lw=1.2, ls=(0, (4, 3)))


def _key(figure: Figure, shade: Shade, end: tuple[float, float]) -> None:
    """A colour bar between the numbers at its ends, right-aligned at `end` of the figure."""
    width_in, height_in = figure.get_size_inches()
    right, bottom = end
    digits = [plain(value) for value in (shade.low, shade.high)]
    left = right - (0.05 + 0.075 * len(digits[1]) + KEY_IN) / width_in
    axes = figure.add_axes((left, bottom, KEY_IN / width_in, 0.1 / height_in))
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=shade.colours, aspect="auto")
    axes.set_axis_off()
    style = {**_label_style(), "va": "center", "fontsize": POINTS - 1}
    middle = bottom + 0.05 / height_in
    figure.text(right, middle, digits[1], **style | {"ha": "right"})
    figure.text(left - 0.05 / width_in, middle, digits[0], **style | {"ha": "right"})


def _bar(axes: Axes, field: Extent, length: float, unit: str) -> None:
    from matplotlib.patheffects import AbstractPathEffect, withStroke

    inset = 0.025 * field.width
    right, bottom = field.right - inset, field.bottom - min(inset, 0.06 * field.height)
    outline: list[AbstractPathEffect] = [withStroke(linewidth=3, foreground="black", alpha=0.6)]
    bar = axes.plot([right - length, right], [bottom, bottom], color="white", lw=2.2)[0]
    bar.set_solid_capstyle("butt")
    bar.set_path_effects(outline)
    axes.annotate(
        f"{length:g} {unit}",
        (right - length / 2, bottom),
        (0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color="white",
        fontsize=POINTS - 1,
        path_effects=outline,
    )


def _label_style() -> dict[str, Any]:
    return {"fontsize": POINTS, "color": INK, "va": "bottom", "ha": "left"}
