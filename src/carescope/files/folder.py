"""Folders and whole files, with errors that name them."""

from __future__ import annotations

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
        raise OutputError(
            f"the folder cannot be made: {(error.strerror or str(error)).lower()}",
            where=path,
            remedy="Choose another place, or mend its permissions",
        ) from error
    return path


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
