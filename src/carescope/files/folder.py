"""Folders and whole files, with errors that name them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from carescope.errors import InputError, OutputError


def make(path: Path) -> Path:
    """Make a folder and its parents where they are missing.

    Raises
    ------
    OutputError
        The folder cannot be made, or a file has its name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_make(path, error) from error
    return path


def check_makeable(path: Path) -> None:
    """Refuse, before any work, a folder that could not be made or written to.

    A file is really created and removed where the folder is or would be: permission bits
    alone do not tell.

    Raises
    ------
    OutputError
        As for `make`, or nothing can be written there.
    """
    try:
        there = next(place for place in (path, *path.parents) if place.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise _cannot_make(path, error) from error


def read_bytes(path: Path) -> bytes:
    """The whole content of a file.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read: {(error.strerror or str(error)).lower()}",
            where=path,
            remedy="Check the name and the permissions of the file",
        ) from error


def _cannot_make(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"the folder cannot be made or written to: {(error.strerror or str(error)).lower()}",
        where=path,
        remedy="Choose another place, or mend its permissions",
    )
