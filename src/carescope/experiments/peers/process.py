"""A program at work in a process of its own: asked for one thing, or in turns with others."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from carescope.errors import ModelError
from carescope.files import folder

JSON = dict[str, Any]
HERE = Path(__file__).parent


def threads() -> int:
    """As many as there are cores for this process; every program is given the same."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
        self._in, self._out = (
            cast(IO[str], self._process.stdin),
            cast(IO[str], self._process.stdout),
        )
        self._hear("ready")

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
        except BrokenPipeError:
            raise _failed(self._program, self._log) from None
        return float(self._hear("seconds"))

    def end(self) -> int | None:
        """The most memory that it had, in bytes, where the system tells; it is gone then."""
        self._in.close()
        most = self._hear("peak_bytes")
        self._process.wait()
        return None if most is None else int(most)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._in, self._out):
            if not stream.closed:
                stream.close()

    def _hear(self, key: str) -> Any:
        line = self._out.readline()
        if not line:
            raise _failed(self._program, self._log)
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
        said, _ = process.communicate()
    finally:
        process.kill()
        process.wait()
    if process.returncode or not said:
        raise _failed(program, log)
    facts: JSON = json.loads(said.splitlines()[-1])
    return facts


def _started(program: str, python: Path, job: JSON, log: Path) -> subprocess.Popen[str]:
    folder.make(log.parent)
    given = {"folder": str(log.parent), "log": str(log), "threads": threads(), "seed": 0, **job}
    command = [python, "-P", HERE / "harness.py", HERE / f"{program}_peer.py", json.dumps(given)]
    alone = {name: v for name, v in os.environ.items() if not name.startswith("PYTHON")}
    kept = dict(os.environ) if program == "carescope" else alone
    kept |= {"OMP_NUM_THREADS": str(threads()), "CUDA_VISIBLE_DEVICES": ""}  # processors alone
    return subprocess.Popen(  # noqa: S603
        list(map(str, command)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=kept,
        text=True,
    )


def _failed(program: str, log: Path) -> ModelError:
    said = folder.read_bytes(log).decode(errors="replace").strip() if log.exists() else ""
    lines = said.splitlines() or ["it did not begin"]
    return ModelError(
        f"{program} failed: {lines[-1]}", where=log, remedy="Look at what it wrote there"
    )
