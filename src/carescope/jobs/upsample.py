"""Learn to make more planes of few: how far apart they lie, and stacks thinned out for practice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from carescope.axes import describe_shape
from carescope.errors import InputError, UsageError
from carescope.grid import unrounded
from carescope.image import Image, VoxelSize
from carescope.jobs.denoise import Matched, match, open_pairs
from carescope.jobs.finding import find_images
from carescope.pairs.planes import coarser

#: Opens one file under a voxel size, or its own; gives the image and warnings.
Opens = Callable[[Path, VoxelSize | None], tuple[Image, list[str]]]


def factor_of(images: Sequence[tuple[Image, Image]], factor: float | None = None) -> float:
    """How many planes are wanted for each that was recorded.

    Parameters
    ----------
    images
        Pairs of stacks, of few planes and of more.
    factor
        The number where it is known; otherwise it is the ratio of the first pair's plane distances.

    Raises
    ------
    InputError
        Neither the files nor the user tell it.
    UsageError
        It makes no planes.
    """
    if factor is None:
        low, high = images[0]
        if low.voxel_um is None or high.voxel_um is None:
            raise InputError(
                f"nothing tells how many planes of {high.source} go with one: "
                f"{describe_shape(low.shape, low.axes)} is to become "
                f"{describe_shape(high.shape, high.axes)}, and voxel sizes are missing",
                where=low.source,
                remedy="Give their number with --factor, for example --factor 4",
            )
        factor = unrounded(low.voxel_um[0] / high.voxel_um[0])
    if not 1.02 < factor <= 100:
        raise UsageError(
            f"a factor of {factor:.3g} makes no more planes",
            where="--factor",
            remedy="Give a number above 1, give stacks of few planes with --low and those of more "
            "with --high, or learn with train denoise",
        )
    return factor


def open_stacks(
    lows: Sequence[Path],
    high: Path,
    open_stack: Opens,
    *,
    factor: float | None = None,
    voxel_um: VoxelSize | None = None,
) -> tuple[list[tuple[Image, Image]], float, list[str]]:
    """Pairs of stacks with few planes and with more, or one refusal that names all that is wrong.

    Parameters
    ----------
    lows
        Folders of stacks with few planes, or files; none where targets are to be thinned out.
    high
        The folder of stacks with more planes, under the same names, or a file.
    open_stack
        Opens and looks over one file.
    factor
        Planes of `high` per plane of `lows`; by default the ratio of plane distances.
    voxel_um
        The voxel size of `lows`, or of `high` where there are none, instead of the files' own.

    Returns
    -------
    images, factor, warnings

    Raises
    ------
    InputError
        Names, plane numbers or voxel sizes do not fit.
    UsageError
        The factor is missing, or not whole where planes are to be left out.
    """
    if not lows:
        stacks, warnings = _thinned(high, open_stack, factor, voxel_um)
        return stacks, float(factor or 1), warnings
    if voxel_um and factor is None:
        raise UsageError(
            "is the voxel size of --low, and says nothing of --high",
            where="--voxel-um",
            remedy="Give --factor too: the planes of --high per plane of --low",
        )
    matched = match(lows, high)
    targets = {path for _, path in matched.files}
    finer = voxel_um and (voxel_um[0] / (factor or 1), *voxel_um[1:])

    def open_one(path: Path) -> tuple[Image, list[str]]:
        return open_stack(path, finer if path in targets else voxel_um)

    images, warnings = open_pairs(
        matched, open_one, "upsample", lambda images: factor_of(images, factor)
    )
    return images, factor_of(images, factor), warnings


def _thinned(
    high: Path, open_stack: Opens, factor: float | None, voxel_um: VoxelSize | None
) -> tuple[list[tuple[Image, Image]], list[str]]:
    """Stacks paired with every `factor`-th of their own planes."""
    if factor is None or factor < 2 or factor != round(factor):
        raise UsageError(
            "every F-th plane of --high is kept, and F is "
            + ("missing" if factor is None else f"{factor:g}"),
            where="--factor",
            remedy="Give a whole number of 2 or more, or stacks with few planes as --low",
        )
    matched = Matched([(path, path) for path in find_images([high])], [])
    images, warnings = open_pairs(matched, lambda path: open_stack(path, voxel_um))
    few = [image.source for image, _ in images if image.size("Z") <= factor]
    if few:
        raise InputError(
            f"of every {factor:g}th plane there is but one: {'; '.join(map(str, few))}",
            remedy="Give stacks of more planes, or a smaller --factor",
        )
    return [(coarser(image, factor), image) for image, _ in images], warnings
