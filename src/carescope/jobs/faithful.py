"""Hold a sharper image against the widefield one that it was made from, where no truth is known."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import numpy as np

from carescope import metrics, read, write
from carescope.axes import describe_shape
from carescope.errors import InputError
from carescope.image import Image
from carescope.jobs.averaged import averaged
from carescope.jobs.outputs import check_output

FACTS = ("rse", "rsp", "sigma_px", "gain", "offset")


def compare_widefield(
    sharper: Path,
    widefield: Path,
    *,
    average: int = 1,
    error_map: Path | None = None,
    axes: str | None = None,
    overwrite: bool = False,
) -> dict[str, float]:
    """Resolution-scaled error and Pearson correlation of one image file against another.

    Each channel at each time point is blurred, scaled and compared by itself.

    Parameters
    ----------
    sharper
        The file of a restoration or deconvolution.
    widefield
        That of the image that it was made of, with as many pixels or fewer by a whole factor.
    average
        The mean of how many frames of it was restored each time.
    error_map
        Gets the absolute differences, in the unit of the widefield image.
    axes
        Of both files, where they do not say.
    overwrite
        Replace an error map that is there.

    Returns
    -------
    dict
        The mean over channels and time points of each number of `carescope.metrics.ScaledError`.

    Raises
    ------
    InputError
        A file cannot be read, or the two do not go together.
    OutputError
        The error map exists, or cannot be written.
    """
    if error_map is not None:
        check_output(error_map, overwrite=overwrite)
    image = read.open(sharper, axes=axes)
    reference, _ = averaged(read.open(widefield, axes=axes), average)
    if any(image.size(axis) != reference.size(axis) for axis in "TC"):
        raise InputError(
            f"{describe_shape(image.shape, image.axes)}, but the widefield image has "
            f"{describe_shape(reference.shape, reference.axes)}",
            where=str(sharper),
            remedy="Give two images of the same channels and time points; for restored means of N "
            "frames add --average N",
        )
    ordered = "".join(axis for axis in "TCZYX" if axis in reference.axes)
    errors = np.empty([reference.size(axis) for axis in "TCZYX"], np.float32)
    found = []
    pairs = zip(reference.frames(), image.frames(), strict=True)
    for time, (frame, sharp) in enumerate(pairs):
        for channel in range(frame.size("C")):
            one = metrics.resolution_scaled_error(_space(frame, channel), _space(sharp, channel))
            errors[time, channel] = one.error
            found.append(one)
    if error_map is not None:
        shape = [reference.size(axis) for axis in ordered]
        differences = Image(
            errors.reshape(shape),
            ordered,
            reference.voxel_um,
            reference.channel_names,
            frame_s=reference.frame_s,
        )
        write.save(error_map, differences, overwrite=overwrite)
    return {name: mean(getattr(one, name) for one in found) for name in FACTS}


def _space(frame: Image, channel: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """A channel of a time point: (Z, Y, X), or (Y, X) of a single plane."""
    grey = np.asarray(frame.data[channel], np.float32)
    return grey[0] if len(grey) == 1 else grey
