"""Learning in two passes: the second learns from the restoration that the first one made.

A recorded lateral slice holds light of its neighbouring planes, and its target is as
blurred along z as the stack. Slices of a first restoration hold less of it, as axial slices do, so
a network that goes on with them meets what it will be applied to.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from carescope import predict, read, train
from carescope.errors import InputError
from carescope.files.folder import make, remove
from carescope.image import Image
from carescope.jobs.kept import clear, keep, kept_or
from carescope.model import Model
from carescope.pairs import LateralPairs, Pairs
from carescope.recipe import Recipe
from carescope.train import distributed
from carescope.write import tiff

#: Share of the budget that the first pass takes.
FIRST_SHARE = 0.55
#: Of how many stacks the second pass learns from a restoration, at most.
MOST_DRAFTS = 4
DRAFTS_ARE_EMPTY = (
    "The first pass restored no structure from which a second one could learn, and was kept as it "
    "was. Train longer, or look whether the optics are right."
)

Watch = Callable[[train.Progress], None]


class Shared(NamedTuple):
    """How all passes and members train."""

    device: str = "auto"
    tensorboard: str | None = None
    overwrite: bool = False
    workers: int | None = None

    def within(self, name: str) -> Shared:
        """The same for a part of the training, which TensorBoard shows as a run of its own."""
        if self.tensorboard is None:
            return self
        return self._replace(tensorboard=str(Path(self.tensorboard) / name))

    def fit(
        self,
        made: Pairs,
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
            workers=self.workers,
        )


def in_two_passes(
    made: LateralPairs,
    shared: Shared,
    folder: Path | None,
    watch: Watch | None,
    start: Model | None = None,
) -> Model:
    """Train, restore drafts, and go on with the drafts' lateral slices.

    Parameters
    ----------
    made
        What to learn from; the budget of its recipe is shared by the two passes.
    shared
        How both train.
    folder
        Where to keep the model; those of the passes go into run/, so that nothing that was
        finished before an interruption is repeated.
    watch
        Told how far both are together.
    start
        A model to begin with.
    """
    recipe, run = made.recipe, folder / "run" if folder else None
    first, second = _budgets(recipe)
    places = [run / name if run else None for name in ("first-pass", "second-pass")]
    told = scaled(watch, 0, FIRST_SHARE)
    before = made.under(first)
    draft = kept_or(
        lambda: shared.within("first-pass").fit(before, places[0], told, start),
        places[0],
        before,
        start,
        overwrite=shared.overwrite,
    )
    with _room_for_drafts(run) as place:
        after = _again(made, _drafts(draft, made, place), second)
        then = scaled(watch, FIRST_SHARE, 1, draft.facts)
        if after is None:
            last = draft
            last.facts["warnings"] = [DRAFTS_ARE_EMPTY, *draft.facts["warnings"]]
        else:
            last = kept_or(
                lambda: shared.within("second-pass").fit(after, places[1], then, draft),
                places[1],
                after,
                draft,
                overwrite=shared.overwrite,
            )
            last.facts = _joined(draft.facts, last.facts)
    last.recipe = recipe
    keep(last, folder, shared.overwrite)
    clear(places)  # they were kept for an interruption alone
    return last


@contextmanager
def _room_for_drafts(run: Path | None) -> Iterator[Path]:
    """An empty folder of this process: in the run, or among temporary files where nothing is kept.

    What a killed process left in it is removed.
    """
    if run is None:
        with tempfile.TemporaryDirectory() as place:
            yield Path(place)
        return
    mine = run / f"drafts-{distributed.share()[0]}"
    remove(mine)
    try:
        yield make(mine)
    finally:
        remove(mine)


def _again(made: LateralPairs, drafts: dict[int, Image], recipe: Recipe) -> LateralPairs | None:
    """The pairs of the second pass, or None where the drafts hold nothing to learn from."""
    try:
        return made.again(drafts, recipe)
    except InputError:
        return None


def _drafts(draft: Model, made: LateralPairs, place: Path) -> dict[int, Image]:
    """Restorations of some stacks with structure, evenly spread over the pool, kept on disk."""
    numbers = made.with_structure()
    drafts = {}
    for at in np.linspace(0, len(numbers) - 1, min(MOST_DRAFTS, len(numbers))).round().astype(int):
        number = numbers[at]
        source = made.pool[number]
        path = place / f"draft-{number}.ome.tif"
        there = predict.outline(draft, source.stack, grid=source.grid)
        with tiff.create(
            path, shape=there.shape, axes=there.axes, dtype="float32", voxel_um=there.voxel_um
        ) as pixels:
            fill = partial(_fill, pixels)
            predict.restore_into(fill, draft, source.stack, there, maps=source.maps)
        restored = read.open(path, axes="CZYX")
        drafts[number] = replace(restored, source=source.stack.source)
    return drafts


def _fill(pixels: tiff.Blocks, place: Any, part: predict.Estimate) -> None:
    pixels[place] = part.mean


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


def scaled(
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
    names = ("data_sha256", "trained_on", "started_from", "stacks", "fingerprint")
    of_the_data = {name: first[name] for name in names if name in first}
    return (
        second | sums | of_the_data | {"history": [*first["history"], *later], "warnings": warnings}
    )
