"""Whole images as OME-Zarr 0.5, which appear under their names when they are complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy.typing as npt

from carescope.files.folder import building
from carescope.image import Image, VoxelSize
from carescope.write.volume import Volume


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
    shard: tuple[int, ...] | None = None,
    labels: bool = False,
    overwrite: bool = False,
) -> Iterator[Volume]:
    """Write an OME-Zarr; it appears, with its pyramid, when the block ends without an exception.

    Parameters are those of `Volume` and of `carescope.write.tiff.create`.

    Yields
    ------
    Volume
        To be filled by assigning whole files of its finest level.

    Raises
    ------
    OutputError
        The folder cannot be written, OME-Zarr cannot hold such an image, or a part was not filled.
    """
    path = Path(path)
    with building(path, overwrite=overwrite) as folder:
        volume = Volume(
            folder,
            shape=shape,
            axes=axes,
            dtype=dtype,
            voxel_um=voxel_um,
            shard=shard,
            labels=labels,
        )
        volume.lay_out()
        yield volume
        for number, place in volume.coarser():
            volume.average(number, place)
        volume.finish(
            stem(path), channel_names=channel_names, frame_s=frame_s, provenance=provenance
        )


def save(
    path: Path,
    image: Image,
    *,
    dtype: npt.DTypeLike | None = None,
    provenance: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> int:
    """Write a whole image as OME-Zarr 0.5, a file at a time; see `carescope.write.tiff.save`."""
    if dtype is None:
        dtype = {"bool": "uint8", "float16": "float32"}.get(image.dtype.name, image.dtype.name)
    image = image.arranged("".join(a for a in "TCZYX" if a in image.axes))
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
    ) as volume:
        for place in volume.levels[0].files():
            volume[place] = image.data[place]
    return volume.clipped


def stem(path: Path) -> str:
    """The name of an image's folder without its endings."""
    return path.stem.removesuffix(".ome")
