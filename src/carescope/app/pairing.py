"""Commands that learn from pairs of images: ``train denoise``, ``upsample`` and ``project``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carescope.app import options as o
from carescope.app.given import open_given, print_learnt, recipe_given, shared_given
from carescope.app.learning import MODEL
from carescope.errors import UsageError

if TYPE_CHECKING:
    from carescope.image import Image, VoxelSize
    from carescope.recipe import Recipe
    from carescope.task import Kind

THINNED: o.Group = {
    "low": (
        o.option(
            list[Path] | None,
            "Folder of stacks with few planes; every F-th plane of --high without it.",
        ),
        None,
    ),
    "high": (o.option(Path, "Folder of the same stacks with more planes."), o.REQUIRED),
    "factor": (
        o.option(
            float | None, "Planes of --high per plane of --low; by default by plane distances."
        ),
        None,
    ),
} | {name: one for name, one in o.PAIRS.items() if name not in (*o.HELD_OUT, "most_noise")}


@o.takes(o.PAIRS, MODEL, o.RESULT, o.READING, o.TRAINING)
def train_denoise(given: dict[str, Any]) -> None:
    """Learn to denoise from registered pairs; the same command again resumes a run cut short."""
    _learn(given, _begin(given), *_matched(given, given["high"]))


@o.takes(THINNED, MODEL, o.RESULT, o.READING, o.TRAINING)
def train_upsample(given: dict[str, Any]) -> None:
    """Learn to make more planes of few; the same command again resumes a run cut short."""
    from carescope.jobs.upsample import open_stacks

    recipe = _begin(given)

    def open_one(path: Path, voxel_um: VoxelSize | None) -> tuple[Image, list[str]]:
        return open_given(given | {"stack": path, "voxel_um": voxel_um}, lambda image: None)

    images, factor, warnings = open_stacks(
        given["low"] or [],
        given["high"],
        open_one,
        factor=given["factor"],
        voxel_um=given["voxel_um"],
    )
    _learn(given, recipe, images, warnings, kind="upsample", factor=factor)


@o.takes(o.SURFACES, MODEL, o.RESULT, o.READING, o.TRAINING | o.SMALL_PATCHES)
def train_project(given: dict[str, Any]) -> None:
    """Learn to find and restore the surface in stacks; the same command again resumes a run."""
    recipe = _begin(given)
    _learn(given, recipe, *_matched(given, given["surface"], "project"), kind="project")


def _matched(
    given: dict[str, Any], targets: Path, kind: Kind = "denoise"
) -> tuple[list[tuple[Image, Image]], list[str]]:
    """The pairs of --low with the images of the same name among targets, and warnings."""
    from carescope.jobs import denoise as job

    def open_one(path: Path) -> tuple[Image, list[str]]:
        return open_given(given | {"stack": path}, lambda image: None, stacks_only=False)

    return job.open_pairs(job.match(given["low"], targets), open_one, kind)


def _begin(given: dict[str, Any]) -> Recipe:
    """The recipe, once it is known that a model could be kept."""
    from carescope.jobs.members import check_kept

    recipe = _preset(given) if "preset" in given else recipe_given(given)
    check_kept(given["model"], shared_given(given))
    return recipe


def _learn(
    given: dict[str, Any],
    recipe: Recipe,
    images: Sequence[tuple[Image, Image]],
    warnings: Sequence[str],
    *,
    kind: Kind = "denoise",
    factor: float = 1.0,
) -> None:
    """Look whether pairs lie on one another, train on them, and say what came of it."""
    from carescope.app.progress import Watch
    from carescope.jobs import denoise as job
    from carescope.jobs.registered import registered
    from carescope.train import distributed

    main = distributed.is_main()
    said = list(warnings)
    if kind != "project":  # a stack and its surface cannot be laid on one another
        images, moved, doubts = registered(images, correct=given["register"], factor=factor)
        said += [*doubts, *moved]
    with Watch(quiet=given["as_json"] or not main) as watch:
        for warning in said:
            watch.say(f"warning: {warning}")
        learnt = job.learn_pairs(
            images,
            recipe,
            kind=kind,
            factor=factor,
            members=given["ensemble"],
            start=given["start"],
            folder=given["model"],
            shared=shared_given(given),
            watch=watch.training,
        )
        for warning in learnt.warnings:
            watch.say(f"warning: {warning}")
    kept = ("pairs", "steps", "seconds", "best_validation_loss")
    more = {"factor": factor} if kind == "upsample" else {}
    print_learnt(given, learnt.model, kept, [*said, *learnt.warnings], **more)


def _preset(given: dict[str, Any]) -> Recipe:
    """The recipe, in which a preset decides what was left at its default."""
    from carescope.jobs.denoise import PAPER

    if given["preset"] == "none":
        return recipe_given(given)
    if given["preset"] != "paper":
        raise UsageError(
            f"there is no preset {given['preset']!r}",
            where="--preset",
            remedy="Give paper, or leave it out",
        )
    defaults = {name: default for name, (_, default) in (o.TRAINING | o.PAIRS).items()}
    timed = given["minutes"] is not None or given["steps"] is not None
    preset = {n: v for n, v in PAPER.items() if not (n == "steps" and timed)}
    for name, value in preset.items():
        if given.get(name, value) not in (value, defaults.get(name, value)):
            raise UsageError(
                f"asks for {value}, and --{name.replace('_', '-')} for {given[name]}",
                where="--preset paper",
                remedy="Leave out one of the two",
            )
    if given["laplace"]:
        del preset["loss"]
    return recipe_given(given | preset)
