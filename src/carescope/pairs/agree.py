"""Whether images are of one kind, so that one model can learn from all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from carescope.axes import describe_shape
from carescope.errors import InputError
from carescope.grid import Grid
from carescope.image import Image
from carescope.pairs.regions import CELL_PX
from carescope.task import Kind, Task

#: Relative difference of factors and pixel sizes that rounding in metadata explains.
TOLERANCE = 0.02


def out_of_place(names: Sequence[str], expected: Sequence[str]) -> bool:
    """Whether a channel of one image stands in another place in the other one, by its name.

    Names that only one of them knows say nothing: who renames a channel does not move it.
    """
    both = set(names) & set(expected)
    return any(
        (one in both or other in both) and one != other
        for one, other in zip(names, expected, strict=False)
    )


def _in_other_places(image: Image, other: Image) -> list[str]:
    """What is said of an image of as many channels in another order."""
    if image.size("C") != other.size("C") or not out_of_place(
        image.channel_names, other.channel_names
    ):
        return []
    names = (", ".join(one.channel_names) for one in (image, other))
    return ["its channels in the order {}, not {}".format(*names)]


def check_alike(images: Sequence[Image], grids: Sequence[Grid]) -> None:
    """Refuse stacks that differ from the first one, naming all of them at once.

    Parameters
    ----------
    images
        Axes ZYX and perhaps C and T, with voxel sizes.
    grids
        The axial geometry of each.

    Raises
    ------
    InputError
        Some have another number or order of channels, another factor or another pixel size.
    """
    first, one = images[0], grids[0]
    odd = []
    for image, grid in zip(images, grids, strict=True):
        differs = []
        if image.size("C") != first.size("C"):
            differs.append(f"{image.size('C')} channels, not {first.size('C')}")
        differs += _in_other_places(image, first)
        if abs(grid.factor / one.factor - 1) > TOLERANCE:
            differs.append(f"a factor of {grid.factor:.3g}, not {one.factor:.3g}")
        if abs(image.voxel()[2] / first.voxel()[2] - 1) > TOLERANCE:
            differs.append(f"pixels of {image.voxel()[2]:.3g} um, not {first.voxel()[2]:.3g} um")
        if differs:
            odd.append(f"{image.source or 'array'} has {' and '.join(differs)}")
    if odd:
        raise InputError(
            f"stacks of one model must be of one kind: {'; '.join(odd)}",
            where=first.source,
            remedy="Train a model for each kind, choose one --channel, or correct --voxel-um",
        )


def check_pairs(
    images: Sequence[tuple[Image, Image]], kind: Kind = "denoise", factor: float = 1.0
) -> Task:
    """The task of learning from pairs, or one refusal that names all that do not fit.

    Parameters
    ----------
    images, kind, factor
        As for `from_pairs`.

    Raises
    ------
    InputError
        Images of a pair differ in their lengths, or pairs in channels, or in having planes.
    """
    odd: list[str] = []
    first_low, first_high = images[0]
    kinds = (first_low.size("C"), first_high.size("C"), kind != "denoise" or _is_stack(first_low))
    for low, high in images:
        name = low.source or "array"
        found = (low.size("C"), high.size("C"), _is_stack(low))
        if found != kinds:
            odd.append(f"{name} has {_kind(*found)}, not {_kind(*kinds)}")
        elif min(low.size("Y"), low.size("X")) < 2 * CELL_PX:
            odd.append(f"{name} is smaller than {2 * CELL_PX} x {2 * CELL_PX} pixels")
        for one, other in ((low, first_low), (high, first_high), (high, low)):
            odd += [f"{one.source or 'array'} has {said}" for said in _in_other_places(one, other)]
        alike = "TZYX" if kind == "denoise" else "TYX"
        flat = kind != "project" or not _is_stack(high)
        if not flat or any(low.size(axis) != high.size(axis) for axis in alike):
            sizes = (describe_shape(image.shape, image.axes) for image in (low, high))
            odd.append("{} is {} and its target {}".format(name, *sizes))
        elif kind == "upsample" and _is_stack(low):
            odd += [f"{name} {said}" for said in _odd_planes(low, high, factor, first_low)]
    if odd:
        raise InputError(
            f"pairs do not fit: {'; '.join(odd)}",
            remedy=f"Give pairs of {_SIZES[kind]} and of one kind, choose one --channel, or "
            + _CORRECT.get(kind, "name the dimensions with --axes"),
        )
    step, _, pixel = first_low.voxel_um or (None, None, None)
    geometry = {"factor": factor, "step_um": step, "pixel_um": pixel} if factor != 1 else {}
    return Task(
        kind=kind,
        axes="ZYX" if kinds[2] else "YX",
        channels_in=kinds[0],
        channels_out=kinds[1],
        **geometry,
    )


_SIZES = {
    "denoise": "equal size",
    "project": "stacks and single planes of equal rows and columns",
    "upsample": "N and (N - 1) * factor + 1 planes, the first on the first,",
}
_CORRECT = {"upsample": "correct --factor or --voxel-um"}


def _is_stack(image: Image) -> bool:
    return image.size("Z") > 1


def _odd_planes(low: Image, high: Image, factor: float, first: Image) -> list[str]:
    """What is wrong with a stack of few planes and one of `factor` times as many, in sentences."""
    odd = []
    grid = Grid(low.size("Z"), factor, 1.0)
    most = grid.restored_planes + max(math.ceil(factor) - 1, 0)
    if not grid.restored_planes <= high.size("Z") <= most:
        odd.append(
            f"has {grid.planes} planes, which a factor of {factor:g} makes {grid.restored_planes}, "
            f"and its target {high.size('Z')}"
        )
    if low.voxel_um and high.voxel_um:
        (few, _, pixel), (many, _, other) = low.voxel_um, high.voxel_um
        if abs(few / many / factor - 1) > TOLERANCE:
            odd.append(
                f"has planes {few:.3g} um apart, and its target {many:.3g} um: a factor of "
                f"{few / many:.3g}, not {factor:.3g}"
            )
        if abs(pixel / other - 1) > TOLERANCE:
            odd.append(f"has pixels of {pixel:.3g} um, and its target of {other:.3g} um")
    if low.voxel_um and first.voxel_um:
        ratios = [each[0] / each[2] for each in (low.voxel_um, first.voxel_um)]
        if abs(ratios[0] / ratios[1] - 1) > TOLERANCE:
            odd.append("has planes {:.3g} pixels apart, not {:.3g}".format(*ratios))
    return odd


def _kind(channels_in: int, channels_out: int, planes: bool) -> str:
    what = "stacks" if planes else "single planes"
    if channels_in == channels_out:
        return f"{what} of {channels_in} channel" + ("s" if channels_in > 1 else "")
    return f"{what} of {channels_in} to {channels_out} channels"
