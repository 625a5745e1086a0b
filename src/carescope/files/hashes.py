"""Fingerprints of files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from carescope.files.folder import cannot_read


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content as 64 hexadecimal digits, in constant memory.

    Of a folder that of the names and contents of all files in it.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        if path.is_dir():
            listed = hashlib.sha256()
            for name in _inside(path):
                listed.update(f"{name}\0{sha256(path / name)}\n".encode())
            return listed.hexdigest()
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise cannot_read(path, error) from error


def stamp(path: Path) -> str:
    """A hash of names, sizes and times of change: of a file, or of all files in a folder.

    It tells whether something was changed since without reading it.

    Raises
    ------
    InputError
        The file is not there.
    """
    listed = hashlib.sha256()
    try:
        for name in _inside(path) if path.is_dir() else [""]:
            facts = (path / name).stat()
            listed.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    except OSError as error:
        raise cannot_read(path, error) from error
    return listed.hexdigest()


def _inside(folder: Path) -> Iterator[str]:
    """The relative names of all files in a folder, in a fixed order."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            yield str((Path(place) / name).relative_to(folder).as_posix())
