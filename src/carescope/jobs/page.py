"""The page of an isotropic restoration: what a job hands to the report."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import carescope
from carescope import read
from carescope.grid import Grid
from carescope.image import Image
from carescope.jobs.learning import Learnt
from carescope.jobs.restore import Written
from carescope.model import Ensemble, Model
from carescope.physics.microscope import Kernels
from carescope.report.isotropic import isotropic_page
from carescope.report.picture import show
from carescope.report.spread import Spread


def page_of(
    learnt: Learnt,
    stack: Image,
    written: Written,
    *,
    truth: npt.NDArray[Any] | None = None,
    scores: Sequence[Mapping[str, Any]] = (),
    warnings: Sequence[str] = (),
    command: str = "",
) -> str:
    """The report of a restoration as HTML.

    Parameters
    ----------
    learnt
        The model, the pairs and what was found of the optics.
    stack, written
        What was restored, and the files it became.
    truth, scores
        The (Z, Y, X) volume it should be, where that is known, and how near it came.
    warnings
        What the reader must know first.
    command
        What makes it again.
    """
    model = learnt.model
    return isotropic_page(
        title=f"{Path(stack.source or 'stack').name}, restored to isotropic resolution",
        stack=stack,
        restored=written.image,
        grid=Grid.of(stack, factor=model.task.factor),
        kernels=_named(learnt.pairs.kernels),
        history=model.facts["history"],
        numbers=_numbers(learnt, stack, written),
        truth=truth,
        scores=scores,
        warnings=warnings,
        blur=learnt.found.blur if learnt.found else None,
        spread=_spread(written, model.family),
        members=len(model.members),
        recipe=model.recipe.model_dump(),
        command=command,
        provenance={"carescope": carescope.__version__, "python": platform.python_version()},
    )


def _spread(written: Written, family: str | None) -> Spread | None:
    """The files of the spread, opened; None where none was written."""
    if written.scale is None or family is None:
        return None
    axes, among = written.image.axes, written.disagreement
    return Spread(
        read.open(written.scale, axes=axes),
        family,
        read.open(among, axes=axes) if among else None,
    )


def _said(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {show(value)}" for name, value in (values or {}).items())


def _named(kernels: Kernels | None) -> dict[str, npt.NDArray[np.float64]] | None:
    if kernels is None:
        return None
    return {"h": kernels.h, "h_iso": kernels.h_iso, "h_split": kernels.h_split}


def _network(model: Model | Ensemble) -> str:
    """The architecture in words."""
    architecture = model.members[0].architecture
    if architecture["name"] == "separate":
        return f"{architecture['part']['name']} for each of {model.task.channels_in} channels"
    return str(architecture["name"])


def _numbers(learnt: Learnt, stack: Image, written: Written) -> dict[str, object]:
    model = learnt.model
    grid = Grid.of(stack, factor=model.task.factor)
    facts, members = model.facts, len(model.members)
    of_all = f" ({members} networks together)" if members > 1 else ""
    losses = [member.facts["best_validation_loss"] for member in model.members]
    return {
        "planes recorded": grid.planes,
        "planes restored": grid.restored_planes,
        "factor": f"{grid.factor:g}",
        "voxel before (z, y, x)": " x ".join(f"{v:g}" for v in stack.voxel()) + " µm",
        "voxel after (z, y, x)": " x ".join(f"{v:.4g}" for v in written.image.voxel()) + " µm",
        "network": _network(model),
        "members": members,
        "weights": f"{facts['weights']:,}{of_all}",
        "training steps": f"{facts['steps']:,}{of_all}",
        "training time": f"{facts['seconds']:.0f} s{of_all}",
        "best validation loss": ", ".join(f"{loss:.4g}" for loss in losses),
        "values clipped": written.clipped,
        "optics": _said(facts["optics"]),
        "noise of the stack": "; ".join(map(_said, facts["noise"] or [])) or "left out",
        "model (sha256)": model.sha256,
    }
