"""OME-Zarr 0.4 and 0.5 in a folder, read lazily at its finest resolution."""

from __future__ import annotations

from pathlib import Path

from carescope.axes import describe_shape
from carescope.errors import InputError
from carescope.image import Image, VoxelSize
from carescope.read.chunks import Chunks
from carescope.read.declared import Declared
from carescope.read.ngff import Multiscale, multiscale
from carescope.read.ngff import provenance as notes
from carescope.read.reconcile import reconcile
from carescope.read.store import Stored, is_store, node, stored


def read(
    path: Path,
    *,
    axes: str | None = None,
    voxel_um: VoxelSize | None = None,
    allow_incomplete: bool = False,
) -> Image:
    """Open an OME-Zarr image; see `carescope.read.open`.

    A translation in its metadata is not kept. Files of chunks that are absent read as the fill
    value, as Zarr has it; `gaps` counts them.
    """
    where = str(path)
    about, pixels = _image(path)
    if not pixels.present():
        raise InputError(
            f"holds no pixels: none of the {pixels.files} files of its finest level "
            f"{about.levels[0]} is there",
            where=where,
            remedy="Copy the whole folder again from its origin",
        )
    declared = Declared("OME-Zarr metadata", about.axes, pixels.shape, optional="TCZ?")
    final_axes, shape = reconcile(declared, axes, where)
    channels = shape[final_axes.index("C")] if "C" in final_axes else 1
    names = about.channel_names if len(about.channel_names) == channels else ()
    image = Image(
        Chunks(pixels, shape, where),
        axes=final_axes,
        voxel_um=voxel_um if voxel_um is not None else about.voxel_um(pixels.shape),
        channel_names=names,
        source=where,
        frame_s=about.frame_s,
    )
    if final_axes.endswith("YX"):
        return image
    return image.arranged("".join(a for a in "TCZYX" if a in final_axes))


def provenance(path: Path) -> dict[str, str]:
    """The notes in the metadata of a store that we wrote; empty for any other."""
    return notes(node(path))


def storage(path: Path) -> dict[str, str]:
    """How an image is stored: format, resolution levels, chunks and files."""
    about, pixels = _image(path)
    kind = "chunk" if pixels.file == pixels.chunk else "shard"
    return {
        "format": f"OME-Zarr {about.version} (Zarr {pixels.version})",
        "levels": "; ".join(
            describe_shape(stored(node(path / level)).shape) for level in about.levels
        ),
        "chunks": describe_shape(pixels.chunk),
        f"{kind} files": f"{pixels.present()} of {pixels.files} of the finest level are there",
    }


def gaps(path: Path) -> str:
    """A sentence about files of chunks that are declared and absent; empty where none is."""
    _, pixels = _image(path)
    absent = pixels.files - pixels.present()
    if absent <= 0:
        return ""
    return (
        f"{absent} of {pixels.files} files of chunks are absent and read as the fill value: Zarr "
        "leaves out what is empty, but a copy that was cut short looks the same."
    )


def _image(path: Path) -> tuple[Multiscale, Stored]:
    """What a store says of its one image, and how its finest level is stored."""
    group = node(path)
    if group.array is not None:
        above = path.parent if is_store(path.parent) else None
        raise InputError(
            "is a single array of a Zarr store, without axes or voxel size",
            where=path,
            remedy=f"Give the image that it belongs to, {above}" if above else "Give an OME-Zarr",
        )
    about = multiscale(group)
    level = path / about.levels[0]
    if not level.is_dir():
        raise InputError(
            f"is incomplete: its finest level {about.levels[0]} is absent",
            where=path,
            remedy="Copy the whole folder again from its origin",
        )
    array = node(level)
    if array.version != group.version:
        raise InputError(
            f"is damaged: its level {about.levels[0]} is of Zarr {array.version}, and its group of "
            f"Zarr {group.version}",
            where=path,
            remedy="Copy the whole folder again from its origin",
        )
    pixels = stored(array)
    if len(pixels.shape) != len(about.axes):
        raise InputError(
            f"has metadata that name {len(about.axes)} axes, {about.axes}, and pixels with "
            f"{len(pixels.shape)}: {describe_shape(pixels.shape)}",
            where=path,
            remedy="Mend its metadata, or save it again as OME-Zarr",
        )
    return about, pixels
