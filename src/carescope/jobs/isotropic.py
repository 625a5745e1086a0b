"""Isotropic restoration: learn from a stack itself, restore it, report."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import carescope
from carescope import metrics, model, pairs, train
from carescope.files import atomic
from carescope.image import Image
from carescope.jobs.inputs import Optics
from carescope.jobs.passes import Learnt, Shared, Watch, in_two_passes
from carescope.jobs.restore import Written, check_distinct, check_output, restore_file, stem
from carescope.physics.microscope import Kernels
from carescope.recipe import Recipe
from carescope.report.isotropic import isotropic_page


class Outcome(NamedTuple):
    """What the whole job made."""

    written: Written
    page: Path
    scores: list[dict[str, Any]]
    warnings: list[str]


def learn(
    stack: Image,
    optics: Optics,
    recipe: Recipe,
    *,
    factor: float | None = None,
    folder: Path | None = None,
    overwrite: bool = False,
    device: str = "auto",
    tensorboard: str | None = None,
    watch: Watch | None = None,
) -> Learnt:
    """Train a network on a stack's own lateral slices.

    Parameters
    ----------
    stack
        Axes ZYX, with a voxel size.
    optics
        What blurs it.
    recipe
        How to train.
    factor
        Restored planes per recorded plane; where None, plane distance over pixel size.
    folder
        Where to keep the model, and the run so that it can be resumed.
    overwrite
        Replace a model, or the interrupted run of another recipe or other data, in `folder`.
    device, tensorboard, watch
        As for `carescope.train.fit`.
    """
    check_learnt(folder, device, tensorboard, overwrite=overwrite)
    scope = optics.microscope(stack, factor)
    shared = Shared(device, tensorboard, overwrite)
    if scope.psf is None or recipe.passes == 1 or recipe.steps == 1:
        made = pairs.from_volume(stack, scope, recipe)
        return Learnt(shared.fit(made, folder, watch), made)
    return in_two_passes(stack, scope, recipe, shared, folder, watch)


def isotropic(
    stack: Image,
    out: Path,
    optics: Optics,
    recipe: Recipe,
    *,
    factor: float | None = None,
    folder: Path | None = None,
    page: Path | None = None,
    dtype: str = "float32",
    overwrite: bool = False,
    device: str = "auto",
    tensorboard: str | None = None,
    command: str = "",
    warnings: Sequence[str] = (),
    truth: npt.NDArray[Any] | None = None,
    watch_training: Watch | None = None,
    watch_restoring: Callable[[float], None] | None = None,
) -> Outcome:
    """Learn, restore and report: the whole job on one stack.

    Parameters
    ----------
    stack, optics, recipe, factor, folder, device, tensorboard
        As for `learn`.
    out
        The OME-TIFF to write.
    page
        The report; beside `out` as <stem>.report.html where None.
    dtype, overwrite
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
    page = page or report_path(out)
    named = [Path(stack.source)] if stack.source else []
    check_written([*named, *optics.files()], out, page, dtype, overwrite=overwrite)
    learnt = learn(
        stack,
        optics,
        recipe,
        factor=factor,
        folder=folder,
        overwrite=overwrite,
        device=device,
        tensorboard=tensorboard,
        watch=watch_training,
    )
    provenance = {"command": command, "optics": str(learnt.model.facts["optics"])}
    written = restore_file(
        learnt.model,
        stack,
        out,
        dtype=dtype,
        overwrite=overwrite,
        provenance=provenance,
        watch=watch_restoring,
    )
    scores = score(truth, stack, written) if truth is not None else []
    doubts = [*warnings, *learnt.warnings, *_clipping(written)]
    text = _page(learnt, stack, written, truth, scores, doubts, command)
    atomic.write_text(page, text, overwrite=overwrite)
    return Outcome(written, page, scores, doubts)


def check_written(
    sources: Sequence[str | Path], out: Path, page: Path, dtype: str, *, overwrite: bool = False
) -> None:
    """Refuse, before any work, a restoration or report that could not be written in the end."""
    check_distinct([out, page], sources)
    check_output(out, dtype, overwrite=overwrite)
    atomic.check_writable(page, overwrite=overwrite)


def check_learnt(
    folder: Path | None, device: str, tensorboard: str | None, *, overwrite: bool = False
) -> None:
    """Refuse, before any work, training that could not begin or be kept."""
    train.choose_device(device)
    if tensorboard is not None:
        train.check_board(tensorboard)
    if folder is not None:
        model.check_absent(folder, overwrite=overwrite)


def score(truth: npt.NDArray[Any], stack: Image, written: Written) -> list[dict[str, Any]]:
    """PSNR, NRMSE and SSIM of bicubic input and restoration, on the planes never seen."""
    from carescope.physics import sampling

    unseen = ~written.grid.is_recorded()
    if not unseen.any():
        unseen[:] = True
    bicubic = sampling.upsample(stack.array().astype(np.float32), written.grid)
    return [
        {"name": name, **metrics.evaluate(truth[unseen], values[unseen], planewise=True)}
        for name, values in (("bicubic", bicubic), ("restored", written.image.array()))
    ]


def report_path(out: Path) -> Path:
    """Where the report of an output goes."""
    return out.with_name(f"{stem(out)}.report.html")


def _page(
    learnt: Learnt,
    stack: Image,
    written: Written,
    truth: npt.NDArray[Any] | None,
    scores: Sequence[dict[str, Any]],
    doubts: Sequence[str],
    command: str,
) -> str:
    """The report as HTML."""
    return isotropic_page(
        title=f"{Path(stack.source or 'stack').name}, restored to isotropic resolution",
        stack=stack,
        restored=written.image,
        grid=written.grid,
        kernels=_named(learnt.pairs.kernels),
        history=learnt.model.facts["history"],
        numbers=_numbers(learnt, stack, written),
        truth=truth,
        scores=scores,
        warnings=doubts,
        recipe=learnt.model.recipe.model_dump(),
        command=command,
        provenance={"carescope": carescope.__version__, "python": platform.python_version()},
    )


def _clipping(written: Written) -> list[str]:
    if not written.clipped:
        return []
    return [f"{written.clipped} values did not fit {written.image.dtype} and were clipped."]


def _said(values: dict[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (values or {}).items())


def _named(kernels: Kernels | None) -> dict[str, npt.NDArray[np.float64]] | None:
    if kernels is None:
        return None
    return {"h": kernels.h, "h_iso": kernels.h_iso, "h_split": kernels.h_split}


def _numbers(learnt: Learnt, stack: Image, written: Written) -> dict[str, object]:
    facts, grid = learnt.model.facts, written.grid
    return {
        "planes recorded": grid.planes,
        "planes restored": grid.restored_planes,
        "factor": f"{grid.factor:g}",
        "voxel before (z, y, x)": " x ".join(f"{v:g}" for v in stack.voxel()) + " um",
        "voxel after (z, y, x)": " x ".join(f"{v:.4g}" for v in written.image.voxel()) + " um",
        "network": learnt.model.architecture["name"],
        "weights": f"{facts['weights']:,}",
        "training steps": facts["steps"],
        "training time": f"{facts['seconds']:.0f} s",
        "best validation loss": f"{facts['best_validation_loss']:.4g}",
        "values clipped": written.clipped,
        "optics": _said(facts["optics"]),
        "noise of the stack": _said(facts["noise"]) or "left out",
        "model (sha256)": learnt.model.sha256,
    }
