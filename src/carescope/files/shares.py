"""Several processes that share a job in a folder, under whoever leads it.

Whoever holds the folder's own lock leads, and says by a word who may take part. Each who does
holds a lock in a folder of its own, so that the next leader knows whether anyone is still at work,
although the leader before was killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def dismiss(
    folder: Path, word: str = "", *, besides: Callable[[str], bool] = lambda name: False
) -> None:
    """Make sure that nobody shares a job any more, before something else is done with it.

    To be called by who holds the folder's lock.

    Parameters
    ----------
    folder
        The job's.
    word
        Those who know it go on; the others may not begin anything any more.
    besides
        Told a name, whether that one may be at work.

    Raises
    ------
    carescope.files.lock.TakenError
        One is still at work, and is named.
    """
    before = _word(folder)
    if before != word:
        remove(folder / _WORD)
    began = time.monotonic()

    def impatient(taken: lock.TakenError) -> None:
        if time.monotonic() - began > PATIENCE_S:
            if before:
                invite(folder, before)
            raise taken

    for place in sorted((folder / SHARES).glob("*")):
        if not besides(place.name):
            with lock.alone(place, option="--out", wait=impatient):
                pass


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
    carescope.files.lock.TakenError
        Another process has the same name.
    """
    if _word(folder) != word:  # nor make a folder where all is finished and gone
        raise _dismissed(folder)
    own = folder / SHARES / name
    with lock.alone(own, option="--out"):
        # Whoever leads next takes back the word first, and asks for this lock afterwards.
        if _word(folder) != word:
            raise _dismissed(folder)
        yield own


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
