"""Arrays that are kept on disk for a while, and gone afterwards whatever happens."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.files.atomic import cannot_write


class Scratch:
    """Arrays of one shape, added one after the other and read in any order."""

    def __init__(self, file: Any, folder: Path, shape: tuple[int, ...]) -> None:
        self._file, self._folder, self._shape, self._count = file, folder, shape, 0

    def __len__(self) -> int:
        return self._count

    def add(self, array: npt.NDArray[np.float32]) -> None:
        """Write the next one.

        Raises
        ------
        OutputError
            The disk is full.
        """
        try:
            self._file.seek(self._count * self._bytes)
            self._file.write(np.ascontiguousarray(array, np.float32).data)
            self._file.flush()  # so that a full disk shows here
        except OSError as error:
            raise cannot_write(self._folder, error) from error
        self._count += 1

    def __getitem__(self, number: int) -> npt.NDArray[np.float32]:
        self._file.seek(number * self._bytes)
        return np.frombuffer(self._file.read(self._bytes), np.float32).reshape(self._shape)

    @property
    def _bytes(self) -> int:
        return 4 * math.prod(self._shape)


@contextmanager
def scratch(folder: Path, shape: tuple[int, ...]) -> Iterator[Scratch]:
    """Room for float32 arrays of a shape on the disk of a folder, in a file without a name.

    Raises
    ------
    OutputError
        The folder cannot be written to.
    """
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
    except OSError as error:
        raise cannot_write(folder, error) from error
    with file:
        yield Scratch(file, folder, shape)
