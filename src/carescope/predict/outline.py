"""What a restoration will be, known before any pixel is read: its place, size and provenance."""

from __future__ import annotations

from pathlib import Path

import carescope
from carescope.errors import InputError
from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.pairs.agree import out_of_place

#: Relative difference of step/pixel ratios that rounding in metadata explains.
RATIO_TOLERANCE = 0.02

#: The paper's caution, carried by every restored image.
CAUTION = (
    "Restored by a neural network. Not for intensity-based quantification such as counting "
    "fluorophores (Weigert et al. 2018)."
)


def geometry(model: Model | Ensemble, stack: Image, *, force: bool = False) -> Grid:
    """The axial geometry of a stack under a model, or a refusal where they do not match.

    Parameters
    ----------
    model
        An isotropic model.
    stack
        Axes ZYX, with C, T or both, in any order.
    force
        Go on where plane distance and pixel size have another ratio than the model's, or
        channels by their names another order.

    Raises
    ------
    InputError
        The stack has other channels or another ratio than the model was trained for.
    """
    grid = Grid.of(stack, factor=model.factor)
    _check_channels(model, stack)
    names = model.facts.get("channel_names", ())
    if out_of_place(stack.channel_names, names) and not force:
        raise InputError(
            f"has channels in the order {', '.join(stack.channel_names)}, and the model was "
            f"trained for {', '.join(names)}",
            where=stack.source,
            remedy="Reorder the channels, or go on with --force if they are named wrongly",
        )
    pixel = stack.voxel()[2]
    ratio, trained = grid.step_um / pixel, model.step_um / model.pixel_um
    if abs(ratio / trained - 1) > RATIO_TOLERANCE and not force:
        raise InputError(
            f"its planes lie {ratio:.3g} pixels apart, and the model was trained for {trained:.3g}",
            where=stack.source,
            remedy="Correct --voxel-um, train a model for this stack, or go on with --force",
        )
    return grid


def _check_channels(model: Model | Ensemble, stack: Image) -> None:
    held, wanted = stack.size("C"), model.channels
    if held == wanted:
        return
    channels = "1 channel" if held == 1 else f"{held} channels"
    if wanted == 1:
        remedy = f"Choose one with --channel N, from 0 to {held - 1}"
    else:
        remedy = "Give all channels that the model was trained on, without --channel"
    raise InputError(
        f"has {channels} (axes {stack.axes}), and the model restores {wanted}",
        where=stack.source,
        remedy=remedy,
    )


def layout(stack: Image, grid: Grid) -> tuple[str, tuple[int, ...]]:
    """Axes and shape of the restoration of a stack: its own axes, in the order TCZYX."""
    axes = "".join(a for a in "TCZYX" if a in stack.axes)
    return axes, tuple(grid.restored_planes if a == "Z" else stack.size(a) for a in axes)


def layer_names(model: Model | Ensemble) -> tuple[str, ...]:
    """What a model gives of each voxel: which fields of `Estimate` it fills."""
    if model.spread is None:
        return ("mean",)
    return ("mean", "scale", "disagreement") if len(model.members) > 1 else ("mean", "scale")


def voxel_um(stack: Image, grid: Grid) -> tuple[float, float, float]:
    """Voxel size of the restoration of a stack."""
    _, y, x = stack.voxel()
    return (grid.spacing_um, y, x)


def provenance(model: Model | Ensemble, stack: Image) -> dict[str, str]:
    """What the metadata of a restoration says: the caution, the model, the source."""
    return {
        "software": f"carescope {carescope.__version__}",
        "caution": CAUTION,
        "model_sha256": model.sha256,
        "source": Path(stack.source or "array").name,
    }
