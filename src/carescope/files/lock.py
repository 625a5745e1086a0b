"""A folder in which one process at a time works.

The operating system holds the lock for as long as the process lives, so that a killed one
never leaves a lock behind; the file that is locked says who holds it.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from carescope.errors import OutputError
from carescope.files.folder import make

NAME = "lock"
#: How long to wait before asking again whether a folder is free.
AGAIN_S = 0.5

#: What this process holds, and in which thread: who holds a folder already may enter it again.
_held: set[tuple[Path, int]] = set()


class TakenError(OutputError):
    """Another process works in a folder."""


@contextmanager
def alone(
    folder: Path,
    *,
    option: str = "--model",
    wait: Callable[[TakenError], None] | None = None,
    needed: bool = False,
) -> Iterator[None]:
    """Work in a folder, made where it is missing, with no other process doing so.

    On a file system that knows no locks everyone is let in, unless they are `needed`.

    Parameters
    ----------
    folder
        Where to work.
    option
        What names the folder on the command line, for messages.
    wait
        Told who works there, before each further try; what it raises ends the waiting. Without it
        there is one try.
    needed
        Refuse a file system that knows no locks.

    Raises
    ------
    TakenError
        Another process, which is named, works there.
    OutputError
        The folder cannot be written, or knows no locks.
    """
    path = folder.resolve() / NAME
    mine = (path, threading.get_ident())
    if mine in _held:
        yield
        return
    handle = None
    while handle is None:
        make(folder)
        try:
            handle = _take(path, option, needed)
        except TakenError as error:
            if wait is None:
                raise
            wait(error)
            time.sleep(AGAIN_S)
    _held.add(mine)
    try:
        yield
    finally:
        _held.discard(mine)
        _leave(path, handle)


def _take(path: Path, option: str, needed: bool) -> int | None:
    """Open and lock a file, and write into it who we are; None where its folder went meanwhile."""
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _cannot(path, error, option) from error
        try:
            if not _lock(handle, path.parent if needed else None):
                raise _taken(path, os.read(handle, 200), option)
            # Whoever had it may have removed the name between our opening and our locking.
            if _is(path, handle):
                os.ftruncate(handle, 0)
                os.write(handle, f"pid {os.getpid()} on {platform.node()}\n".encode())
                return handle
        except BaseException as error:
            os.close(handle)
            if isinstance(error, OSError):
                raise _cannot(path, error, option) from error
            raise
        os.close(handle)


def _leave(path: Path, handle: int) -> None:
    """Let the next one in, and remove the name; one that is left behind holds nobody up."""
    if sys.platform == "win32":  # where what is open cannot be removed, by anybody
        os.close(handle)
        with suppress(OSError):
            path.unlink()
        return
    with suppress(OSError):
        if _is(path, handle):  # and not the file of another, made after ours was removed
            path.unlink()
    os.close(handle)


def _is(path: Path, handle: int) -> bool:
    """Whether a file that is open still has its name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESTALE):
            return False
        raise


def _lock(handle: int, needed_in: Path | None) -> bool:
    """Lock an open file until it is closed; false where another has locked it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, 1 << 20, os.SEEK_SET)  # beyond the text, which others read
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
            return False
        if error.errno == errno.ESTALE:  # removed by a computer that shares the disk: `_is` tells
            return True
        if needed_in:
            raise OutputError(
                "is on a file system without locks, which jobs that share a restoration need",
                where=needed_in,
                remedy="Restore with one process or with --workers, or have it mounted with locks",
            ) from error
    return True


def _taken(path: Path, holder: bytes, option: str) -> TakenError:
    said = holder.decode("utf-8", "replace").strip()
    return TakenError(
        f"another process works here: {said or 'it has not said which'}",
        where=path.parent,
        remedy=f"Wait until it has ended, or choose another folder with {option}",
    )


def _cannot(path: Path, error: OSError, option: str) -> OutputError:
    return OutputError(
        f"cannot be written: {(error.strerror or str(error)).lower()}",
        where=path,
        remedy=f"Choose another folder with {option}, or mend its permissions",
    )
