"""The graphs of the page and what is said under each: spectra, kernels, training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.grid import Grid
from carescope.image import Lazy
from carescope.metrics.spectrum import (
    LOWEST_CYCLES,
    common_band,
    isotropy_ratio,
    power_spectrum_axes,
)
from carescope.report import plots
from carescope.report.picture import Picture, picture, show
from carescope.report.planes import centre, interpolated

MOST_VOXELS = 2**24  # of the crop whose spectra are measured


def detail(
    recorded: Lazy, result: Lazy, grid: Grid, pixel_um: tuple[float, float]
) -> tuple[Picture | None, tuple[float, float] | None]:
    """Spectra of the central crop, and the isotropy ratios before and after.

    Nothing where the volume is too small or too empty for them.
    """
    planes, rows, columns = crop = centre(result.shape, MOST_VOXELS)
    shape = [c.stop - c.start for c in crop]
    if min(shape) < 9:
        return None, None
    spacing_um = (grid.spacing_um, *pixel_um)
    before, after = (
        power_spectrum_axes(volume, spacing_um)
        for volume in (
            interpolated(recorded, grid, planes, rows, columns),
            np.asarray(result[planes, rows, columns]),
        )
    )
    nyquist = 1 / (2 * grid.step_um)
    _, high = common_band(before)
    leaked = LOWEST_CYCLES * max(float(frequency[0]) for frequency, _ in before.values())
    band = max(min(nyquist, high / 2), leaked), high  # what the recorded planes did not sample
    if not all(power.any() for s in (before, after) for _, power in s.values()):
        return None, None
    ratios = isotropy_ratio(before, band), isotropy_ratio(after, band)
    whole = shape == list(result.shape)
    part = "the volume" if whole else "the central " + " × ".join(map(str, shape)) + " voxels"
    drawn = picture(
        lambda width: plots.spectra(
            before, after, recorded_nyquist=nyquist, band=band, width_in=width
        ),
        f"Power spectra along z and across. The spectral isotropy ratio is {ratios[0]:.2f} "
        f"before and {ratios[1]:.2f} after.",
        f"Power along z and across, of {part}: the recorded planes interpolated by cubics "
        "(before) and the restoration (after). Beyond the dotted line, at "
        f"{nyquist:.3g} cycles/µm, the recorded planes sample nothing. The spectral isotropy "
        f"ratio is the energy along z over that across, in the shaded band from {band[0]:.3g} "
        f"to {band[1]:.3g} cycles/µm: {ratios[0]:.3f} before, {ratios[1]:.3f} after.",
    )
    return drawn, ratios


def optics(
    kernels: Mapping[str, npt.NDArray[Any]] | None, grid: Grid, pixel_um: tuple[float, float]
) -> Picture | None:
    """The kernels that the network learnt to undo; nothing where there are none."""
    if not kernels:
        return None
    return picture(
        lambda width: plots.kernels(kernels, (grid.spacing_um, pixel_um[1]), width_in=width),
        "Kernels of the optics in the xz plane, with their profiles along z and x.",
        "The blur of an axial slice (square root of intensity, to show the tails) and its "
        "profiles through the centre. The network learns to undo “h split”, or all of “h” with "
        "--psf-mode full; “h split” on “h isotropic” comes as close to “h” as a kernel without "
        "negative values can.",
    )


def training(history: Sequence[Mapping[str, float]], members: int) -> Picture | None:
    """How the training went, of several networks that of the first."""
    if not history:
        return None
    last = history[-1]
    seconds = float(last.get("seconds", math.nan))
    took = f" in {_duration(seconds)}" if math.isfinite(seconds) else ""
    which = (
        f" This is the first of {members} networks; the others were trained in the same way, from "
        "random numbers of their own."
        if members > 1
        else ""
    )
    return picture(
        lambda width: plots.training_curve(history, width_in=width),
        "Loss and learning rate over the training steps.",
        f"{show(last.get('step'))} steps{took}. The weights of the best validation loss are "
        f"kept.{which}",
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.2g} seconds" if seconds < 60 else f"{seconds / 60:.3g} minutes"
