"""The planes of a file as a lazy array: what is indexed is read, and nothing else.

Files are read, not mapped into memory: a mapped file that is cut short while it is used ends
the process with a bus error, and its pages count as resident memory.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, ClassVar
from weakref import ReferenceType, ref

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError
from carescope.read import decode
from carescope.read.indexing import positions, within
from carescope.read.page import NONE, Page
from carescope.read.strict import unreadable

#: Decoded segments that are kept of a file, and of all files together that are open.
CACHE_BYTES, ALL_CACHES_BYTES = 64 * 2**20, 512 * 2**20


class Planes:
    """A lazy array over pages of one file; it can be sent to another process.

    Parameters
    ----------
    path
        The file.
    pages
        One page a plane, all of the same size and type, the last leading axis fastest.
    lead
        The shape before Y and X.
    """

    def __init__(self, path: Path, pages: list[Page], lead: tuple[int, ...]) -> None:
        self.path, self.pages, self.lead = path, pages, lead
        self.shape = (*lead, pages[0].height, pages[0].width)
        self.dtype: np.dtype[Any] = pages[0].dtype.newbyteorder("=")
        self._recent = _Recent(CACHE_BYTES)

    def __getitem__(self, index: Any) -> Any:
        wanted, result_index = positions(index, self.shape)
        out = np.empty([len(r) for r in wanted], self.dtype)
        if out.size:
            y, x = wanted[-2:]
            try:
                with self.path.open("rb") as file:
                    for at in np.ndindex(*out.shape[:-2]):
                        place = [r[i] for r, i in zip(wanted[:-2], at, strict=True)]
                        plane = int(np.ravel_multi_index(place, self.lead)) if place else 0
                        out[at] = self._read(file, plane, y, x)
            except OSError as error:
                raise unreadable(self.path, error) from error
        return out[result_index]

    def _read(self, file: BinaryIO, plane: int, y: range, x: range) -> npt.NDArray[Any]:
        """The pixels of one plane at rows `y` and columns `x`."""
        page = self.pages[plane]
        top, bottom = min(y), max(y) + 1
        left, right = min(x), max(x) + 1
        block: npt.NDArray[Any] = np.empty((bottom - top, right - left), self.dtype)
        for row in range(top // page.rows, math.ceil(bottom / page.rows)):
            for column in range(left // page.columns, math.ceil(right / page.columns)):
                y0, x0 = row * page.rows, column * page.columns
                pixels, first = self._segment(
                    file, plane, row * page.across + column, top - y0, bottom - y0
                )
                y0 += first
                a, b = max(top, y0), min(bottom, y0 + pixels.shape[0])
                c, d = max(left, x0), min(right, x0 + pixels.shape[1])
                block[a - top : b - top, c - left : d - left] = pixels[
                    a - y0 : b - y0, c - x0 : d - x0
                ]
        cropped: npt.NDArray[Any] = block[within(y, top), within(x, left)]
        return cropped

    def _segment(
        self, file: BinaryIO, plane: int, index: int, top: int, bottom: int
    ) -> tuple[npt.NDArray[Any], int]:
        """Pixels of a segment that hold its rows `top` to `bottom`, and the first row held."""
        page = self.pages[plane]
        offset, count = page.offsets[index], page.counts[index]
        if page.compression == NONE and page.bits > 1:
            # Rows can be had alone, and the operating system keeps what was read lately.
            rows, columns = page.segment_shape(index)
            top, bottom = max(top, 0), min(bottom, rows)
            stride = columns * page.dtype.itemsize
            data = self._bytes(file, plane, offset + top * stride, (bottom - top) * stride)
            stored = np.frombuffer(data, page.dtype).reshape(bottom - top, columns)
            pixels: npt.NDArray[Any] = stored.astype(self.dtype, copy=False)
            return pixels, top
        found = self._recent.get((plane, index))
        if found is None:
            found = self._decoded(plane, index, self._bytes(file, plane, offset, count))
            self._recent.put((plane, index), found)
        return found, 0

    def _bytes(self, file: BinaryIO, plane: int, offset: int, count: int) -> bytes:
        file.seek(offset)
        data = file.read(count)
        if len(data) != count:
            raise InputError(
                f"became shorter while it was read: plane {plane} of {len(self.pages)} is cut",
                where=self.path,
                remedy="Wait until nothing else writes to the file, and start again",
            )
        return data

    def _decoded(self, plane: int, index: int, data: bytes) -> npt.NDArray[Any]:
        try:
            return decode.segment(self.pages[plane], index, data)
        except decode.DecodeError as error:
            raise InputError(
                f"is damaged: plane {plane} of {len(self.pages)} cannot be decompressed ({error})",
                where=self.path,
                remedy="Copy the file again from its origin",
            ) from error


class _Recent:
    """The segments of a file decoded last, up to a number of bytes, for this file and for all."""

    #: Those that hold something, the one that was filled last at the end.
    _filled: ClassVar[OrderedDict[int, ReferenceType[_Recent]]] = OrderedDict()
    _lock: ClassVar[threading.RLock] = threading.RLock()  # pixels let go may let go of a file

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._held: OrderedDict[tuple[int, int], npt.NDArray[Any]] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[int, int]) -> npt.NDArray[Any] | None:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: tuple[int, int], pixels: npt.NDArray[Any]) -> None:
        with self._lock:
            if key not in self._held:
                self._held[key] = pixels
                self._bytes += pixels.nbytes
            while self._bytes > self.limit_bytes:
                self._drop()
            self._filled[id(self)] = ref(self)
            self._filled.move_to_end(id(self))
            self._drop_of_others()

    def _drop(self) -> None:
        self._bytes -= self._held.popitem(last=False)[1].nbytes

    def _drop_of_others(self) -> None:
        """Keep all of them together below their limit; those filled long ago give way."""
        alive = {number: found() for number, found in self._filled.items()}
        total = sum(one._bytes for one in alive.values() if one)
        for number, one in alive.items():
            while one and one._held and total > ALL_CACHES_BYTES and one is not self:
                total -= one._bytes
                one._drop()
                total += one._bytes
            if not one or not one._held:
                del self._filled[number]

    def __reduce__(self) -> tuple[type[_Recent], tuple[int]]:
        return _Recent, (self.limit_bytes,)  # another process starts with nothing
