"""Learning in two passes: the second learns from the restoration that the first one made.

A recorded lateral slice holds light of its neighbouring planes, and its target is as
blurred along z as the stack. Slices of a first restoration hold less of it, as axial slices do, so
a network that goes on with them meets what it will be applied to.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from carescope import model, pairs, train
from carescope.image import Image
from carescope.jobs.restore import restore_file
from carescope.model import Model
from carescope.pairs import LateralPairs
from carescope.physics.microscope import Microscope
from carescope.recipe import Recipe

#: Share of the budget that the first pass takes.
FIRST_SHARE = 0.55

Watch = Callable[[train.Progress], None]


class Learnt(NamedTuple):
    """What was learnt from a stack, and the pairs it was learnt from."""

    model: Model
    pairs: LateralPairs

    @property
    def warnings(self) -> list[str]:
        """What training and its data give to think about."""
        return list(self.model.facts["warnings"])


class Shared(NamedTuple):
    """How both passes train."""

    device: str = "auto"
    tensorboard: str | None = None
    overwrite: bool = False

    def fit(
        self,
        made: LateralPairs,
        folder: Path | None,
        watch: Watch | None,
        start: Model | None = None,
    ) -> Model:
        """Train on pairs under their own recipe."""
        return train.fit(
            made,
            out=folder,
            overwrite=self.overwrite,
            start=start,
            device=self.device,
            watch=watch,
            tensorboard=self.tensorboard,
        )


def in_two_passes(
    stack: Image,
    scope: Microscope,
    recipe: Recipe,
    shared: Shared,
    folder: Path | None,
    watch: Watch | None,
) -> Learnt:
    """Train, restore a draft, and go on with the draft's lateral slices.

    Parameters
    ----------
    stack, scope
        What to learn from, and what took it.
    recipe
        Its budget is shared by the two passes.
    shared
        How both train.
    folder
        Where to keep the model; that of the first pass goes into run/first-pass, so that an
        interrupted second pass need not repeat it.
    watch
        Told how far both are together.
    """
    first, second = _budgets(recipe)
    made = pairs.from_volume(stack, scope, first)
    draft = _first_pass(made, shared, folder, _scaled(watch, 0, FIRST_SHARE))
    with tempfile.TemporaryDirectory() as place:
        written = restore_file(draft, stack, Path(place) / "draft.ome.tif")
        volume = replace(written.image, source=stack.source)
        last = shared.fit(
            made.again(volume, second),
            folder,
            _scaled(watch, FIRST_SHARE, 1, draft.facts),
            start=draft,
        )
    last.recipe = recipe
    last.facts = _joined(draft.facts, last.facts)
    if folder:
        model.save(last, folder, overwrite=True)
    return Learnt(last, made)


def _first_pass(
    made: LateralPairs, shared: Shared, folder: Path | None, watch: Watch | None
) -> Model:
    """The model of the first pass: kept from an interrupted run, or trained."""
    kept = folder / "run" / "first-pass" if folder else None
    if kept and (kept / model.DESCRIPTION).exists():
        draft = model.load(kept)
        # As a model file holds them: lists where the pairs have tuples.
        facts = json.loads(json.dumps(made.facts()))
        learnt_here = all(draft.facts.get(name) == value for name, value in facts.items())
        same = (draft.recipe, draft.affine, draft.factor) == (
            made.recipe,
            made.affine,
            made.grid.factor,
        )
        if same and learnt_here:
            return draft
    return shared.fit(made, kept, watch)


def _budgets(recipe: Recipe) -> tuple[Recipe, Recipe]:
    """The recipes of the two passes; the second begins with half the learning rate."""
    slower = {"learning_rate": recipe.rate / 2}
    if recipe.steps is not None:
        steps = max(1, round(FIRST_SHARE * recipe.steps))
        return (
            recipe.model_copy(update={"steps": steps}),
            recipe.model_copy(update={"steps": recipe.steps - steps, **slower}),
        )
    minutes = (recipe.seconds or 0) / 60
    return (
        recipe.model_copy(update={"minutes": FIRST_SHARE * minutes}),
        recipe.model_copy(update={"minutes": (1 - FIRST_SHARE) * minutes, **slower}),
    )


def _scaled(
    watch: Watch | None, start: float, stop: float, before: dict[str, Any] | None = None
) -> Watch | None:
    """A watcher that is told of a part of the work as that part, after what went before."""
    if watch is None:
        return None
    steps, seconds = (before["steps"], before["seconds"]) if before else (0, 0.0)

    def told(progress: train.Progress) -> None:
        done = start + (stop - start) * min(progress.done, 1.0)
        step, spent = progress.step + steps, progress.seconds + seconds
        watch(replace(progress, done=done, step=step, seconds=spent))

    return told


def _joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """The facts of both passes: steps, seconds, restarts, history and warnings add up."""
    sums = {name: first[name] + second[name] for name in ("steps", "seconds", "restarts")}
    later = [
        row | {"step": row["step"] + first["steps"], "seconds": row["seconds"] + first["seconds"]}
        for row in second["history"]
    ]
    warnings = list(dict.fromkeys([*first["warnings"], *second["warnings"]]))
    return second | sums | {"history": [*first["history"], *later], "warnings": warnings}
