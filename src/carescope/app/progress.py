"""Progress: a bar with the time left on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from carescope.train import Progress

SECONDS_BETWEEN_LINES = 10.0


class Watch:
    """Shows how far a job is, on standard error; a context manager.

    Parameters
    ----------
    quiet
        Show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._began: dict[str, tuple[float, float]] = {}  # when, and how far it was by then
        self._last_line = 0.0
        self._bar: Bar | None = None
        self._tasks: dict[str, TaskID] = {}
        self._done: dict[str, float] = {}
        if not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description:<10}"),
                BarColumn(bar_width=32),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), transient=False)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()

    def training(self, progress: Progress) -> None:
        """Told after each step of training."""
        note = f"step {progress.step}, loss {progress.train_loss:.4g}"
        if progress.val_loss == progress.val_loss:
            note += f", validation {progress.val_loss:.4g}"
        self._show("training", progress.done, note)

    def restoring(self, done: float) -> None:
        """Told after each block that is restored."""
        self._show("restoring", done, "")

    def simulating(self, done: float) -> None:
        """Told after each step of a simulation."""
        self._show("simulating", done, "")

    def say(self, text: str) -> None:
        """A line of its own."""
        if self.quiet:
            return
        if self._bar:
            self._bar.console.print(text, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def _show(self, name: str, done: float, note: str) -> None:
        done = min(done, 1.0)
        if self.quiet:
            return
        if done < self._done.get(name, 2.0):  # new, or the same job on another image
            self._begin(name, done, note)
        self._done[name] = done
        if self._bar:
            self._bar.update(self._tasks[name], completed=done, note=note)
            return
        now = time.monotonic()
        if now - self._last_line < SECONDS_BETWEEN_LINES and done < 1:
            return
        self._last_line = now
        began, already = self._began[name]
        left = (now - began) * (1 - done) / (done - already) if done > already else 0.0
        self.say(f"{name}: {done:4.0%}, {left:.0f} s left{', ' + note if note else ''}")

    def _begin(self, name: str, already: float, note: str) -> None:
        """It may go on where an interrupted run stopped: only the rest says how fast it is."""
        self._last_line = time.monotonic()
        self._began[name] = self._last_line, already
        if self._bar:
            self._tasks[name] = self._bar.add_task(name, total=1.0, note=note)
