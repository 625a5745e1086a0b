"""Compare a restoration with the truth."""

from __future__ import annotations

from pathlib import Path

from carescope import metrics, read
from carescope.axes import describe_shape
from carescope.errors import InputError


def compare(
    restored: str | Path, truth: str | Path, *, axes: str | None = None
) -> dict[str, float]:
    """NRMSE, SSIM and PSNR of one image file against another.

    Raises
    ------
    InputError
        A file cannot be read, or the two have different shapes.
    """
    first, second = read.open(restored, axes=axes), read.open(truth, axes=axes)
    if first.axes != second.axes or first.shape != second.shape:
        raise InputError(
            f"{describe_shape(first.shape, first.axes)}, but the truth has "
            f"{describe_shape(second.shape, second.axes)}",
            where=str(restored),
            remedy="Give two images of the same field and size",
        )
    # A 3D window of 7 voxels does not fit into fewer planes.
    flat = "Z" in first.axes and first.size("Z") < 7
    return metrics.evaluate(second.array(), first.array(), planewise=flat)
