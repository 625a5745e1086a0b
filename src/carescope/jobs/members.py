"""One network or several, from pairs of any kind: what every learning ends in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from carescope import model, train
from carescope.errors import UsageError
from carescope.jobs.disputes import usual_disagreement
from carescope.jobs.kept import clear, keep, kept_or
from carescope.jobs.passes import Shared, Watch, scaled
from carescope.model import Ensemble, Model
from carescope.model.folder import member_folder
from carescope.pairs import Pairs
from carescope.recipe import Recipe
from carescope.task import Task

#: Trains one network on pairs, and keeps it in a folder.
One = Callable[[Pairs, Shared, Path | None, Watch | None, Model | None], Model]


def check_kept(folder: Path | None, shared: Shared) -> None:
    """Refuse, before any work, training that could not begin or be kept."""
    train.choose_device(shared.device)
    if shared.tensorboard is not None:
        train.check_board(shared.tensorboard)
    if folder is not None:
        model.check_absent(folder, overwrite=shared.overwrite)


def starts(folder: Path | None, members: int, recipe: Recipe, task: Task) -> list[Model | None]:
    """What each member begins with: its counterpart in an ensemble, or one model for all.

    Parameters
    ----------
    folder
        The folder of a model to go on from; fresh weights where None.
    members
        How many networks are to be trained.
    recipe, task
        How, and for what.

    Raises
    ------
    UsageError
        It is an ensemble of another size, or its members do not suit.
    """
    if folder is None:
        return [None] * members
    start = model.load(folder)
    if len(start.members) not in (1, members):
        raise UsageError(
            f"is an ensemble of {len(start.members)} networks, and {members} are to be trained",
            where=folder,
            remedy=f"Give --ensemble {len(start.members)}, or one of its members with --from",
        )
    for one in start.members:
        train.check_start(one, recipe, task)
    return [start.members[m % len(start.members)] for m in range(members)]


def learn_members(
    made: Pairs,
    begun: Sequence[Model | None],
    shared: Shared,
    folder: Path | None,
    watch: Watch | None,
    one: One | None = None,
) -> Model | Ensemble:
    """Train as many networks as there are starts; those that were finished before are kept.

    Parameters
    ----------
    made
        The pairs; minutes of their recipe are those of all members together, steps of each.
    begun
        What each network begins with: `starts`.
    shared, folder, watch
        As for `carescope.jobs.learning.learn`. Members are learnt in run/, so that what `folder`
        holds stays until all of them are finished.
    one
        Trains one network; plainly, on the pairs as they are, where None.
    """
    one = one or _plainly
    recipe, members = made.recipe, len(begun)
    with train.alone(folder / "run" if folder else None):
        if members == 1:
            return one(made, shared, folder, watch, begun[0])
        places = [folder / "run" / member_folder(m) if folder else None for m in range(members)]
        minutes = {} if recipe.seconds is None else {"minutes": recipe.seconds / 60 / members}
        learnt = []
        for m, (place, start) in enumerate(zip(places, begun, strict=True)):
            own = recipe.model_copy(update={"seed": (recipe.seed + m) % 2**32, **minutes})
            mine = made.under(own)
            told = scaled(watch, m / members, (m + 1) / members)
            again = partial(one, mine, shared.within(member_folder(m)), place, told, start)
            learnt.append(kept_or(again, place, mine, start, overwrite=shared.overwrite))
        ensemble = Ensemble(tuple(learnt))
        ensemble.known.update(usual_disagreement(ensemble, made))
        keep(ensemble, folder, shared.overwrite)
        clear(places)
        return ensemble


def _plainly(
    made: Pairs,
    shared: Shared,
    folder: Path | None,
    watch: Watch | None,
    start: Model | None,
) -> Model:
    return shared.fit(made, folder, watch, start)
