"""Sections of the volume as pictures of the page, and what is said of those shown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from carescope.grid import Grid
from carescope.image import Image, Lazy
from carescope.report import figures
from carescope.report.picture import Picture, picture
from carescope.report.planes import CloseUp, Section, check_pair, volume_of

MOST_CHANNELS = 4


def overviews(stack: Image, restored: Image, grid: Grid, shown: Sequence[Section]) -> list[Picture]:
    """Sections before and after: both of the first channel, the same xz section of three more.

    Raises
    ------
    InputError
        The restoration lacks a channel, or its planes are not those of the grid.
    """
    count = stack.size("C")
    pictures: list[Picture] = []
    for channel in range(min(count, MOST_CHANNELS)):
        volumes = volume_of(stack, channel), volume_of(restored, channel)
        check_pair(*volumes, grid)
        name = channel_name(stack, channel)
        rows = figures.before_and_after(*volumes, grid, shown[:1] if channel else shown)
        pictures.append(
            picture(
                partial(figures.draw_overview, rows),
                "Axial sections of the volume before and after restoration, at the same scale"
                + (f": {name}." if name else "."),
                _overview_caption(grid, pictures),
                name,
            )
        )
    return pictures


def channel_name(image: Image, channel: int) -> str:
    """A channel in words; empty where there is only one."""
    count = image.size("C")
    if count == 1:
        return ""
    named = image.channel_names[channel] if image.channel_names else ""
    return f"Channel {channel + 1} of {count}{f': {named}' if named else ''}"


def close_ups(
    stack: Lazy, truth: Lazy | None, grid: Grid, closer: Sequence[CloseUp], channel: str
) -> Picture:
    """Parts of the sections, interpolated and restored, and as they should be if that is known."""
    rows = figures.compared(closer, stack, truth, grid)
    return picture(
        partial(figures.draw_close_ups, rows),
        "Close-ups of the same sections, interpolated and restored"
        + (", beside the truth." if truth is not None else "."),
        "The same sections, closer. “Interpolated” is what the recorded planes give by cubic "
        "interpolation along z, without a network"
        + ("; “truth” is the volume that the restoration should be." if truth is not None else "."),
        f"{channel}, closer" if channel else "",
    )


def said_of_shown(stack: Image) -> str:
    """Which of several channels and time points the pictures show; empty where there is one."""
    channels, times = stack.size("C"), stack.size("T")
    sentences = []
    if times > 1:
        sentences.append(f"The pictures show time point 1 of {times}.")
    if channels > 1:
        some = f"The first {MOST_CHANNELS} of {channels}" if channels > MOST_CHANNELS else "All"
        which = "Both" if channels == 2 else some
        named = f" ({stack.channel_names[0]})" if stack.channel_names else ""
        sentences.append(
            f"{which} channels are shown before and after, at the same place; whatever else is "
            f"drawn or measured is of the first{named}."
        )
    return " ".join(sentences)


def _overview_caption(grid: Grid, before: Sequence[Picture]) -> str:
    if before:
        return "The same xz section, with the contrast of this channel."
    return (
        "Axial sections where the volume varies most, z downwards. The recorded planes are drawn "
        f"as they are, {grid.step_um:.4g} µm tall. Before and after have the same scale and the "
        "same contrast, from black at the 0.5 to white at the 99.7 percentile of each section."
    )
