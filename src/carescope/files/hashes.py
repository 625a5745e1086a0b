"""Fingerprints of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from carescope.errors import InputError


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content as 64 hexadecimal digits, in constant memory.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"cannot be read: {(error.strerror or str(error)).lower()}",
            where=path,
            remedy="Check the name and the permissions of the file",
        ) from error
