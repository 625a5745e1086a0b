"""Write images: casting, OME-TIFF, OME-Zarr."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy.typing as npt

from carescope.image import Image


def save(
    path: str | Path,
    image: Image,
    *,
    dtype: npt.DTypeLike | None = None,
    provenance: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> int:
    """Write a whole image as OME-TIFF, or as OME-Zarr 0.5 where the name ends in .zarr.

    Parameters
    ----------
    path
        The file, or the folder of an OME-Zarr; it appears when it is complete.
    image
        Any axes that end in YX.
    dtype
        The pixel type; by default the image's own, with uint8 for booleans.
    provenance
        How the image was made: names and values for the metadata.
    overwrite
        Whether what is there may be replaced.

    Returns
    -------
    int
        How many values were clipped to the range of `dtype`.

    Raises
    ------
    OutputError
        It cannot be written, or the format cannot hold such an image.
    """
    path = Path(path)
    if path.suffix.lower() == ".zarr":
        from carescope.write import zarr

        return zarr.save(path, image, dtype=dtype, provenance=provenance, overwrite=overwrite)
    from carescope.write import tiff

    return tiff.save(path, image, dtype=dtype, provenance=provenance, overwrite=overwrite)
