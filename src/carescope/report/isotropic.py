"""The report of an isotropic restoration: one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from carescope.grid import Grid
from carescope.image import Image, Lazy
from carescope.metrics.spectrum import (
    LOWEST_CYCLES,
    common_band,
    isotropy_ratio,
    power_spectrum_axes,
)
from carescope.report import figures, plots
from carescope.report.planes import centre, check_pair, interpolated, volume_of

MOST_VOXELS = 2**24  # of the crop whose spectra are measured

#: What the paper asks of everyone who restores images, on every page.
STANDING_WARNING = (
    "A restored image is a prediction, not a measurement. Do not count fluorophores in it or "
    "measure intensities from it, and check what matters against recorded data "
    "(Weigert et al., Nature Methods 15, 2018, doi:10.1038/s41592-018-0216-7)."
)


class Picture(NamedTuple):
    """A figure for wide screens and for phones, in words for those who cannot see it."""

    wide: str
    narrow: str
    alt: str
    caption: str


def isotropic_page(
    *,
    title: str,
    stack: Image,
    restored: Image,
    grid: Grid,
    kernels: Mapping[str, npt.NDArray[Any]] | None,
    history: Sequence[Mapping[str, float]],
    numbers: Mapping[str, object],
    truth: Lazy | None,
    scores: Sequence[Mapping[str, Any]] = (),
    warnings: Sequence[str] = (),
    recipe: Mapping[str, Any],
    command: str,
    provenance: Mapping[str, object],
) -> str:
    """Render the report of an isotropic restoration.

    Parameters
    ----------
    title
        The page's heading, such as the name of the stack.
    stack
        The recorded stack. Of several channels or time points the first is shown.
    restored
        Its restoration on `grid`, with the same channels and time points.
    grid
        Relates the planes of the two.
    kernels
        (Z, X) kernels by name (``h``, ``h_iso``, ``h_split``) on pixels of the restored
        spacing; None where only the sampling was undone.
    history
        Training rows with ``step``, ``seconds``, ``train_loss``, ``val_loss``,
        ``learning_rate``; empty where a model was already there.
    numbers
        Whatever is worth a line: names and values.
    truth : (Z', Y, X) lazy array, optional
        The volume that the restoration should be.
    scores
        Rows with ``name``, ``psnr_db``, ``nrmse``, ``ssim``: the restoration and its rivals.
    warnings
        What the reader must know before looking at the pictures.
    recipe, provenance
        Settings of the training; versions, hashes, machine.
    command
        The command line that makes this page again.

    Returns
    -------
    str
        The HTML. It loads nothing: pictures, style and numbers are in it.

    Raises
    ------
    InputError
        The volumes do not belong together, or are no volumes.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    recorded, said = volume_of(stack)
    result, _ = volume_of(restored)
    check_pair(recorded, result, grid)
    pixel_um = stack.voxel_um[1:] if stack.voxel_um else (grid.spacing_um, grid.spacing_um)
    environment = Environment(
        loader=PackageLoader("carescope", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["show"] = show
    spectra, ratios = _spectra(recorded, result, grid, pixel_um)
    return environment.get_template("page.html").render(
        title=title,
        sentence=_sentence(grid, pixel_um, stack.source, said, bool(history)),
        standing_warning=STANDING_WARNING,
        warnings=warnings,
        facts=_facts(grid, ratios, scores),
        pictures=_sections(recorded, result, truth, grid, pixel_um),
        scores=scores,
        best=_best(scores),
        spectra=spectra,
        optics=_optics(kernels, grid, pixel_um),
        curve=_curve(history),
        numbers=numbers,
        recipe=_flat(recipe),
        command=command,
        provenance=_flat(provenance),
    )


def show(value: object) -> str:
    """Render a value for people: five significant digits, words for yes, no and nothing."""
    if value is None:
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        number = float(value)
        return "∞" if number == math.inf else "–" if math.isnan(number) else f"{number:.5g}"
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence | np.ndarray):
        return ", ".join(show(item) for item in value)
    return str(value)


def _sentence(
    grid: Grid, pixel_um: tuple[float, float], source: str | None, said: str, trained: bool
) -> str:
    how = (
        "by a network that learned from the stack's own lateral slices"
        if trained
        else "by a network trained before"
    )
    shown = f" The pictures show {said}." if said else ""
    return (
        f"{grid.planes} recorded planes {grid.step_um:.4g} µm apart"
        f"{f' ({source})' if source else ''} became {grid.restored_planes} planes "
        f"{grid.spacing_um:.4g} µm apart, beside pixels of {pixel_um[1]:.4g} µm, "
        f"{how}.{shown}"
    )


def _facts(
    grid: Grid, ratios: tuple[float, float] | None, scores: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str, str]]:
    """The three or four numbers to read first: name, value, remark."""
    facts = [
        ("planes", f"{grid.planes} → {grid.restored_planes}", f"factor {grid.factor:.4g}"),
        ("plane distance", f"{grid.spacing_um:.3g} µm", f"was {grid.step_um:.3g} µm"),
    ]
    if ratios:
        facts.append(
            ("spectral isotropy", f"{ratios[1]:.2f}", f"was {ratios[0]:.2f}; 1 is isotropic")
        )
    if scores:
        top = max(scores, key=lambda row: row["psnr_db"])
        facts.append(("best PSNR", f"{show(top['psnr_db'])[:5]} dB", str(top["name"])))
    return facts


def _sections(
    recorded: Lazy, result: Lazy, truth: Lazy | None, grid: Grid, pixel_um: tuple[float, float]
) -> list[Picture]:
    overview = _picture(
        lambda width: figures.slices(recorded, result, grid, pixel_um, width_in=width),
        "Axial sections of the volume before and after restoration, at the same scale.",
        "Axial sections where the volume varies most, z downwards. The recorded planes are drawn "
        f"as they are, {grid.step_um:.4g} µm tall. Before and after have the same scale and the "
        "same contrast, from black at the 0.5 to white at the 99.7 percentile of each section.",
    )
    close_up = _picture(
        lambda width: figures.slices_against_truth(
            recorded, result, truth, grid, pixel_um, width_in=width
        ),
        "Close-ups of the same sections, interpolated and restored"
        + (", beside the truth." if truth is not None else "."),
        "The same sections, closer. “Interpolated” is what the recorded planes give by cubic "
        "interpolation along z, without a network"
        + ("; “truth” is the volume that the restoration should be." if truth is not None else "."),
    )
    return [overview, close_up]


def _spectra(
    recorded: Lazy, result: Lazy, grid: Grid, pixel_um: tuple[float, float]
) -> tuple[Picture | None, tuple[float, float] | None]:
    """The spectra and the isotropy ratios; nothing where the volume is too small for them."""
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
    picture = _picture(
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
    return picture, ratios


def _optics(
    kernels: Mapping[str, npt.NDArray[Any]] | None, grid: Grid, pixel_um: tuple[float, float]
) -> Picture | None:
    if not kernels:
        return None
    return _picture(
        lambda width: plots.kernels(kernels, (grid.spacing_um, pixel_um[1]), width_in=width),
        "Kernels of the optics in the xz plane, with their profiles along z and x.",
        "The blur of an axial slice (square root of intensity, to show the tails) and its "
        "profiles through the centre. The network learns to undo “h split”, or all of “h” with "
        "--psf-mode full; “h split” on “h isotropic” comes as close to “h” as a kernel without "
        "negative values can.",
    )


def _curve(history: Sequence[Mapping[str, float]]) -> Picture | None:
    if not history:
        return None
    last = history[-1]
    seconds = float(last.get("seconds", math.nan))
    took = f" in {seconds / 60:.3g} minutes" if math.isfinite(seconds) else ""
    return _picture(
        lambda width: plots.training_curve(history, width_in=width),
        "Loss and learning rate over the training steps.",
        f"{show(last.get('step'))} steps{took}. The weights of the best validation loss are kept.",
    )


def _picture(draw: Callable[[float], bytes], alt: str, caption: str) -> Picture:
    wide, narrow = (
        "data:image/png;base64," + base64.b64encode(draw(width)).decode()
        for width in (figures.WIDE_IN, figures.NARROW_IN)
    )
    return Picture(wide, narrow, alt, caption)


def _best(scores: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    if not scores:
        return {}
    columns = {"psnr_db": max, "nrmse": min, "ssim": max}
    return {name: pick(row[name] for row in scores) for name, pick in columns.items()}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Nested settings as one table, with dots between the names."""
    flat: dict[str, object] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
