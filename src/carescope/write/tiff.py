"""OME-TIFF, filled block by block and complete before it gets its name."""

from __future__ import annotations

import errno
import math
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import axes as ax
from carescope.errors import OutputError
from carescope.files.atomic import writing
from carescope.image import Image, VoxelSize, check_voxel_um
from carescope.read.ome import PROVENANCE
from carescope.write.cast import cast

# A classic TIFF counts bytes with 32 bits; we leave room for its tags.
CLASSIC_LIMIT_BYTES = 2**32 - 2**25
_TAG_BYTES_A_PLANE = 400
_DTYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
# What XML 1.0 cannot hold.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Blocks:
    """The pixels of a file being written: assign to any region, in any order.

    What is assigned is rounded and clipped to the file's type; `clipped` counts how often.
    Only the assigned region is held in memory. Regions never assigned are 0.
    """

    def __init__(
        self, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._path, self._offset = path, offset
        self.shape, self.dtype = shape, dtype
        self.clipped = 0

    def __setitem__(self, index: Any, values: npt.ArrayLike) -> None:
        pixels, clipped = cast(values, self.dtype)
        # Mapped for this assignment alone, or the whole file would come to count as memory.
        self._map("r+")[index] = pixels
        self.clipped += clipped

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        return np.array(self._map("r")[index])

    def _map(self, mode: Any) -> np.memmap[Any, Any]:
        return np.memmap(self._path, self.dtype, mode, self._offset, self.shape)


@contextmanager
def create(
    path: Path,
    *,
    shape: tuple[int, ...],
    axes: str,
    dtype: npt.DTypeLike,
    voxel_um: VoxelSize | None,
    channel_names: tuple[str, ...] = (),
    frame_s: float | None = None,
    provenance: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Iterator[Blocks]:
    """Write an OME-TIFF; it appears under its name when the block ends without an exception.

    Uncompressed, one page a plane, BigTIFF where a classic TIFF would be too small. The disk
    space is claimed at once, so that a full disk is found before the work.

    Parameters
    ----------
    path
        The file.
    shape, axes
        One length and one letter of ``TCZYX`` a dimension; Y and X last.
    dtype
        An integer type of 8 to 32 bits, float32 or float64.
    voxel_um
        Voxel size (z, y, x) in micrometres, or None to state none.
    channel_names
        One name a channel, or none.
    frame_s
        Seconds between time points, or None to state none.
    provenance
        How the image was made: names and values for the metadata; characters that XML cannot
        hold are replaced.
    overwrite
        Whether an existing file may be replaced.

    Yields
    ------
    Blocks
        To be filled by assigning to regions of it.

    Raises
    ------
    OutputError
        The file cannot be written, or OME-TIFF cannot hold such an image.
    """
    path, dtype = Path(path), np.dtype(dtype).newbyteorder("=")
    axes = ax.check(axes, shape, where=str(path))
    _refuse_unfit(path, shape, axes, dtype, channel_names)
    planes = math.prod(shape[:-2])
    nbytes = math.prod(shape) * dtype.itemsize
    with writing(path, overwrite=overwrite) as temporary:
        offset = _write_tags(
            temporary,
            shape,
            dtype,
            _metadata(axes, voxel_um, channel_names, frame_s, dict(provenance or {})),
            bigtiff=nbytes + planes * _TAG_BYTES_A_PLANE > CLASSIC_LIMIT_BYTES,
        )
        _claim_space(temporary)
        yield Blocks(temporary, offset, shape, dtype)


def save(
    path: Path,
    image: Image,
    *,
    dtype: npt.DTypeLike | None = None,
    provenance: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> int:
    """Write a whole image as OME-TIFF, a plane at a time.

    Parameters
    ----------
    path
        The file.
    image
        Any axes that end in YX.
    dtype
        The pixel type; by default the image's own, with uint8 for booleans.
    provenance, overwrite
        As for `create`.

    Returns
    -------
    int
        How many values were clipped to the range of `dtype`.

    Raises
    ------
    OutputError
        As for `create`, or NaN would have to become an integer.
    """
    if dtype is None:
        dtype = {"bool": "uint8", "float16": "float32"}.get(image.dtype.name, image.dtype.name)
    with create(
        path,
        shape=image.shape,
        axes=image.axes,
        dtype=dtype,
        voxel_um=image.voxel_um,
        channel_names=image.channel_names,
        frame_s=image.frame_s,
        provenance=provenance,
        overwrite=overwrite,
    ) as blocks:
        for index in np.ndindex(*image.shape[:-2]):
            blocks[index] = image.data[index]
    return blocks.clipped


def _refuse_unfit(
    path: Path, shape: tuple[int, ...], axes: str, dtype: np.dtype[Any], names: tuple[str, ...]
) -> None:
    if dtype.name not in _DTYPES:
        raise OutputError(
            f"OME-TIFF cannot hold {dtype.name} pixels",
            where=path,
            remedy=f"Choose one of {', '.join(_DTYPES)} with --dtype",
        )
    if not axes.endswith("YX") or 0 in shape:
        raise OutputError(
            f"OME-TIFF cannot hold an image of {ax.describe_shape(shape, axes)}",
            where=path,
            remedy="Put Y and X last; no axis may be empty",
        )
    channels = shape[axes.index("C")] if "C" in axes else 1
    if names and len(names) != channels:
        raise OutputError(
            f"there are {len(names)} channel names for {channels} channels",
            where=path,
            remedy="Give one name a channel, or none",
        )


def _metadata(
    axes: str,
    voxel_um: VoxelSize | None,
    channel_names: tuple[str, ...],
    frame_s: float | None,
    provenance: dict[str, str],
) -> dict[str, Any]:
    """What tifffile turns into OME-XML."""
    metadata: dict[str, Any] = {"axes": axes, "Creator": "carescope"}
    if voxel_um is not None:
        for axis, size in zip("ZYX", check_voxel_um(voxel_um), strict=True):
            metadata[f"PhysicalSize{axis}"] = size
            metadata[f"PhysicalSize{axis}Unit"] = "µm"
    if frame_s is not None and "T" in axes:
        metadata |= {"TimeIncrement": frame_s, "TimeIncrementUnit": "s"}
    if channel_names:
        names = [_xml_text(name) for name in channel_names]
        metadata["Channel"] = {"Name": names}
    if provenance:
        notes = {_xml_text(k): _xml_text(v) for k, v in provenance.items()}
        metadata["MapAnnotation"] = {"Namespace": PROVENANCE, "Value": notes}
    # The same image gives the same bytes: its identity follows from what it is.
    metadata["UUID"] = str(uuid.uuid5(uuid.NAMESPACE_OID, repr(sorted(metadata.items()))))
    return metadata


def _xml_text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", str(text))


def _write_tags(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    metadata: dict[str, Any],
    *,
    bigtiff: bool,
) -> int:
    """Write a file without pixels and return where they go, in bytes."""
    import tifffile

    with tifffile.TiffWriter(path, ome=True, bigtiff=bigtiff) as tif:
        place = tif.write(
            shape=shape,
            dtype=dtype,
            metadata=metadata,
            photometric="minisblack",
            software="carescope",
            align=16,
            returnoffset=True,
        )
    if place is None:
        raise OutputError("cannot be laid out as a TIFF", where=path, remedy="Report this")
    return int(place[0])


def _claim_space(path: Path) -> None:
    """Reserve the file's blocks on the disk: an assignment into a full disk would be fatal."""
    size = path.stat().st_size
    if not hasattr(os, "posix_fallocate"):
        if shutil.disk_usage(path.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return
    handle = os.open(path, os.O_RDWR)
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    finally:
        os.close(handle)
