"""What a long job has finished, noted on disk, so that it goes on after any interruption.

A ledger is a file of lines: the first says what the job is, each further one what was finished.
A line that was cut short by a power failure is as if it had never been written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from carescope.errors import OutputError
from carescope.files import lock
from carescope.files.atomic import cannot_write, to_disk
from carescope.files.folder import remove

NAME = "ledger.jsonl"
#: Where those who share the job keep ledgers of their own, each in a folder.
SHARES = "shares"


class Ledger:
    """The notes of one job.

    Parameters
    ----------
    path
        The file; it exists.
    notes
        What it holds already.
    discarded
        Which entries of the job differed from those of another that was discarded.
    """

    def __init__(self, path: Path, notes: dict[str, Any], discarded: list[str]) -> None:
        self._path, self.notes, self.discarded = path, notes, discarded

    @property
    def folder(self) -> Path:
        return self._path.parent

    def __contains__(self, key: object) -> bool:
        return key in self.notes

    def note(self, key: str, value: Any = None) -> None:
        """Note that something is finished, and what it gave; it is on the disk on return.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        try:
            _append(self._path, [key, value])
        except OSError as error:
            raise cannot_write(self._path, error) from error
        self.notes[key] = value


@contextmanager
def working(folder: Path, job: Mapping[str, Any], *, overwrite: bool = False) -> Iterator[Ledger]:
    """Begin a job in a folder of its own, or go on with it; nobody else may meanwhile.

    Parameters
    ----------
    folder
        Where the job keeps its ledger and what it makes.
    job
        What the job is, by words that a message can name: JSON values.
    overwrite
        Discard another job that was begun there.

    Yields
    ------
    Ledger
        With the notes of all who shared the job too.

    Raises
    ------
    OutputError
        Another job was begun there, or another process works there.
    """
    job = as_noted(job)
    with lock.alone(folder, option="--out"):
        path, discarded = folder / NAME, []
        begun = begun_in(folder)
        if begun is not None and begun[0] != job:
            discarded = [k for k in {**begun[0], **job} if begun[0].get(k) != job.get(k)]
            if not overwrite:
                raise OutputError(
                    "was begun, and is not finished, with another " + ", ".join(discarded),
                    where=folder,
                    remedy="Give the same command again to go on, or --overwrite to begin anew",
                )
            begun = None
        try:
            if begun is None:
                empty(folder)
                _append(path, job)
            else:
                _mend(path)
        except OSError as error:
            raise cannot_write(path, error) from error
        yield Ledger(path, all_notes(folder) if begun else {}, discarded)


def as_noted(job: Mapping[str, Any]) -> dict[str, Any]:
    """What a job is, as a ledger gives it back: tuples become lists."""
    noted: dict[str, Any] = json.loads(json.dumps(job))
    return noted


def all_notes(folder: Path) -> dict[str, Any]:
    """The notes of a job, and of all who shared it; those of the job itself count."""
    shares = sorted((folder / SHARES).glob(f"*/{NAME}"))
    found = [begun_in(path.parent) for path in shares] + [begun_in(folder)]
    return {key: value for begun in found if begun for key, value in begun[1].items()}


def begun_in(folder: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The job that was begun in a folder, and its notes; None where none was."""
    lines = _whole_lines(folder / NAME)
    if not lines or not isinstance(lines[0], dict):
        return None
    return lines[0], dict(lines[1:])


def empty(folder: Path) -> None:
    """Remove all that a job made but its lock; last what is known of it."""
    for inside in sorted(folder.iterdir(), key=lambda path: path.name == NAME):
        if inside.name != lock.NAME:
            remove(inside)


def _append(path: Path, value: Any) -> None:
    new = not path.exists()
    with path.open("ab") as file:
        file.write(json.dumps(value).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if new:
        to_disk(path.parent)


def _whole_lines(path: Path) -> list[Any]:
    try:
        content = path.read_bytes()
    except OSError:
        return []
    found = []
    for line in content.splitlines(keepends=True):
        try:
            found.append(json.loads(line if line.endswith(b"\n") else b""))
        except ValueError:
            break
    return found


def _mend(path: Path) -> None:
    """Cut off a line that was not written to its end."""
    length = 0
    with path.open("r+b") as file:
        for _ in _whole_lines(path):
            length += len(file.readline())
        file.truncate(length)
