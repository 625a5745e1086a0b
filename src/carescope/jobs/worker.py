"""One of several processes that restore blocks of a work that another leads.

``python -m carescope.jobs.worker`` is told on its standard input what to do, a line of JSON each:
first an order, then pieces. It answers each piece on its standard output, and ends at once when its
input does, as it does when who leads was killed.
"""

from __future__ import annotations

import json
import os
import platform
import queue
import secrets
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

from carescope.errors import CarescopeError, InputError, OutOfMemoryError, of_memory
from carescope.files import ledger, shares
from carescope.files.resident import share_heaps
from carescope.jobs.engines import as_begun
from carescope.jobs.hand import Hand, Piece
from carescope.jobs.order import Order
from carescope.jobs.outputs import unfinished
from carescope.jobs.resumed import BLOCKS, PERCENTILES, as_maps

_one_at_a_time = threading.Lock()
_known: dict[tuple[str, str], Hand] = {}
#: Computers may be called the same, and number their processes alike.
_ours = secrets.token_hex(4)


def join(order: Order) -> Hand:
    """Who does pieces of a work that another has settled.

    Raises
    ------
    InputError
        The model or the image is not the same here.
    UsageError
        The engine that restores is not there, or not right.
    OutputError
        What was settled is not here.
    """
    model = order.load()
    work = order.work(model, order.reopen(model))
    begun = ledger.begun_in(unfinished(work.out))
    if begun is None:
        raise shares.absent(unfinished(work.out) / ledger.NAME)
    job, notes = begun
    maps = as_maps(notes[PERCENTILES])
    work = as_begun(work, job, maps)
    told = ledger.as_noted(work.told())
    differing = [name for name in told if told[name] != job.get(name)]
    if differing:
        raise InputError(
            f"is restored with another {', '.join(differing)} by who leads",
            where=order.stack,
            remedy="Make sure that all processes see the same files and the same carescope",
        )
    z, y, x = notes[BLOCKS]
    return Hand(work, (z, y, x), maps)


def do_one(text: str, word: str, piece: Sequence[Any], name: str = "") -> dict[str, Any]:
    """Do a piece of an order; what a worker of a Dask cluster runs.

    Parameters
    ----------
    text
        The order.
    word
        By which who leads is known; see `carescope.files.shares`.
    piece
        Of the work: the entries of a `Piece`.
    name
        How that of this process is to begin.

    Returns
    -------
    dict
        ``done``: how many values were clipped; or ``error``: what is wrong, which is no use trying
        again.
    """
    order = Order.of(text)
    try:
        # A process restores a block at a time, however many threads it is given.
        own = f"{name}{platform.node()}-{os.getpid()}-{_ours}"
        with _one_at_a_time, shares.taking_part(unfinished(order.to), own, word):
            if (text, word) not in _known:
                _known.clear()
                _known[text, word] = join(order)
            answer: dict[str, Any] = {}
            _known[text, word].do([Piece(*piece)], lambda _, clipped: answer.update(done=clipped))
            return answer
    except CarescopeError as error:
        return _told(error)
    except (MemoryError, RuntimeError) as problem:
        if not of_memory(problem):
            raise
        return _told(_too_large(order))


def main() -> None:
    """Do what standard input says."""
    share_heaps()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever prints does not get between the answers
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_hear, args=(asked,), daemon=True).start()
    first = json.loads(asked.get())
    while True:
        piece = json.loads(asked.get())
        _answer(answers, do_one(first["order"], first["word"], piece, first["name"]))


def _hear(asked: queue.SimpleQueue[str]) -> None:
    """Pass on what is asked for, and end the process with whoever asks."""
    for line in sys.stdin:
        asked.put(line)
    os._exit(0)


def _answer(answers: IO[str], answer: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):
        answers.write(json.dumps(answer) + "\n")


def _told(error: CarescopeError) -> dict[str, Any]:
    kind = type(error).__name__
    return {"error": [kind, error.what, error.where, error.remedy]}


def _too_large(order: Order) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"a worker on {platform.node()} has not enough memory for a block",
        where=order.stack,
        remedy="Give fewer --workers, close other programs, or begin anew with a smaller --memory",
    )


if __name__ == "__main__":
    main()
