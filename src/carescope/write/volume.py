"""OME-Zarr 0.5: filled file by file, in any order, by one process or by several after one another.

A file of the finest level (a shard) is written once and whole. Coarser levels are made of what is
on the disk already, and the metadata of the image come last: a folder without them is not finished.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import axes as ax
from carescope.errors import OutputError
from carescope.files.atomic import cannot_write, sweep, to_disk, write_text
from carescope.files.folder import make
from carescope.image import VoxelSize, check_voxel_um
from carescope.read.store import node, stored
from carescope.write.cast import cast
from carescope.write.levels import Level, boxes, levels, mean, nearest
from carescope.write.ngff import Window, group_json

_DTYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")


class Volume:
    """An OME-Zarr image while it is written: assign to whole files of its finest level.

    What is assigned is rounded and clipped to the pixel type; `clipped` counts how often.

    Parameters
    ----------
    folder
        The image's folder; it is made where it is missing.
    shape, axes
        One length and one letter a dimension; a subset of TCZYX in that order, Y and X last.
    dtype
        An integer type of 8 to 32 bits, float32 or float64.
    voxel_um
        Voxel size (z, y, x) in micrometres, or None to state none.
    shard
        What a file of the finest level holds, a length an axis; chosen where None.
    labels
        Pixels are numbers of objects: coarser levels take one of them, instead of the mean.

    Raises
    ------
    OutputError
        OME-Zarr cannot hold such an image.
    """

    def __init__(
        self,
        folder: Path,
        *,
        shape: tuple[int, ...],
        axes: str,
        dtype: npt.DTypeLike,
        voxel_um: VoxelSize | None,
        shard: tuple[int, ...] | None = None,
        labels: bool = False,
    ) -> None:
        self.folder, self.shape, self.labels = folder, shape, labels
        self.dtype = np.dtype(dtype).newbyteorder("=")
        self.axes = ax.check(axes, shape, where=str(folder))
        self.voxel_um = None if voxel_um is None else check_voxel_um(voxel_um)
        _refuse_unfit(folder, shape, self.axes, self.dtype)
        self.levels = levels(shape, self.axes, self.dtype.itemsize, self.voxel_um, shard)
        self.clipped = 0
        self._arrays: dict[int, Any] = {}

    def lay_out(self) -> None:
        """Write the metadata of all levels, without any pixels."""
        import zarr
        from zarr.codecs import BloscCodec, Crc32cCodec

        make(self.folder)
        for number, level in enumerate(self.levels):
            try:
                zarr.create_array(
                    store=str(self.folder / str(number)),
                    shape=level.shape,
                    dtype=self.dtype,
                    chunks=level.chunk,
                    shards=level.shard,
                    compressors=[
                        BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),
                        Crc32cCodec(),
                    ],
                    fill_value=0,
                    dimension_names=list(self.axes.lower()),
                    overwrite=True,
                )
                to_disk(self.folder / str(number) / "zarr.json")
            except OSError as error:
                raise cannot_write(self.folder, error) from error

    def sweep(self) -> None:
        """Remove the unfinished files that a killed process left."""
        for path in self.folder.rglob("*.partial"):
            path.unlink(missing_ok=True)
        sweep(self.folder, ".json")

    def __setitem__(self, place: tuple[Any, ...], values: npt.ArrayLike) -> None:
        """Write a part of the finest level that consists of whole files; on the disk on return."""
        pixels, clipped = cast(values, self.dtype)
        self._write(0, place, pixels)
        self.clipped += clipped

    def coarser(self) -> list[tuple[int, tuple[slice, ...]]]:
        """The files of the coarser levels: level and place of each, in the order to make them."""
        return [(n, box) for n, level in enumerate(self.levels) if n for box in level.files()]

    def average(self, number: int, place: tuple[slice, ...]) -> None:
        """Make a file of a coarser level from the next finer one."""
        level, finer = self.levels[number], self.levels[number - 1]
        halved = tuple(f // g for f, g in zip(level.factors, finer.factors, strict=True))
        pixels = np.empty([part.stop - part.start for part in place], self.dtype)
        for box in boxes(place, level.chunk):
            seen = tuple(
                slice(h * part.start, min(h * part.stop, n))
                for h, part, n in zip(halved, box, finer.shape, strict=True)
            )
            inside = tuple(
                slice(part.start - whole.start, part.stop - whole.start)
                for part, whole in zip(box, place, strict=True)
            )
            reduced = nearest if self.labels else mean
            pixels[inside] = cast(reduced(self._array(number - 1)[seen], halved), self.dtype)[0]
        self._write(number, place, pixels)

    def finish(
        self,
        name: str,
        *,
        channel_names: tuple[str, ...] = (),
        frame_s: float | None = None,
        provenance: Mapping[str, str] | None = None,
    ) -> None:
        """Write the image's metadata, once every file of every level is there.

        Raises
        ------
        OutputError
            A file is missing, the metadata are not valid, or they cannot be written.
        """
        for number, level in enumerate(self.levels):
            there = stored(node(self.folder / str(number)))
            if there.shape != level.shape or there.present() != there.files:
                raise OutputError(
                    f"only {there.present()} of {there.files} files of level {number} are there",
                    where=self.folder,
                    remedy="Remove the unfinished folder, whose name begins with .partial-, and "
                    "begin anew",
                )
        text = group_json(
            name,
            self.axes,
            self.levels,
            self.voxel_um,
            channel_names,
            frame_s,
            self._windows(),
            provenance or {},
        )
        write_text(self.folder / "zarr.json", text, overwrite=True)

    def _write(self, number: int, place: tuple[Any, ...], pixels: npt.NDArray[Any]) -> None:
        files = self._files(self.levels[number], number, place)
        try:
            for path in files:
                # Zarr would read what is there, and it may be half of a file.
                path.unlink(missing_ok=True)
            self._array(number)[place] = pixels
            for path in files:
                to_disk(path)
            for folder in {path.parent for path in files}:
                to_disk(folder)
        except OSError as error:
            raise cannot_write(self.folder, error) from error

    def _files(self, level: Level, number: int, place: tuple[Any, ...]) -> list[Path]:
        """The files that a place consists of, which must be whole."""
        found = []
        spelt = [p if isinstance(p, slice) else slice(p, p + 1) for p in place]
        whole = tuple(
            slice(*part.indices(n)[:2]) for part, n in zip(spelt, level.shape, strict=True)
        )
        for part, size, n in zip(whole, level.shard, level.shape, strict=True):
            if part.start % size or (part.stop % size and part.stop != n):
                raise ValueError(f"{part} does not begin and end with files of {size}")
        for box in boxes(whole, level.shard):
            at = (b.start // size for b, size in zip(box, level.shard, strict=True))
            found.append(self.folder / str(number) / "/".join(map(str, ("c", *at))))
        return found

    def _array(self, number: int) -> Any:
        if number not in self._arrays:
            import zarr

            # An empty chunk is written like any other, so that what is absent was never written.
            with zarr.config.set({"array.write_empty_chunks": True}):
                self._arrays[number] = zarr.open_array(
                    store=str(self.folder / str(number)), mode="r+", zarr_format=3
                )
        return self._arrays[number]

    def _windows(self) -> list[Window]:
        """What a viewer should show of each channel, from a plane of the coarsest level."""
        last = self.levels[-1]
        lengths = dict(zip(self.axes, last.shape, strict=True))
        found = []
        for channel in range(lengths.get("C", 1)):
            at = {"T": lengths.get("T", 1) // 2, "C": channel, "Z": lengths.get("Z", 1) // 2}
            place = tuple(at.get(axis, slice(None)) for axis in self.axes)
            plane = np.nan_to_num(np.asarray(self._array(len(self.levels) - 1)[place], np.float64))
            low, high = (float(v) for v in np.percentile(plane, (0.1, 99.9)))
            high = high if high > low else low + 1
            if self.dtype.kind in "iu":
                limits = np.iinfo(self.dtype)
                found.append((float(limits.min), low, high, float(limits.max)))
            else:
                found.append(
                    (min(float(plane.min()), low), low, high, max(float(plane.max()), high))
                )
        return found


def _refuse_unfit(folder: Path, shape: tuple[int, ...], axes: str, dtype: np.dtype[Any]) -> None:
    if dtype.name not in _DTYPES:
        raise OutputError(
            f"OME-Zarr is not written with {dtype.name} pixels",
            where=folder,
            remedy=f"Choose one of {', '.join(_DTYPES)} with --dtype",
        )
    if axes != "".join(a for a in "TCZYX" if a in axes) or math.prod(shape) == 0:
        raise OutputError(
            f"OME-Zarr cannot hold an image of {ax.describe_shape(shape, axes)}",
            where=folder,
            remedy="Put the axes in the order TCZYX; none may be empty",
        )
