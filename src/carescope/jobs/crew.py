"""Several processes of this computer that restore blocks of one work."""

from __future__ import annotations

import json
import os
import queue
import secrets
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, Self

import torch

from carescope import errors
from carescope.errors import CarescopeError, OutOfMemoryError
from carescope.files.resident import resident_bytes
from carescope.jobs.hand import LostError, Piece
from carescope.jobs.order import Order
from carescope.predict.memory import LEAST_BYTES, RESERVE_BYTES

#: So often a piece is tried again whose worker was killed.
RETRIES = 3
#: What a process ends with that was killed as the system does for lack of memory.
_KILLED = -9


class Crew:
    """Workers that are started when there is something to do; a context manager that ends them.

    Parameters
    ----------
    order
        What they restore. Nothing of it need be there before pieces are done.
    count
        How many there are; they share the threads that this process may use.
    word, name
        By which who leads is known, and how their names begin; see `carescope.files.shares`.
    """

    def __init__(
        self, order: Order, count: int, *, word: str | None = None, name: str = ""
    ) -> None:
        self.order, self.count, self.name = order, count, name
        self.word = word or secrets.token_hex(8)
        self._heard: queue.SimpleQueue[tuple[_Worker, dict[str, Any] | None]]
        self._heard = queue.SimpleQueue()
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def memory_of_each(self, memory_bytes: int | None, held: int | None = None) -> int | None:
        """How much of a limit on all together each may take, this process left out.

        It held so much when it began; where None, what it holds now.

        Raises
        ------
        OutOfMemoryError
            They do not fit.
        """
        if memory_bytes is None:
            return None
        held = resident_bytes() if held is None else held
        least = held + self.count * (held + RESERVE_BYTES + LEAST_BYTES)
        if memory_bytes < least:
            raise OutOfMemoryError(
                f"{memory_bytes / 1e9:.2g} GB are too little for {self.count} workers",
                where="--memory",
                remedy=f"Give at least {least / 1e9:.2g}GB, or fewer --workers",
            )
        return (memory_bytes - held) // self.count

    def do(self, pieces: Sequence[Piece], done: Callable[[Piece, int], None]) -> None:
        """Do pieces; those of a worker that was killed are done by the others, or a new one.

        Raises
        ------
        CarescopeError
            A worker says what is wrong, or a piece costs one worker after the other.
        """
        waiting, lost = deque(pieces), Counter[Piece]()
        while waiting or any(worker.at for worker in self._workers):
            self._give(waiting)
            worker, answer = self._next()
            if worker not in self._workers:
                continue
            piece, worker.at = worker.at, None
            if answer is None:
                self._workers.remove(worker)
                code = worker.ended()
                if piece:
                    lost[piece] += 1
                    if lost[piece] > RETRIES:
                        raise LostError(piece, _why(code), of_memory=code == _KILLED)
                    waiting.appendleft(piece)
            elif "error" in answer:
                raise told(answer["error"])
            elif piece:
                done(piece, answer["done"])

    def _next(self) -> tuple[_Worker, dict[str, Any] | None]:
        """What is heard next, while Ctrl-C is heard too: not every system wakes who waits."""
        while True:
            with suppress(queue.Empty):
                return self._heard.get(timeout=1)

    def _give(self, waiting: deque[Piece]) -> None:
        """Give all who have nothing to do a piece; start workers where there are too few."""
        free = [worker for worker in self._workers if worker.at is None]
        while waiting and (free or len(self._workers) < self.count):
            if not free:
                taken = {worker.number for worker in self._workers}
                number = next(n for n in range(self.count) if n not in taken)
                free = [_Worker(number, self._environment(number), self._heard)]
                free[0].tell({"order": self.order.text(), "word": self.word, "name": self.name})
                self._workers += free
            free.pop(0).take(waiting.popleft())

    def _environment(self, number: int) -> Mapping[str, str]:
        """That of a worker: its share of the threads, and of several GPUs one of its own."""
        threads = str(max(1, torch.get_num_threads() // self.count))
        own = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        devices = torch.cuda.device_count()
        if devices > 1:
            named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
            names = named.split(",") if named else [str(n) for n in range(devices)]
            own["CUDA_VISIBLE_DEVICES"] = names[number % devices]
        return os.environ | own


class _Worker:
    """A process that does pieces, and what it is at."""

    def __init__(self, number: int, environment: Mapping[str, str], heard: queue.SimpleQueue[Any]):
        self.number = number
        self.at: Piece | None = None
        # Ctrl-C reaches this process alone, which ends them.
        self._process = subprocess.Popen(  # our own interpreter, constant arguments
            [sys.executable, "-P", "-m", "carescope.jobs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._in: IO[str] = self._process.stdin  # type: ignore[assignment] # it is a pipe
        self._out: IO[str] = self._process.stdout  # type: ignore[assignment]
        self._listener = threading.Thread(target=self._listen, args=(heard,), daemon=True)
        self._listener.start()

    def tell(self, message: object) -> None:
        with suppress(OSError):  # one that has died is heard of in another way
            self._in.write(json.dumps(message) + "\n")
            self._in.flush()

    def take(self, piece: Piece) -> None:
        self.at = piece
        self.tell(piece)

    def ended(self) -> int:
        """The exit code of one that has died, less than 0 for a signal."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        return self.end()

    def end(self) -> int:
        """Kill it, unless it has died: what it has finished is on the disk."""
        self._process.kill()
        code = self._process.wait()
        self._listener.join()
        with suppress(OSError):
            self._in.close()
        return code

    def _listen(self, heard: queue.SimpleQueue[Any]) -> None:
        try:
            with self._out:
                for line in self._out:
                    heard.put((self, json.loads(line)))
        finally:
            heard.put((self, None))


def _why(code: int) -> str:
    tries = f"{RETRIES + 1} workers"
    if code == _KILLED:
        return f"{tries} were killed over it, as the system does when memory runs out"
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return f"{tries} ended over it {how}"


def told(error: Sequence[str | None]) -> CarescopeError:
    """The error that another process told of."""
    kind, what, where, remedy = error
    made = getattr(errors, str(kind), errors.OutputError)
    return made(str(what), where=where, remedy=remedy or "")
