"""Whether training can begin with a model that was learnt before."""

from __future__ import annotations

from carescope.errors import UsageError
from carescope.model import Model
from carescope.recipe import Recipe
from carescope.task import Task
from carescope.train.losses import SPREADS


def check_start(start: Model, recipe: Recipe, task: Task) -> None:
    """Refuse a model with which training under a recipe cannot begin.

    Parameters
    ----------
    start
        The model.
    recipe
        Of the training.
    task
        What is to be learnt.

    Raises
    ------
    UsageError
        It is an ensemble, was made for another kind of task or other channels, or has scales where
        the loss has none, or none where the loss needs them.
    """
    if len(start.members) > 1:
        raise _refused(
            f"an ensemble of {len(start.members)} models is no single start",
            "Give the folder of one of its members, such as member-0",
        )
    if (start.task.kind, start.task.ndim) != (task.kind, task.ndim):
        raise _refused(
            f"the model was made to {start.task.kind} in {start.task.ndim}D, not to {task.kind} in "
            f"{task.ndim}D",
            "Give a model of the same kind",
        )
    held, wanted = ((t.channels_in, t.channels_out) for t in (start.task, task))
    if held != wanted:
        raise _refused(
            f"the model restores {_count(*held)}, and the images have {_count(*wanted)}",
            "Choose a channel with --channel, or a model of as many channels",
        )
    scales = recipe.loss in SPREADS
    if scales and not start.spread:
        raise _refused(
            f"the model predicts no scales, and the loss {recipe.loss} learns them",
            f"Give --loss {start.recipe.loss}, or a model that was trained with --loss "
            f"{recipe.loss}",
        )
    if start.spread and not scales:
        raise _refused(
            f"the model predicts scales, and the loss {recipe.loss} knows none",
            f"Give --loss {start.recipe.loss}, or a model that was trained without scales",
        )


def _refused(what: str, remedy: str) -> UsageError:
    return UsageError(f"training cannot begin with it: {what}", where="--from", remedy=remedy)


def _count(channels_in: int, channels_out: int) -> str:
    if channels_in != channels_out:
        return f"{channels_in} to {channels_out} channels"
    return f"{channels_in} channel" + ("s" if channels_in > 1 else "")
