"""Folders and whole files, with errors that name them."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carescope.errors import InputError, OutputError
from carescope.files.atomic import cannot_write, exists_already, to_disk


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


def check_free(path: Path, *, overwrite: bool = False) -> None:
    """Refuse, before any work, a name under which no folder could appear in the end.

    Raises
    ------
    OutputError
        There is something of that name and `overwrite` is false, or nothing can be written beside.
    """
    if not path.parent.is_dir():
        raise OutputError(
            f"cannot be written, because there is no folder {path.parent}",
            where=path,
            remedy="Create the folder, or give --out another one",
        )
    if path.exists() and not overwrite:
        raise exists_already(path)
    check_makeable(path.parent)


@contextmanager
def building(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a folder under a hidden name to fill; on success it becomes `path`.

    Any exception in the block removes it.

    Raises
    ------
    OutputError
        As for `check_free` and `publish`.
    """
    check_free(path, overwrite=overwrite)
    folder = make(path.with_name(f".partial-{secrets.token_hex(6)}{path.suffix}"))
    try:
        yield folder
        publish(folder, path, overwrite=overwrite)
    finally:
        remove(folder)


def publish(folder: Path, path: Path, *, overwrite: bool = False) -> None:
    """Give a finished folder its final name; one that is replaced goes once that is done.

    Raises
    ------
    OutputError
        The name is taken and `overwrite` is false, or the folder cannot be renamed.
    """
    if path.exists() and not overwrite:
        raise exists_already(path)
    old = path.with_name(f".partial-{secrets.token_hex(6)}-old{path.suffix}")
    try:
        if path.exists():
            os.rename(path, old)
        os.rename(folder, path)
        to_disk(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    remove(old)


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
        raise cannot_read(path, error) from error


def cannot_read(path: Path, error: OSError) -> InputError:
    """What to say of a file that the system does not give."""
    return InputError(
        f"cannot be read: {(error.strerror or str(error)).lower()}",
        where=path,
        remedy="Check the name and the permissions of the file",
    )


def _cannot_make(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"the folder cannot be made or written to: {(error.strerror or str(error)).lower()}",
        where=path,
        remedy="Choose another place, or mend its permissions",
    )
