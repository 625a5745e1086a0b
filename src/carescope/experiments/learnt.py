"""Trainings within an experiment: each is kept in a folder, and not repeated after a kill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from carescope import model
from carescope.model import Ensemble, Model
from carescope.train.history import still_falling


def learnt(folder: Path, learn: Callable[[Path], Model | Ensemble]) -> Model | Ensemble:
    """The model that a folder holds, or what `learn` trains there.

    Parameters
    ----------
    folder
        Of the model; its name says which training of the case it is.
    learn
        Trains, keeps its run and at last the model in the folder it is given.
    """
    if (folder / model.DESCRIPTION).exists():
        return model.load(folder)
    return learn(folder)


def converged(made: Model | Ensemble) -> bool:
    """Whether the validation loss of no member was still falling when its training ended."""
    return not any(still_falling(one.facts["history"], one.recipe.loss) for one in made.members)
