"""Whether stacks are of one kind, so that one model can learn from all of them."""

from __future__ import annotations

from collections.abc import Sequence

from carescope.errors import InputError
from carescope.grid import Grid
from carescope.image import Image

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
        elif out_of_place(image.channel_names, first.channel_names):
            names = (", ".join(one.channel_names) for one in (image, first))
            differs.append("its channels in the order {}, not {}".format(*names))
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
