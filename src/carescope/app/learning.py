"""Commands that learn from stacks: ``isotropic`` and ``train isotropic``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from carescope.app import options as o
from carescope.app.given import (
    command_line,
    open_given,
    optics_given,
    print_facts,
    print_learnt,
    recipe_given,
    shared_given,
)
from carescope.errors import UsageError

KEPT: o.Group = {"model": (o.option(Path | None, "Folder that keeps what was learnt."), None)}
MODEL: o.Group = {"model": (o.option(Path, "Folder for the model."), o.REQUIRED)}
REPORT: o.Group = {
    "report": (o.option(Path | None, "Where to write the report; beside the output if not."), None)
}


@o.takes(
    o.STACK,
    o.OUT,
    KEPT,
    REPORT,
    o.WRITING,
    o.SPREAD,
    o.RESULT,
    o.READING,
    o.OPTICS,
    o.TRAINING,
    o.SECTIONS,
)
def isotropic(given: dict[str, Any]) -> None:
    """Learn from one anisotropic stack, restore it to isotropic resolution, and report."""
    from carescope.app.progress import Watch
    from carescope.jobs import isotropic as job
    from carescope.jobs.learning import check_learnt
    from carescope.train import distributed

    if distributed.share()[1] > 1:
        raise UsageError(
            "learns and restores in one process",
            where="carescope isotropic",
            remedy="Train under torchrun with train isotropic --model, then restore",
        )
    recipe, optics, shared = recipe_given(given), optics_given(given), shared_given(given)
    page = given["report"] or job.report_path(given["out"])
    sources = [given["stack"], *optics.files()]
    job.check_written(sources, given["out"], page, given["dtype"], overwrite=shared.overwrite)
    if given["spread"]:
        members = given["ensemble"]
        job.check_spread(recipe, sources, given["out"], members, overwrite=shared.overwrite)
    check_learnt(given["model"], shared, optics, recipe)
    stack, warnings = open_given(given, lambda image: optics.grid(image, given["factor"]))
    with Watch(quiet=given["as_json"]) as watch:
        outcome = job.isotropic(
            stack,
            given["out"],
            optics,
            recipe,
            factor=given["factor"],
            members=given["ensemble"],
            start=given["start"],
            folder=given["model"],
            page=page,
            dtype=given["dtype"],
            spread=given["spread"],
            shared=shared,
            command=command_line(),
            warnings=warnings,
            watch_training=watch.training,
            watch_restoring=watch.restoring,
        )
        for warning in outcome.warnings:
            watch.say(f"warning: {warning}")
    written = outcome.written
    facts: dict[str, object] = {
        "restored": written.path,
        "shape": " x ".join(map(str, written.image.shape)),
        "voxel_um": ", ".join(f"{v:.4g}" for v in written.image.voxel()),
        "clipped": written.clipped,
    }
    facts |= written.beside | {"report": outcome.page}
    if given["model"]:
        facts["model"] = given["model"]
    if given["as_json"]:
        facts["warnings"] = outcome.warnings
    print_facts(facts, given["as_json"])


@o.takes(o.STACKS, MODEL, o.RESULT, o.READING, o.OPTICS, o.TRAINING, o.SECTIONS)
def train_isotropic(given: dict[str, Any]) -> None:
    """Learn to restore stacks of one kind; the same command again resumes a run cut short."""
    from carescope.app.progress import Watch
    from carescope.jobs.finding import find_images
    from carescope.jobs.learning import check_learnt, learn
    from carescope.train import distributed

    recipe, optics, shared = recipe_given(given), optics_given(given), shared_given(given)
    check_learnt(given["model"], shared, optics, recipe)
    opened = [
        open_given(given | {"stack": path}, lambda image: optics.grid(image, given["factor"]))
        for path in find_images(given["stacks"])
    ]
    many = len(opened) > 1
    warnings = [
        f"{stack.source}: {said}" if many else said for stack, told in opened for said in told
    ]
    main = distributed.is_main()
    with Watch(quiet=given["as_json"] or not main) as watch:
        learnt = learn(
            [stack for stack, _ in opened],
            optics,
            recipe,
            factor=given["factor"],
            members=given["ensemble"],
            start=given["start"],
            folder=given["model"],
            shared=shared,
            watch=watch.training,
        )
        for warning in [*warnings, *learnt.warnings]:
            watch.say(f"warning: {warning}")
    kept = ("steps", "seconds", "best_validation_loss", "optics")
    print_learnt(given, learnt.model, kept, [*warnings, *learnt.warnings])
