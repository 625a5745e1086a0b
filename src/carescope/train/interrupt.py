"""Ctrl-C and SIGTERM while a run is kept: the step is ended and kept first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether training was asked to end."""

    asked = False


@contextmanager
def awaited(*, kept: bool) -> Iterator[Interruption]:
    """Take the first signal as a question; the second does what it always did.

    Parameters
    ----------
    kept
        Whether there is a folder in which the run is kept; without one the first signal ends it.
    """
    interruption, before = Interruption(), dict[signal.Signals, Any]()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        before.clear()

    def ask(_number: int, _frame: FrameType | None) -> None:
        interruption.asked = True
        restore()

    # Python lets nobody but the main thread take signals.
    if kept and threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            before[number] = signal.signal(number, ask)
    try:
        yield interruption
    finally:
        restore()
