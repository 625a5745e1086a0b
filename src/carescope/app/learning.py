"""Commands that learn from a stack: ``isotropic`` and ``train isotropic``."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carescope.app import options as o
from carescope.app.given import command_line, open_given, print_facts

if TYPE_CHECKING:
    from carescope.jobs.inputs import Optics
    from carescope.recipe import Recipe

KEPT: o.Group = {"model": (o.option(Path | None, "Folder that keeps what was learnt."), None)}
MODEL: o.Group = {"model": (o.option(Path, "Folder for the model."), o.REQUIRED)}
REPORT: o.Group = {
    "report": (o.option(Path | None, "Where to write the report; beside the output if not."), None)
}


@o.takes(o.STACK, o.OUT, KEPT, REPORT, o.WRITING, o.RESULT, o.READING, o.OPTICS, o.TRAINING)
def isotropic(given: dict[str, Any]) -> None:
    """Learn from one anisotropic stack, restore it to isotropic resolution, and report."""
    from carescope.app.progress import Watch
    from carescope.jobs import isotropic as job

    recipe, optics = _recipe(given), _optics(given)
    page = given["report"] or job.report_path(given["out"])
    overwrite = given["overwrite"]
    job.check_written(
        [given["stack"], *optics.files()], given["out"], page, given["dtype"], overwrite=overwrite
    )
    job.check_learnt(given["model"], given["device"], given["tensorboard"], overwrite=overwrite)
    stack, warnings = open_given(given, lambda image: optics.grid(image, given["factor"]))
    with Watch(quiet=given["as_json"]) as watch:
        outcome = job.isotropic(
            stack,
            given["out"],
            optics,
            recipe,
            factor=given["factor"],
            folder=given["model"],
            page=page,
            dtype=given["dtype"],
            overwrite=overwrite,
            device=given["device"],
            tensorboard=given["tensorboard"],
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
        "report": outcome.page,
    }
    if given["model"]:
        facts["model"] = given["model"]
    if given["as_json"]:
        facts["warnings"] = outcome.warnings
    print_facts(facts, given["as_json"])


@o.takes(o.STACK, MODEL, o.RESULT, o.READING, o.OPTICS, o.TRAINING)
def train_isotropic(given: dict[str, Any]) -> None:
    """Learn to restore stacks of one kind; the same command again resumes a run cut short."""
    from carescope.app.progress import Watch
    from carescope.jobs import isotropic as job

    recipe, optics = _recipe(given), _optics(given)
    overwrite = given["overwrite"]
    job.check_learnt(given["model"], given["device"], given["tensorboard"], overwrite=overwrite)
    stack, warnings = open_given(given, lambda image: optics.grid(image, given["factor"]))
    with Watch(quiet=given["as_json"]) as watch:
        learnt = job.learn(
            stack,
            optics,
            recipe,
            factor=given["factor"],
            folder=given["model"],
            overwrite=overwrite,
            device=given["device"],
            tensorboard=given["tensorboard"],
            watch=watch.training,
        )
        for warning in [*warnings, *learnt.warnings]:
            watch.say(f"warning: {warning}")
    kept = ("steps", "seconds", "best_validation_loss")
    facts: dict[str, object] = {"model": given["model"]}
    facts |= {name: learnt.model.facts[name] for name in kept}
    facts["sha256"] = learnt.model.sha256
    if given["as_json"]:
        facts["warnings"] = [*warnings, *learnt.warnings]
    print_facts(facts, given["as_json"])


def _recipe(given: dict[str, Any]) -> Recipe:
    from carescope.recipe import Recipe

    return Recipe.of(**{name: given[name] for name in Recipe.model_fields if name in given})


def _optics(given: dict[str, Any]) -> Optics:
    from carescope.jobs.inputs import Optics

    return Optics(**{field.name: given[field.name] for field in fields(Optics)})
