"""Whether training can begin with a model that was learnt before."""

from __future__ import annotations

from carescope.errors import UsageError
from carescope.model import Model
from carescope.recipe import Recipe
from carescope.train.losses import SPREADS


def check_start(start: Model, recipe: Recipe, channels: int) -> None:
    """Refuse a model with which training under a recipe cannot begin.

    Parameters
    ----------
    start
        The model.
    recipe
        Of the training.
    channels
        How many the stacks have.

    Raises
    ------
    UsageError
        It is an ensemble, has other channels, or scales where the loss has none, or none where
        the loss needs them.
    """
    if len(start.members) > 1:
        raise _refused(
            f"an ensemble of {len(start.members)} models is no single start",
            "Give the folder of one of its members, such as member-0",
        )
    if start.channels != channels:
        raise _refused(
            f"the model restores {_count(start.channels)}, and the stacks have {channels}",
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


def _count(channels: int) -> str:
    return f"{channels} channel" + ("s" if channels > 1 else "")
