"""Runs in the Python of the program that is measured: loads what it can do, and does one thing.

    python -P harness.py csbdeep_peer.py '{"work": "steps", "log": "csbdeep.log", ...}'

It needs the standard library alone. What it says are lines of JSON on standard output; what the
program prints goes to a file. It is told to go on by lines on standard input.
"""

import json
import os
import runpy
import sys
import threading
import time


class Stage:
    """Where a program says how it went, and waits for its turn."""

    def __init__(self, log: str) -> None:
        self._said = os.fdopen(os.dup(1), "w")
        there = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(there, 1)
        os.dup2(there, 2)

    def say(self, **facts: object) -> None:
        """One line."""
        print(json.dumps(facts), file=self._said, flush=True)

    def wait(self) -> None:
        """Until it is this program's turn; nobody waits for a program that is not wanted any more.

        Raises
        ------
        SystemExit
            There is no further turn.
        """
        if not sys.stdin.readline():
            self.say(peak_bytes=peak_bytes())
            self._said.flush()
            os._exit(0)  # from within a training, whose clean-up does not matter


class Turns:
    """Counts what a program does by itself, and stops it after so many until its next turn."""

    def __init__(self, stage: Stage, count: int, warm_up: int) -> None:
        self._stage, self._count = stage, count
        self._left, self._began = warm_up, 0.0

    def done(self, *_: object, **__: object) -> None:
        """Called by the program after each piece, such as a step of training."""
        self._left -= 1
        if self._left > 0:
            return
        if self._began:
            self._stage.say(seconds=(time.perf_counter() - self._began) / self._count)
        else:
            self._stage.say(ready=True)
        self._stage.wait()
        self._left, self._began = self._count, time.perf_counter()


def peak_bytes() -> int | None:
    """The most memory that this process has had, where the system tells."""
    try:
        with open("/proc/self/status") as status:
            held = next(line for line in status if line.startswith("VmHWM:"))
        return 1024 * int(held.split()[1])
    except (OSError, StopIteration):
        return None


def _end_with_parent() -> None:
    """Who is at the other end keeps standard input open as long as it lives."""
    while os.read(0, 4096):  # without a lock, which a process that is forked would inherit
        pass
    os._exit(1)


def main() -> None:
    """Do what the second argument describes."""
    program, job = sys.argv[1], json.loads(sys.argv[2])
    stage = Stage(job["log"])
    work = runpy.run_path(program)[job["work"]]
    if "turns" in job:
        turns = Turns(stage, job["turns"], job["warm_up"])
        work(job, turns.done)
    else:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        stage.say(**(work(job) or {}), peak_bytes=peak_bytes())


if __name__ == "__main__":
    main()
