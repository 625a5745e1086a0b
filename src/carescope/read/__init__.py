"""Open images: lazily, strictly, with their axes and voxel size.

A format is one file in this folder and one line in `_FORMATS`; OME-Zarr is a folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from carescope.errors import InputError
from carescope.image import Image, VoxelSize, check_voxel_um
from carescope.read import chain, store, tiff, zarr
from carescope.read.strict import unreadable

# The first bytes of a file, and what reads it.
_FORMATS = {chain.MAGIC: tiff}
_SUPPORTED = (
    "TIFF, ImageJ TIFF, OME-TIFF and OME-Zarr folders can be read; convert other formats in Fiji"
)


def open(
    path: str | Path,
    *,
    axes: str | None = None,
    voxel_um: VoxelSize | None = None,
    allow_incomplete: bool = False,
) -> Image:
    """Open an image file; pixels are read when they are indexed.

    Parameters
    ----------
    path
        A TIFF, ImageJ TIFF (hyperstack) or OME-TIFF in one file; or the folder of an OME-Zarr
        image, version 0.4 or 0.5, of which the finest resolution is opened.
    axes
        One letter of ``TCZYX`` a dimension, for a file that does not name them itself.
        Dimensions of length 1 are dropped unless named here; a declared Z of length 1 is
        kept, except in OME-TIFF and OME-Zarr, which declare it for every flat image.
    voxel_um
        Voxel size (z, y, x) in micrometres; replaces what the file says.
    allow_incomplete
        Keep the whole leading planes of a ZYX stack that is cut short.

    Returns
    -------
    Image
        With the file's voxel size, or None where it has none. The pixel type is the
        file's, in the machine's byte order; values are as stored.

    Raises
    ------
    InputError
        The file is absent, damaged, cut short, of another format, not grey, or its axes are
        unknown or contradict `axes`.
    """
    path = Path(path)
    size = None if voxel_um is None else check_voxel_um(voxel_um, "--voxel-um")
    image: Image = _module(path).read(
        path, axes=axes, voxel_um=size, allow_incomplete=allow_incomplete
    )
    return image


def provenance_of(path: str | Path) -> dict[str, str]:
    """How an image was made, as our own files tell; empty for a file of others.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    path = Path(path)
    return dict(_module(path).provenance(path))


def is_image_folder(path: Path) -> bool:
    """Whether a folder is one image, and not a folder of images."""
    return store.is_store(path)


def storage_of(path: str | Path) -> dict[str, str]:
    """How an image is stored, where that is worth knowing: of OME-Zarr."""
    path = Path(path)
    return zarr.storage(path) if store.is_store(path) else {}


def gaps_of(path: str | Path) -> str:
    """A sentence about pixels that a file declares and does not hold, where its format allows it.

    Only OME-Zarr does; empty for any other file, and where nothing is missing.
    """
    path = Path(path)
    return zarr.gaps(path) if store.is_store(path) else ""


def _module(path: Path) -> Any:
    """What reads a file, by its first bytes; and a folder, where it is an image."""
    if store.is_store(path):
        return zarr
    if path.is_dir():
        raise InputError("is a folder, not an image file", where=path, remedy=_SUPPORTED)
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise unreadable(path, error) from error
    if not head:
        raise InputError("is empty", where=path, remedy="Copy the file again from its origin")
    for magic, module in _FORMATS.items():
        if head.startswith(magic):
            return module
    raise InputError("is not of a format that is known here", where=path, remedy=_SUPPORTED)
