"""The pictures of the report and the README, each a function that returns a PNG file.

Volumes are read lazily: only the sections shown and a coarse sample to choose them by. What
is read (`before_and_after`, `compared`) is apart from how it is drawn, so that a page reads it
once for all widths. `width_in` is the width in inches at 200 dots per inch; what is narrower than
6 inches is laid out for a phone, with type of the same size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError
from carescope.grid import Grid
from carescope.image import Lazy
from carescope.report.panels import Panel, aligned, contrast, draw, png
from carescope.report.planes import (
    CloseUp,
    Section,
    check_pair,
    close_up,
    interpolated,
    sections,
    strip,
)

WIDE_IN = 8.0
NARROW_IN = 4.2
PHONE_IN = 6.0  # a figure narrower than this has its panels under each other
SHAFT = 1.25  # an overview is at most so many times as deep as the planes are wide
FLAT = 0.75  # flatter sections than this stand under each other, deeper ones side by side

Rows = list[list[Panel]]


def slices(
    stack: Lazy,
    restored: Lazy,
    grid: Grid,
    pixel_um: tuple[float, float],
    *,
    y: int | None = None,
    x: int | None = None,
    width_in: float = WIDE_IN,
) -> bytes:
    """Axial sections before and after, at equal physical scale and equal contrast.

    Recorded pixels are drawn as they are, square-edged and as tall as the planes are apart. A
    section much wider than deep is cropped to four times its depth, where it varies most; one
    much deeper than wide to its middle.

    Parameters
    ----------
    stack : (Z, Y, X) lazy array
        The recorded planes.
    restored : (Z', Y, X) lazy array
        The restoration of the stack on `grid`.
    grid
        Relates the planes of the two.
    pixel_um
        Pixel size (y, x) in micrometres.
    y, x
        Pixel position of the xz and of the yz section; by default where each varies most.
    width_in
        Width of the picture in inches.

    Raises
    ------
    InputError
        The volumes do not belong together, or there is no such y or x.
    """
    check_pair(stack, restored, grid)
    shown = [strip(section, stack, grid) for section in sections(stack, pixel_um, y, x)]
    return draw_overview(before_and_after(stack, restored, grid, shown), width_in)


def before_and_after(stack: Lazy, restored: Lazy, grid: Grid, shown: Sequence[Section]) -> Rows:
    """Read the panels of `slices`: a row for each section, recorded and restored."""
    rows = []
    for section in shown:
        at = f"{section.name} at {'y' if section.name == 'xz' else 'x'} = {section.at_um:.4g} µm"
        pictures = [
            (f"{at} · recorded", section.of(stack), (grid.step_um, section.column_um)),
            (f"{at} · restored", section.of(restored), (grid.spacing_um, section.column_um)),
        ]
        rows.append([_shortened(panel) for panel in aligned(pictures, section.start_um)])
    return rows


def draw_overview(rows: Rows, width_in: float) -> bytes:
    """Draw what `before_and_after` read: flat sections under each other, or side by side."""
    limits = [contrast(row) for row in rows]
    if min(row[0].field.height / row[0].field.width for row in rows) < FLAT:
        rows, limits = _stacked(rows, limits)
    return png(draw(rows, limits, width_in=width_in))


def slices_against_truth(
    stack: Lazy,
    restored: Lazy,
    truth: Lazy | None,
    grid: Grid,
    pixel_um: tuple[float, float],
    *,
    y: int | None = None,
    x: int | None = None,
    width_in: float = WIDE_IN,
) -> bytes:
    """Close-ups of axial sections: interpolated by cubics, restored, and the truth if known.

    Parameters
    ----------
    stack, restored, grid, pixel_um, y, x, width_in
        As in `slices`.
    truth : (Z'', Y, X) lazy array, optional
        The volume the restoration should be, its first planes on those of the restoration.

    Raises
    ------
    InputError
        As `slices`; or the truth has other planes than the restoration.
    """
    check_pair(stack, restored, grid)
    if truth is not None:
        check_truth(truth, restored)
    chosen = sections(stack, pixel_um, y, x)
    closer = [close_up(section, restored, grid) for section in chosen]
    return draw_close_ups(compared(closer, stack, truth, grid), width_in)


def compared(closer: Sequence[CloseUp], stack: Lazy, truth: Lazy | None, grid: Grid) -> Rows:
    """Read the panels of `slices_against_truth`: a row for each close-up."""
    rows = []
    for part in closer:
        section = part.section
        pictures = {
            "interpolated": interpolated(stack, grid, part.planes, section.y, section.x),
            "restored": part.restored,
        }
        if truth is not None:
            pictures["truth"] = part.of(truth)
        size = (grid.spacing_um, section.column_um)
        rows.append(
            aligned([(f"{section.name} · {name}", p, size) for name, p in pictures.items()])
        )
    return rows


def draw_close_ups(rows: Rows, width_in: float) -> bytes:
    """Draw rows of close-ups; on a phone under each other."""
    limits = [contrast([panel for panel in row if panel.shade is None]) for row in rows]
    if width_in < PHONE_IN:
        rows, limits = _stacked(rows, limits)
    return png(draw(rows, limits, width_in=width_in))


def comparison(
    panels: Sequence[tuple[str, npt.NDArray[Any]]],
    pixel_um: tuple[float, float] | Sequence[tuple[float, float]] | None = None,
    *,
    columns: int | None = None,
    width_in: float = WIDE_IN,
) -> bytes:
    """Any pictures of one field, side by side at one scale and one contrast.

    Parameters
    ----------
    panels
        Label and (rows, columns) array of each. The centres of their first pixels coincide;
        all are cropped to the field they share.
    pixel_um
        Pixel size (row, column) in micrometres of all, or one for each. Without it, pixels
        are square, equal, and what the scale bar counts.
    columns
        How many to a row; by default all.
    width_in
        Width of the picture in inches.

    Raises
    ------
    InputError
        There is no panel, or one is no picture, or there are not as many pixel sizes as
        panels.
    """
    for label, pixels in panels:
        if np.ndim(pixels) != 2 or 0 in np.shape(pixels):
            raise InputError(
                f"the panel {label!r} is no picture: its shape is {np.shape(pixels)}",
                remedy="Give arrays of (rows, columns)",
            )
    sizes = _pixel_sizes(pixel_um, len(panels))
    drawn = aligned(
        [(label, np.asarray(p), size) for (label, p), size in zip(panels, sizes, strict=True)]
    )
    columns = columns or len(drawn)
    rows = [drawn[i : i + columns] for i in range(0, len(drawn), columns)]
    limits = [contrast(drawn)] * len(rows)
    unit = "px" if pixel_um is None else "µm"
    return png(draw(rows, limits, width_in=width_in, unit=unit))


def check_truth(truth: Lazy, restored: Lazy) -> None:
    """Refuse a truth that does not show at least the restored planes, at the same pixels."""
    if truth.shape[0] < restored.shape[0] or truth.shape[1:] != restored.shape[1:]:
        raise InputError(
            f"the truth is {tuple(truth.shape)}, the restoration {tuple(restored.shape)}",
            remedy="Give a truth with the pixels, and at least the planes, of the restoration",
        )


def _pixel_sizes(
    pixel_um: tuple[float, float] | Sequence[tuple[float, float]] | None, count: int
) -> list[tuple[float, float]]:
    sizes = np.asarray((1.0, 1.0) if pixel_um is None else pixel_um, float)
    if sizes.shape not in ((2,), (count, 2)) or count == 0:
        raise InputError(
            f"{count} panels and pixel sizes of shape {sizes.shape} do not go together",
            remedy="Give at least one panel, and one (row, column) size for all or for each",
        )
    return [(float(row), float(column)) for row, column in np.broadcast_to(sizes, (count, 2))]


def _stacked(
    rows: Rows, limits: list[tuple[float, float]]
) -> tuple[Rows, list[tuple[float, float]]]:
    """Every panel a row of its own, with the limits of the row it was in."""
    pairs = [(panel, shades) for row, shades in zip(rows, limits, strict=True) for panel in row]
    return [[panel] for panel, _ in pairs], [shades for _, shades in pairs]


def _shortened(panel: Panel) -> Panel:
    """The panel, showing the middle of a volume that is much deeper than wide."""
    field = panel.field
    cut = max(0.0, field.height - SHAFT * field.width) / 2
    return panel._replace(field=field._replace(top=field.top + cut, bottom=field.bottom - cut))
