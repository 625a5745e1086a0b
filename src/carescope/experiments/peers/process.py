"""A program at work in a process of its own: asked for one thing, or in turns with others."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self, cast

from carescope.errors import ModelError
from carescope.files import folder
from carescope.files.processor import cores

JSON = dict[str, Any]
HERE = Path(__file__).parent


class Contestant:
    """A program that does a number of pieces of its work whenever it is its turn.

    Parameters
    ----------
    program
        ``carescope`` or one of the peers.
    python
        Where it is installed.
    job
        Which ``work``, and its settings; ``turns`` is how many pieces there are to a turn, and
        ``warm_up`` how many go before the first.
    there
        A folder in which it may write; made where it is missing.
    """

    def __init__(self, program: str, python: Path, job: JSON, there: Path) -> None:
        self._program, self._log = program, there / f"{program}.log"
        self._process = _started(program, python, job, self._log)
        self._in, self._out = _streams(self._process)

    def __enter__(self) -> Self:
        try:
            self._hear("ready")
        except BaseException:
            _end(self._process)
            raise
        return self

    def __exit__(self, *error: object) -> None:
        _end(self._process)

    def turn(self) -> float:
        """Seconds of a piece, the mean over a turn.

        Raises
        ------
        ModelError
            The program failed.
        """
        try:
            self._in.write("\n")
            self._in.flush()
        except OSError:
            raise _failed(self._program, self._process, self._log) from None
        return float(self._hear("seconds"))

    def finish(self) -> int | None:
        """The most memory that it had, in bytes, where the system tells; it is gone then."""
        self._in.close()
        most = self._hear("peak_bytes")
        return None if most is None else int(most)

    def _hear(self, key: str) -> Any:
        line = self._out.readline()
        if not line:
            raise _failed(self._program, self._process, self._log)
        return json.loads(line)[key]


def once(program: str, python: Path, job: JSON, there: Path) -> JSON:
    """Have a program do one thing, and tell what it says of it, with ``peak_bytes``.

    Raises
    ------
    ModelError
        The program failed.
    """
    log = there / f"{program}.log"
    process = _started(program, python, job, log)
    try:
        said = _streams(process)[1].read()
        if process.wait() or not said:
            raise _failed(program, process, log)
    finally:
        _end(process)
    facts: JSON = json.loads(said.splitlines()[-1])
    return facts


def _started(program: str, python: Path, job: JSON, log: Path) -> subprocess.Popen[str]:
    folder.make(log.parent)
    given = {"folder": str(log.parent), "log": str(log), "threads": cores(), "seed": 0, **job}
    command = [python, "-P", HERE / "harness.py", HERE / f"{program}_peer.py", json.dumps(given)]
    alone = {name: v for name, v in os.environ.items() if not name.startswith("PYTHON")}
    kept = dict(os.environ) if program == "carescope" else alone
    # What carescope finds out of this machine is kept with the job, and found out anew by another.
    kept |= {"XDG_CACHE_HOME": str(log.parent), "LOCALAPPDATA": str(log.parent)}
    kept["OMP_NUM_THREADS"] = str(given["threads"])
    kept["CUDA_VISIBLE_DEVICES"] = ""  # processors alone
    return subprocess.Popen(  # noqa: S603
        list(map(str, command)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=kept,
        text=True,
    )


def _streams(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    return cast(IO[str], process.stdin), cast(IO[str], process.stdout)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in _streams(process):
        with suppress(OSError):  # what was not sent any more has nowhere to go
            stream.close()


def _failed(program: str, process: subprocess.Popen[str], log: Path) -> ModelError:
    code = process.wait()
    said = folder.read_bytes(log).decode(errors="replace").strip() if log.exists() else ""
    last = said.splitlines()[-1].strip() if said and code > 0 else "it ended before its turn"
    if code < 0:
        last = f"it was killed by signal {-code}, perhaps for lack of memory"
    return ModelError(f"{program} failed: {last}", where=log, remedy="Look at what it wrote there")
