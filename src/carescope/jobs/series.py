"""Files made one after the other in a folder, so that the same command goes on after the last one.

What is finished is noted in a hidden folder among them, which goes when all of them are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from carescope.files import ledger, shares
from carescope.files.atomic import sweep_of

#: What is told of files that are made: JSON values.
Facts = dict[str, Any]
#: The note that files are about to be made begins so.
_BEGUN = "begun "


class Series:
    """What a command makes, some files at a time.

    Parameters
    ----------
    folder
        Where the files go.
    job
        All that tells the command from others, JSON values; the same goes on with the same files.
    """

    def __init__(self, folder: Path, job: Mapping[str, Any]) -> None:
        self._folder, self._job = folder, ledger.as_noted(job)
        told = json.dumps(self._job, sort_keys=True).encode()
        self._place = folder / f".partial-{hashlib.sha256(told).hexdigest()[:12]}"
        begun = ledger.begun_in(self._place)
        self._notes = begun[1] if begun else {}
        self._book: ledger.Ledger

    def ours(self) -> set[Path]:
        """What may be there, because an interrupted run of the command made it."""
        begun = (value for key, value in self._notes.items() if key.startswith(_BEGUN))
        return {self._folder / name for names in begun for name in names}

    def finished(self) -> int:
        """How many were noted as finished when an interrupted run of the command ended."""
        return sum(not key.startswith(_BEGUN) for key in self._notes)

    @contextmanager
    def underway(self) -> Iterator[None]:
        """Be the only one to make these files; what was noted of them goes when all are made.

        Raises
        ------
        OutputError
            Another process makes them.
        """
        there = self._folder.exists()
        try:
            with shares.leading(self._place):
                with ledger.working(self._place, self._job) as book:
                    self._book, self._notes = book, book.notes
                    with self._nothing_left():
                        yield
                ledger.empty(self._place)
        finally:
            if not there:
                with suppress(OSError):  # something is in it
                    self._folder.rmdir()

    @contextmanager
    def _nothing_left(self) -> Iterator[None]:
        """Leave no notes behind where something goes wrong before there is any file."""
        try:
            yield
        except BaseException:
            if not any(path.exists() for path in self.ours()):
                ledger.empty(self._place)
            raise

    def once(self, files: Sequence[Path], make: Callable[[bool], Facts], of: str = "") -> Facts:
        """What is told of files, which are made unless they are there and made of the same.

        Parameters
        ----------
        files
            In the folder, the first like no other's.
        make
            Makes them; told whether it may replace what has their names, as that is ours.
        of
            What they are made of.
        """
        names = [path.relative_to(self._folder).as_posix() for path in files]
        noted = self._notes.get(names[0])
        if noted and noted[0] == of and all(path.exists() for path in files):
            return dict(noted[1])
        ours = not self.ours().isdisjoint(files)
        for path in files if ours else ():
            sweep_of(path)
        if not any(path.exists() for path in files):  # what is there now is somebody else's
            self._book.note(_BEGUN + names[0], names)
        facts = make(ours)
        self._book.note(names[0], [of, facts])
        return facts
