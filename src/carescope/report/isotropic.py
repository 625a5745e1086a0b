"""The report of an isotropic restoration: one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from carescope.grid import Grid
from carescope.image import Image, Lazy
from carescope.physics.blind import AxialBlur
from carescope.report import blur as blurs
from carescope.report import figures, graphs, views
from carescope.report import spread as spreads
from carescope.report.html import flat, render
from carescope.report.picture import show
from carescope.report.planes import check_pair, close_up, sections, strip, volume_of

#: What the paper asks of everyone who restores images, on every page.
STANDING_WARNING = (
    "A restored image is a prediction, not a measurement. Do not count fluorophores in it or "
    "measure intensities from it, and check what matters against recorded data "
    "(Weigert et al., Nature Methods 15, 2018, doi:10.1038/s41592-018-0216-7)."
)


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
    blur: AxialBlur | None = None,
    spread: spreads.Spread | None = None,
    members: int = 1,
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
        The recorded stack. Of several channels the first four are shown before and after, and
        the first alone in whatever else is drawn; of several time points the first is.
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
        The volume that the restoration of the first channel should be.
    scores
        Rows with ``name``, ``psnr_db``, ``nrmse``, ``ssim``: the restoration and its rivals.
    warnings
        What the reader must know before looking at the pictures.
    blur
        The axial blur, where it was looked for in the stack itself.
    spread
        The scale and disagreement of the restoration, where they were written.
    members
        How many networks restored together; `history` is that of the first.
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
    recorded, result = volume_of(stack), volume_of(restored)
    check_pair(recorded, result, grid)
    if truth is not None:
        figures.check_truth(truth, result)
    pixel_um = stack.voxel_um[1:] if stack.voxel_um else (grid.spacing_um, grid.spacing_um)
    # One place for all pictures, found in the first channel; each part is read once.
    chosen = sections(recorded, pixel_um, None, None)
    shown = [strip(section, recorded, grid) for section in chosen]
    closer = [close_up(section, result, grid) for section in chosen]
    first = views.channel_name(stack, 0)
    spectra, ratios = graphs.detail(recorded, result, grid, pixel_um)
    return render(
        "page.html",
        title=title,
        sentence=_sentence(grid, pixel_um, stack, bool(history)),
        standing_warning=STANDING_WARNING,
        warnings=warnings,
        facts=_facts(grid, ratios, scores),
        pictures=[
            *views.overviews(stack, restored, grid, shown),
            views.close_ups(recorded, truth, grid, closer, first),
        ],
        sureness=spreads.pictures(spread, recorded, grid, closer) if spread else None,
        scores=scores,
        best=_best(scores),
        spectra=spectra,
        blur=blurs.fit(blur) if blur else None,
        optics=graphs.optics(kernels, grid, pixel_um),
        curve=graphs.training(history, members),
        numbers=numbers,
        recipe=flat(recipe),
        command=command,
        provenance=flat(provenance),
    )


def _sentence(grid: Grid, pixel_um: tuple[float, float], stack: Image, trained: bool) -> str:
    how = (
        "by a network that learned from the stack's own lateral slices"
        if trained
        else "by a network trained before"
    )
    said = views.said_of_shown(stack)
    return (
        f"{grid.planes} recorded planes {grid.step_um:.4g} µm apart"
        f"{f' ({stack.source})' if stack.source else ''} became {grid.restored_planes} planes "
        f"{grid.spacing_um:.4g} µm apart, beside pixels of {pixel_um[1]:.4g} µm, "
        f"{how}.{f' {said}' if said else ''}"
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
        facts.append(("best PSNR", f"{show(round(top['psnr_db'], 2))} dB", str(top["name"])))
    return facts


def _best(scores: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    if not scores:
        return {}
    columns = {"psnr_db": max, "nrmse": min, "ssim": max}
    return {name: pick(row[name] for row in scores) for name, pick in columns.items()}
