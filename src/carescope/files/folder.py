"""Folders and whole files, with errors that name them."""

from __future__ import annotations

import shutil
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


def remove(path: Path | None) -> None:
    """Remove a file of ours, or a folder and all that is in it, where it is there.

    Raises
    ------
    OutputError
        Something in it cannot be removed.
    """
    if path is None or not path.exists():
        return
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        raise OutputError(
            f"it cannot be removed: {(error.strerror or str(error)).lower()}",
            where=path,
            remedy="Mend its permissions, or remove it by hand",
        ) from error


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
