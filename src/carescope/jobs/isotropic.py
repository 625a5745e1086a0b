"""Isotropic restoration: learn from a stack itself, restore it, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from carescope import metrics
from carescope.errors import UsageError
from carescope.files import atomic
from carescope.grid import Grid
from carescope.image import Image
from carescope.jobs.inputs import Optics
from carescope.jobs.learning import learn
from carescope.jobs.outputs import beside, check_distinct, check_output, stem
from carescope.jobs.page import page_of
from carescope.jobs.passes import Shared, Watch
from carescope.jobs.restore import Written, restore_file
from carescope.recipe import Recipe
from carescope.train.losses import SPREADS


class Outcome(NamedTuple):
    """What the whole job made."""

    written: Written
    page: Path
    scores: list[dict[str, Any]]
    warnings: list[str]


def isotropic(
    stack: Image,
    out: Path,
    optics: Optics,
    recipe: Recipe,
    *,
    factor: float | None = None,
    members: int = 1,
    start: Path | None = None,
    folder: Path | None = None,
    page: Path | None = None,
    dtype: str = "float32",
    spread: bool = False,
    shared: Shared | None = None,
    command: str = "",
    warnings: Sequence[str] = (),
    truth: npt.NDArray[Any] | None = None,
    watch_training: Watch | None = None,
    watch_restoring: Callable[[float], None] | None = None,
) -> Outcome:
    """Learn, restore and report: the whole job on one stack.

    Parameters
    ----------
    stack, optics, recipe, factor, members, start, folder, shared
        As for `learn`; what `shared` says of overwriting is true of all files.
    out
        The OME-TIFF to write.
    page
        The report; beside `out` as <stem>.report.html where None.
    dtype, spread
        As for `restore_file`.
    command
        What to print as the exact command.
    warnings
        What reading the stack gave.
    truth
        (Z, Y, X) of the restored shape, where it is known; scored on unrecorded planes.
    watch_training, watch_restoring
        Told how far the work is.

    Returns
    -------
    Outcome
        Its scores are empty without a truth.
    """
    shared = shared or Shared()
    overwrite = shared.overwrite
    page = page or report_path(out)
    named = [Path(stack.source)] if stack.source else []
    read = [*named, *optics.files()]
    check_written(read, out, page, dtype, overwrite=overwrite)
    if spread:
        check_spread(recipe, read, out, members, overwrite=overwrite)
    learnt = learn(
        stack,
        optics,
        recipe,
        factor=factor,
        members=members,
        start=start,
        folder=folder,
        shared=shared,
        watch=watch_training,
    )
    provenance = {"command": command, "optics": str(learnt.model.facts["optics"])}
    written = restore_file(
        learnt.model,
        stack,
        out,
        dtype=dtype,
        spread=spread,
        overwrite=overwrite,
        provenance=provenance,
        watch=watch_restoring,
    )
    grid = Grid.of(stack, factor=learnt.model.task.factor)
    scores = score(truth, stack, written, grid) if truth is not None else []
    doubts = [*warnings, *learnt.warnings, *written.warnings, *_clipping(written)]
    text = page_of(
        learnt, stack, written, truth=truth, scores=scores, warnings=doubts, command=command
    )
    atomic.write_text(page, text, overwrite=overwrite)
    return Outcome(written, page, scores, doubts)


def check_written(
    sources: Sequence[str | Path], out: Path, page: Path, dtype: str, *, overwrite: bool = False
) -> None:
    """Refuse, before any work, a restoration or report that could not be written in the end."""
    check_distinct([out, page], sources)
    check_output(out, dtype, overwrite=overwrite)
    atomic.check_writable(page, overwrite=overwrite)


def check_spread(
    recipe: Recipe,
    sources: Sequence[str | Path],
    out: Path,
    members: int,
    *,
    overwrite: bool = False,
) -> None:
    """Refuse, before any work, a spread that training would not give or that cannot be written."""
    if recipe.loss not in SPREADS:
        raise UsageError(
            f"a network trained with the loss {recipe.loss} does not say how sure it is",
            where="--spread",
            remedy="Train it with --laplace, or leave --spread out",
        )
    files = list(beside(out, members).values())
    check_distinct(files, sources)
    for path in files:
        check_output(path, overwrite=overwrite)


def score(
    truth: npt.NDArray[Any], stack: Image, written: Written, grid: Grid
) -> list[dict[str, Any]]:
    """PSNR, NRMSE and SSIM of bicubic input and restoration, on the planes never seen."""
    from carescope.physics import sampling

    unseen = ~grid.is_recorded()
    if not unseen.any():
        unseen[:] = True
    bicubic = sampling.upsample(stack.array().astype(np.float32), grid)
    return [
        {"name": name, **metrics.evaluate(truth[unseen], values[unseen], planewise=True)}
        for name, values in (("bicubic", bicubic), ("restored", written.image.array()))
    ]


def report_path(out: Path) -> Path:
    """Where the report of an output goes."""
    return out.with_name(f"{stem(out)}.report.html")


def _clipping(written: Written) -> list[str]:
    if not written.clipped:
        return []
    return [f"{written.clipped} values did not fit {written.image.dtype} and were clipped."]
