"""Several processes that share a job in a folder, under whoever leads it.

Whoever holds the folder's own lock leads, and says by a word who may take part. Each who does
holds a lock in a folder of its own, so that the next leader knows whether anyone is still at work,
although the leader before was killed.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from carescope.errors import OutputError
from carescope.files import lock
from carescope.files.atomic import write_text
from carescope.files.folder import make, remove
from carescope.files.ledger import SHARES

_WORD = "led by"
#: How long a leader waits for those whose leader has gone: they finish what they are at.
PATIENCE_S = 5.0


class DismissedError(OutputError):
    """Another leads the job by now."""


@contextmanager
def leading(
    folder: Path, *, wait: Callable[[lock.TakenError], None] | None = None, needed: bool = False
) -> Iterator[None]:
    """Hold the lock of a job's folder, as `carescope.files.lock.alone` does.

    The folder goes with the lock where nothing is left in it.
    """
    try:
        with lock.alone(folder, option="--out", wait=wait, needed=needed):
            yield
    finally:
        with suppress(OSError):
            folder.rmdir()


def dismiss(
    folder: Path,
    word: str = "",
    *,
    besides: Callable[[str], bool] = lambda name: False,
    patience_s: float | None = None,
) -> None:
    """Make sure that nobody is at work on a job, before something else is done with it.

    To be called by who holds the folder's lock. Those at work are not disturbed.

    Parameters
    ----------
    folder
        The job's.
    word
        Those who know it go on; the others may not begin anything any more.
    besides
        Told a name, whether that one may be at work.
    patience_s
        How long to wait for those at work; `PATIENCE_S` where None.

    Raises
    ------
    carescope.files.lock.TakenError
        One is still at work, and is named.
    """
    patience_s = PATIENCE_S if patience_s is None else patience_s
    _wait_for(folder, besides, patience_s)
    if _word(folder) != word:
        remove(folder / _WORD)
        _wait_for(folder, besides, patience_s)  # whoever began something meanwhile


def invite(folder: Path, word: str) -> None:
    """Let those take part in a job who know a word; to be called by who holds its lock."""
    if _word(folder) != word:
        write_text(folder / _WORD, word, overwrite=True)
    make(folder / SHARES)


@contextmanager
def taking_part(folder: Path, name: str, word: str) -> Iterator[Path]:
    """Work on a job that another leads; yields a folder of one's own.

    Raises
    ------
    DismissedError
        The word is not that of who leads by now.
    OutputError
        There is no such folder here.
    carescope.files.lock.TakenError
        Another process has the same name.
    """
    if not folder.is_dir():
        raise absent(folder)
    if _word(folder) != word:  # nor make a folder where all is finished and gone
        raise _dismissed(folder)
    own = folder / SHARES / name
    with lock.alone(own, option="--out"):
        # Whoever leads next takes back the word first, and asks for this lock afterwards.
        if _word(folder) != word:
            raise _dismissed(folder)
        yield own


def absent(path: Path) -> OutputError:
    """What to say where a job is not found that another leads."""
    return OutputError(
        f"is not there on {platform.node()}",
        where=path,
        remedy="Make sure that all workers see the same files under the same names",
    )


def _wait_for(folder: Path, besides: Callable[[str], bool], patience_s: float) -> None:
    began = time.monotonic()

    def impatient(taken: lock.TakenError) -> None:
        if time.monotonic() - began > patience_s:
            raise taken

    for place in sorted((folder / SHARES).glob("*")):
        if not besides(place.name):
            with lock.alone(place, option="--out", wait=impatient):
                pass


def _word(folder: Path) -> str:
    try:
        return (folder / _WORD).read_text(encoding="utf-8")
    except OSError:
        return ""


def _dismissed(folder: Path) -> DismissedError:
    return DismissedError(
        "another process goes on with this work by now",
        where=folder,
        remedy="Wait until it has ended",
    )
