"""What a restoration will be, known before any pixel is read: its place, size and provenance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import carescope
from carescope import engine
from carescope.axes import describe_shape
from carescope.errors import InputError
from carescope.grid import Grid
from carescope.image import Image, VoxelSize
from carescope.model import Ensemble, Model
from carescope.pairs.agree import out_of_place

#: Relative difference of step/pixel ratios that rounding in metadata explains.
RATIO_TOLERANCE = 0.02

#: The paper's caution, carried by every restored image.
CAUTION = (
    "Restored by a neural network. Not for intensity-based quantification such as counting "
    "fluorophores (Weigert et al. 2018)."
)


@dataclass(frozen=True)
class Outline:
    """What the restoration of an image will be, known before any pixel is read.

    Parameters
    ----------
    axes
        Those of the image, in the order TCZYX; C is added where several channels come out.
    shape
        A length for each of them.
    voxel_um
        Voxel size; None where the image's is unknown and does not matter.
    channel_names
        The image's, where channels come out as they went in.
    frame_s
        Seconds between time points; None where that is unknown.
    grid
        Where restored planes lie, where they are more than were recorded; otherwise None.
    planes
        Planes that blocks are made of: those of the restoration, of a projection those recorded.
    """

    axes: str
    shape: tuple[int, ...]
    voxel_um: VoxelSize | None
    channel_names: tuple[str, ...] = ()
    frame_s: float | None = None
    grid: Grid | None = None
    planes: int = 1

    @property
    def space(self) -> tuple[int, int, int]:
        """Planes, rows and columns of all blocks."""
        lengths = dict(zip(self.axes, self.shape, strict=True))
        return self.planes, lengths["Y"], lengths["X"]


def outline(
    model: Model | Ensemble, image: Image, *, force: bool = False, grid: Grid | None = None
) -> Outline:
    """What a model will make of an image, or a refusal where they do not match.

    Parameters
    ----------
    model
        What restores.
    image
        Any axes in any order, YX among them, and for an isotropic model ZYX.
    force
        Go on where plane distance and pixel size have another ratio than the model's, or
        channels by their names another order.
    grid
        The geometry of an isotropic restoration, where it is known already.

    Raises
    ------
    InputError
        The image has other channels, axes or another geometry than the model was trained for.
    """
    _check_channels(model, image)
    if not force:
        _check_names(model, image)
        _check_pixels(model, image)
    task = model.task
    if task.kind in ("isotropic", "upsample"):
        grid = grid or _geometry(model, image, force=force)
    elif task.axes == "ZYX" and image.size("Z") < 2:
        raise InputError(
            f"holds no stack of planes ({describe_shape(image.shape, image.axes)}), and the model "
            "restores stacks",
            where=image.source,
            remedy="Give a stack with axes ZYX, or a model that was trained on planes",
        )
    elif set(image.axes) - set("TCZYX") or not set("YX") <= set(image.axes):
        raise InputError(
            f"axes {image.axes} are no image", where=image.source, remedy="Name them with --axes"
        )
    lengths = {axis: image.size(axis) for axis in image.axes}
    planes = grid.restored_planes if grid else image.size("Z")
    if task.kind == "project":
        lengths.pop("Z", None)
    elif "Z" in lengths:
        lengths["Z"] = planes
    if "C" in lengths or task.channels_out > 1:
        lengths["C"] = task.channels_out
    axes = "".join(axis for axis in "TCZYX" if axis in lengths)
    voxel = image.voxel_um
    if grid and voxel:
        voxel = (grid.spacing_um, *voxel[1:])
    made = tuple(model.facts.get("target_channel_names", ()))
    names = image.channel_names if task.keeps_channels else made
    shape = tuple(lengths[axis] for axis in axes)
    return Outline(axes, shape, voxel, names, image.frame_s, grid, planes)


def _geometry(model: Model | Ensemble, stack: Image, *, force: bool) -> Grid:
    """The axial geometry of a stack under a model that makes more planes of few."""
    task = model.task
    if task.kind == "upsample" and stack.voxel_um is None:  # positions are counted in planes
        return Grid(stack.size("Z"), task.factor, 1.0)
    grid = Grid.of(stack, factor=task.factor)
    if task.step_um is None or task.pixel_um is None:  # a model that does not say what it saw
        return grid
    ratio, trained = grid.step_um / stack.voxel()[2], task.step_um / task.pixel_um
    if abs(ratio / trained - 1) > RATIO_TOLERANCE and not force:
        raise InputError(
            f"its planes lie {ratio:.3g} pixels apart, and the model was trained for {trained:.3g}",
            where=stack.source,
            remedy="Correct --voxel-um, train a model for this stack, or go on with --force",
        )
    return grid


def _check_channels(model: Model | Ensemble, image: Image) -> None:
    held, wanted = image.size("C"), model.task.channels_in
    if held == wanted:
        return
    channels = "1 channel" if held == 1 else f"{held} channels"
    if wanted == 1:
        remedy = f"Choose one with --channel N, from 0 to {held - 1}"
    else:
        remedy = "Give all channels that the model was trained on, without --channel"
    raise InputError(
        f"has {channels} (axes {image.axes}), and the model restores {wanted}",
        where=image.source,
        remedy=remedy,
    )


def _check_names(model: Model | Ensemble, image: Image) -> None:
    names = model.facts.get("channel_names", ())
    if out_of_place(image.channel_names, names):
        raise InputError(
            f"has channels in the order {', '.join(image.channel_names)}, and the model was "
            f"trained for {', '.join(names)}",
            where=image.source,
            remedy="Reorder the channels, or go on with --force if they are named wrongly",
        )


def _check_pixels(model: Model | Ensemble, image: Image) -> None:
    """Refuse other pixels than a model was made for that knows its optics from simulation."""
    trained = model.task.pixel_um
    if model.task.kind != "denoise" or trained is None or image.voxel_um is None:
        return
    pairs = {"pixels of": (image.voxel_um[2], trained)}
    if model.task.axes == "ZYX" and model.task.step_um:
        pairs["planes every"] = (image.voxel_um[0], model.task.step_um)
    for what, (found, wanted) in pairs.items():
        if abs(found / wanted - 1) > RATIO_TOLERANCE:
            raise InputError(
                f"has {what} {found:.4g} um, and the model was made for {wanted:.4g} um",
                where=image.source,
                remedy="Train for these, correct --voxel-um, or go on with --force",
            )


def layer_names(model: Model | Ensemble) -> tuple[str, ...]:
    """What a model gives of each voxel: which fields of `Estimate` it fills."""
    if model.spread is None:
        return ("mean",)
    return ("mean", "scale", "disagreement") if len(model.members) > 1 else ("mean", "scale")


def provenance(model: Model | Ensemble, stack: Image) -> dict[str, str]:
    """What the metadata of a restoration says: the caution, the model, its engine, the source."""
    told = {
        "software": f"carescope {carescope.__version__}",
        "caution": CAUTION,
        "model_sha256": model.sha256,
        "source": Path(stack.source or "array").name,
        "engine": engine.word(model),
    }
    return told | ({"tta": "mean over four mirror images"} if model.tta else {})
