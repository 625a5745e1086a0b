"""Files that appear under their final name only when they are complete.

A file is written beside its destination under a hidden name, forced to disk, and then renamed:
whoever looks at the final name sees the old file, or none, or the whole new one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from carescope.errors import OutputError

_PARTIAL = ".partial-"


@contextmanager
def writing(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path to write to; on success it becomes `path`.

    Parameters
    ----------
    path
        Where the file shall be. A symbolic link is followed.
    overwrite
        Whether a file that is already there may be replaced.

    Yields
    ------
    Path
        An empty file in the same folder, with a hidden name and the same suffixes.

    Raises
    ------
    OutputError
        The file cannot be written: it exists, the folder is absent or read-only, the disk
        is full. Any exception in the block, an interrupt too, removes the temporary file.
    """
    target = Path(os.path.realpath(path))
    _refuse_destination(target, path, overwrite)
    temporary: Path | None = None
    try:
        temporary = _claim(target)
        yield temporary
        to_disk(temporary)
        _publish(temporary, target, overwrite)
    except FileExistsError as error:
        raise exists_already(path) from error
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def check_writable(path: Path, *, overwrite: bool = False) -> None:
    """Refuse a destination that cannot be written, before any work is done.

    A temporary file is really created and removed: permission bits alone do not tell (they
    mean nothing to an administrator, or on a read-only disk).

    Raises
    ------
    OutputError
        The file exists and `overwrite` is false, it is a folder, or its folder is absent or
        not writable.
    """
    target = Path(os.path.realpath(path))
    _refuse_destination(target, path, overwrite)
    try:
        _claim(target).unlink()
    except OSError as error:
        raise cannot_write(path, error) from error


def check_room(folder: Path, sizes_bytes: Sequence[int]) -> None:
    """Refuse, before any work, a disk without room for files of these sizes.

    The room is really taken, and given back: neither what a disk says is free nor permission
    bits know of quotas and limits.

    Raises
    ------
    OutputError
        There is no such room, or the folder is absent or not writable.
    """
    claimed: list[Path] = []
    try:
        for size in sizes_bytes:
            claimed.append(_claim(folder / "room"))
            _fill(claimed[-1], size)
    except OSError as error:
        raise OutputError(
            f"{sum(sizes_bytes) / 1e6:.0f} MB that will be needed cannot be written here: "
            f"{_reason(error)}",
            where=folder,
            remedy="Free some space, or choose another folder",
        ) from error
    finally:
        for temporary in claimed:
            with suppress(OSError):
                temporary.unlink()


def sweep(folder: Path, *suffixes: str) -> None:
    """Remove unfinished files that a killed process left; nobody else may be writing such ones."""
    for temporary in folder.glob(f"{_PARTIAL}*"):
        if temporary.suffix in suffixes:
            with suppress(OSError):
                temporary.unlink()


def sweep_of(path: Path) -> None:
    """Remove what a killed process left of an unfinished file; nobody else may be writing it."""
    target = Path(os.path.realpath(path))
    for temporary in target.parent.glob(f"{_begins(target)}*"):
        with suppress(OSError):
            temporary.unlink()


def write_bytes(path: Path, content: bytes, *, overwrite: bool = False) -> None:
    """Write a whole file at once, atomically; see `writing`."""
    with writing(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write a whole UTF-8 text file at once, atomically; see `writing`."""
    write_bytes(path, text.encode("utf-8"), overwrite=overwrite)


def _refuse_destination(target: Path, path: Path, overwrite: bool) -> None:
    """Refuse what is plain to see without trying to write."""
    try:
        if target.is_dir():
            raise OutputError(
                "is a folder, and a file is to be written",
                where=path,
                remedy="Give --out the name of a file",
            )
        if not target.parent.is_dir():
            raise OutputError(
                f"cannot be written, because there is no folder {target.parent}",
                where=path,
                remedy="Create the folder, or give --out another one",
            )
        if target.exists() and not overwrite:
            raise exists_already(path)
    except OSError as error:  # for instance a name that is too long
        raise cannot_write(path, error) from error


def _claim(target: Path) -> Path:
    """Create an empty file of our own beside `target`, with its suffixes."""
    suffixes = "".join(target.suffixes[-2:])
    temporary = target.with_name(f"{_begins(target)}{secrets.token_hex(6)}{suffixes}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
    return temporary


def _begins(target: Path) -> str:
    """How the hidden names of a file begin that is not finished."""
    return f"{_PARTIAL}{hashlib.sha256(target.name.encode()).hexdigest()[:8]}-"


def _fill(path: Path, size_bytes: int) -> None:
    """Make a file as long as asked for, on the disk and not only in name."""
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size_bytes)
        except (AttributeError, OSError) as error:
            if getattr(error, "errno", errno.EOPNOTSUPP) not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
            file.write(bytes(size_bytes))  # a system, or a disk, that cannot only set it aside


def to_disk(path: Path) -> None:
    """Wait until a file is on the disk, or the entries of a folder where a system can do that."""
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _publish(temporary: Path, target: Path, overwrite: bool) -> None:
    """Give the temporary file its final name in one step."""
    if overwrite:
        os.replace(temporary, target)
    else:
        try:
            # A link fails where the name has been taken meanwhile; a rename would overwrite.
            os.link(temporary, target)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            if target.exists():
                raise FileExistsError(target) from None
            os.rename(temporary, target)
    with suppress(OSError):  # some network folders cannot be synchronised; the file is
        to_disk(target.parent)


def exists_already(path: Path) -> OutputError:
    """The refusal of a name that is taken."""
    return OutputError(
        "exists already", where=path, remedy="Choose another name, or replace it with --overwrite"
    )


def cannot_write(path: Path, error: OSError) -> OutputError:
    """The refusal of a file that the operating system does not let us write."""
    return OutputError(
        f"cannot be written: {_reason(error)}",
        where=path,
        remedy="Free some space, or give --out a folder that can be written to",
    )


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
