"""The pixels of a Zarr array as a lazy array: what is indexed is read, and nothing else."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError
from carescope.read.indexing import positions, within
from carescope.read.store import Stored
from carescope.read.strict import unreadable

#: So much of large chunks is decompressed at a time, by several threads.
BYTES_AT_ONCE = 1 << 27


class Chunks:
    """A lazy array over a Zarr array; it can be sent to another process.

    Parameters
    ----------
    stored
        How the array is stored.
    shape
        That of the array, but for axes of length 1, which may be more or fewer.
    where
        The store's name for messages.
    """

    def __init__(self, stored: Stored, shape: tuple[int, ...], where: str) -> None:
        self.stored, self.where = stored, where
        self.shape, self.dtype = shape, stored.dtype
        pairs = zip(stored.shape, stored.chunk, strict=True)
        long = iter([min(n, part) for n, part in pairs if n > 1])
        #: What is decompressed at once; a part of a shard can be had alone.
        self.grain = tuple(1 if n == 1 else next(long) for n in shape)
        self._array: Any = None

    def __getitem__(self, index: Any) -> Any:
        wanted, result_index = positions(index, self.shape)
        if not all(wanted):
            return np.empty([len(r) for r in wanted], self.dtype)[result_index]
        box = [slice(min(r), max(r) + 1) for r in wanted]
        found = self._read(box)
        kept = tuple(within(r, part.start) for r, part in zip(wanted, box, strict=True))
        return found[kept][result_index]

    def _read(self, box: list[slice]) -> npt.NDArray[Any]:
        long = iter([part for part, n in zip(box, self.shape, strict=True) if n > 1])
        places = tuple(slice(0, 1) if n == 1 else next(long) for n in self.stored.shape)
        try:
            found = self._decoded(places)
        except FileNotFoundError as error:
            raise unreadable(self.stored.path, error) from error
        except MemoryError:
            raise
        except Exception as error:  # every codec has its own way to say that a chunk is broken
            raise InputError(
                f"is damaged: pixels {describe_shape(tuple(p.start for p in places))} to "
                f"{describe_shape(tuple(p.stop for p in places))} of its level "
                f"{self.stored.path.name} cannot be read ({_reason(error)})",
                where=self.where,
                remedy="Copy the whole folder again from its origin",
            ) from error
        return found.astype(self.dtype, copy=False).reshape([p.stop - p.start for p in box])

    def _decoded(self, places: tuple[slice, ...]) -> npt.NDArray[Any]:
        import zarr

        array = self._opened()
        at_once = BYTES_AT_ONCE // (math.prod(self.stored.chunk) * self.dtype.itemsize)
        if at_once >= zarr.config.get("async.concurrency"):
            return np.asarray(array[places])
        with zarr.config.set({"async.concurrency": max(1, at_once)}):
            return np.asarray(array[places])

    def _opened(self) -> Any:
        if self._array is None:
            import zarr

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of codecs that other programs may not know
                self._array = zarr.open_array(
                    store=str(self.stored.path), mode="r", zarr_format=self.stored.version
                )
        return self._array

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_array": None}


def _reason(error: Exception) -> str:
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) < 200 else said[:200] + "..."
