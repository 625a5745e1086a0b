"""Take over models that were trained with CSBDeep."""

from __future__ import annotations

from pathlib import Path

from carescope import model, net
from carescope.model import Model
from carescope.model.csbdeep import read_csbdeep
from carescope.recipe import Recipe
from carescope.task import Task


def import_csbdeep(
    source: Path,
    folder: Path,
    *,
    kind: str | None = None,
    factor: float | None = None,
    overwrite: bool = False,
) -> Model:
    """Make a model folder of one of CSBDeep's: the same network, normalised and padded as there.

    It remembers no training images, so nothing is said of images unlike them. Isotropic models
    interpolate linearly as CSBDeep does, but planes lie where recorded ones say, and the two views
    are averaged: CSBDeep's own root of their product is biased low.

    Parameters
    ----------
    source
        The folder with config.json and Keras weights.
    folder
        The model to make.
    kind, factor
        What it was trained for, where its files do not say: ``isotropic`` or ``upsample``, and
        restored planes per recorded plane.
    overwrite
        Whether to replace a model.

    Raises
    ------
    ModelError, UsageError
        As `carescope.model.csbdeep.read_csbdeep`.
    OutputError
        There is a model already, or the folder cannot be written.
    """
    model.check_absent(folder, overwrite=overwrite)
    found = read_csbdeep(source, kind=kind, factor=factor)
    network = net.build(**found.architecture)
    network.load_state_dict(found.state)
    made = Model(
        network=network.eval(),
        architecture=found.architecture,
        recipe=Recipe(network="care", loss=found.loss, percentiles=found.percentiles),
        task=Task(
            kind=found.kind,
            axes=found.axes,
            channels_in=found.channels_in,
            channels_out=found.channels_out,
            factor=found.factor,
            margin_px=0,
            interpolation="linear",
        ),
        facts=found.facts
        | {"weights": sum(p.numel() for p in network.parameters()), "warnings": [], "history": []},
    )
    model.save(made, folder, overwrite=overwrite)
    return made
