"""Learn from simulated stacks, restore them, and say how the training went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from carescope import predict
from carescope.experiments.experiment import Row, Watch
from carescope.experiments.learnt import converged, learnt
from carescope.experiments.scenes import Volume
from carescope.image import Image
from carescope.jobs.inputs import Optics
from carescope.jobs.learning import learn
from carescope.model import Ensemble, Model
from carescope.predict import Estimate
from carescope.recipe import Recipe


def trained(
    stacks: Sequence[Image], optics: Optics, recipe: Recipe, folder: Path, watch: Watch
) -> tuple[Model | Ensemble, Row]:
    """One network for all stacks, learnt from their own lateral slices.

    Returns
    -------
    model
        Taken up where an interrupted run left it.
    facts
        Columns of each row that is made with it.
    """
    model = learnt(
        folder,
        lambda there: learn(stacks, optics, recipe, folder=there, watch=watch.training).model,
    )
    steps, seconds = model.facts["steps"], round(model.facts["seconds"], 1)
    return model, {"steps": steps, "training_s": seconds, "converged": converged(model)}


def restorations(
    model: Model | Ensemble, stacks: Sequence[Image], watch: Watch
) -> Iterator[Volume]:
    """The restored volume of each stack, one after the other."""
    for stack in stacks:
        there = predict.outline(model, stack)
        volume = np.empty(there.shape, np.float32)

        def keep(place: tuple[slice, ...], part: Estimate, into: Volume = volume) -> None:
            into[place] = part.mean

        predict.restore_into(keep, model, stack, there, watch=watch.restoring)
        yield volume
