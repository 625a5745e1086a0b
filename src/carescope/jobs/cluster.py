"""Workers of a Dask cluster that restore blocks of one work."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Self

from carescope.errors import UsageError
from carescope.files.processor import cores
from carescope.jobs.crew import RETRIES, told
from carescope.jobs.hand import LostError, Piece
from carescope.jobs.order import Order
from carescope.jobs.worker import do_one

#: So many pieces are handed out for each thread of the cluster, so that none waits for the next.
AHEAD = 3
#: A scheduler that is there answers within so many seconds.
_ANSWERS_WITHIN_S = 10.0
_REMEDY = "Give the address that the scheduler prints, such as tcp://node1:8786, or local"


class Cluster:
    """Workers of a cluster that is there, or of one on this computer; a context manager.

    Parameters
    ----------
    order
        What they restore. Nothing of it need be there before pieces are done.
    address
        That of the scheduler; or ``local`` for processes of this computer, which end with this one.
    count
        How many processes of this computer; as many as it has cores where None.

    Raises
    ------
    UsageError
        It is no address, Dask is not installed, or nobody answers.
    """

    def __init__(self, order: Order, address: str, *, count: int | None = None) -> None:
        if address != "local" and not re.fullmatch(r"(\w+://)?[^/\s]+:\d+", address):
            raise UsageError(f"{address!r} is no address", where="--dask", remedy=_REMEDY)
        self.order, self.word = order, secrets.token_hex(8)
        self._address, self._count = address, count
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            import distributed
        except ImportError as error:
            raise UsageError(
                "Dask is not installed",
                where="--dask",
                remedy="Install it with pip install 'carescope[dask]', or use --workers",
            ) from error
        dask: Any = distributed  # it has no types
        place: Any = self._address
        if place == "local":
            # Memory is bounded by the size of blocks, and not by restarting workers.
            place = self._stack.enter_context(
                dask.LocalCluster(
                    n_workers=self._count or cores(),
                    threads_per_worker=1,
                    memory_limit=0,
                    dashboard_address=None,
                )
            )
        secured = dask.Security().get_connection_args("client")
        if self._address.startswith("tls:") and secured.get("ssl_context") is None:
            raise UsageError(
                "TLS is asked for, and Dask is not told of any certificate",
                where="--dask",
                remedy="Name it in Dask's configuration, under distributed.comm.tls",
            )
        try:
            if self._address != "local":
                asyncio.run(asyncio.wait_for(_greet(place, secured), _ANSWERS_WITHIN_S))
            self._client = self._stack.enter_context(dask.Client(place, set_as_default=False))
        except (OSError, ValueError) as error:
            raise UsageError(
                f"no Dask scheduler answers at {self._address}",
                where="--dask",
                remedy=_REMEDY,
            ) from error
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def memory_of_each(self, memory_bytes: int | None, held: int | None = None) -> int | None:
        """The limit itself: it is that of each worker, wherever that is."""
        return memory_bytes

    def do(self, pieces: Sequence[Piece], done: Callable[[Piece, int], None]) -> None:
        """Do pieces; those of a worker that was lost are done by others.

        Raises
        ------
        CarescopeError
            A worker says what is wrong.
        LostError
            A piece costs one worker after the other, or Dask fails.
        """
        import distributed

        dask: Any = distributed
        text, waiting = self.order.text(), deque(pieces)
        of: dict[Any, Piece] = {}

        def ask() -> list[Any]:
            """Futures of the next pieces, for as many threads as the cluster has by now."""
            threads = max(1, sum(self._client.nthreads().values()))
            new = []
            while waiting and len(of) < AHEAD * threads:
                piece = tuple(waiting[0])
                new += [
                    self._client.submit(do_one, text, self.word, piece, retries=RETRIES, pure=False)
                ]
                of[new[-1]] = waiting.popleft()
            return new

        if not pieces:
            return
        with _losing(pieces[0]):
            at_work = dask.as_completed(ask(), loop=self._client.loop)
        for future in at_work:
            piece = of.pop(future)
            with _losing(piece):
                answer = future.result()
            if "error" in answer:
                raise told(answer["error"])
            done(piece, answer["done"])
            if waiting:
                with _losing(waiting[0]):
                    at_work.update(ask())


async def _greet(address: str, secured: dict[str, Any]) -> None:
    """Connect to a scheduler, and leave: Dask's client waits for ever for what is none."""
    from distributed import core

    dask: Any = core  # it has no types
    comm = await dask.connect(address, timeout=_ANSWERS_WITHIN_S, **secured)
    await comm.close()


@contextmanager
def _losing(piece: Piece) -> Iterator[None]:
    """Say of a piece what Dask raises: itself, its connections, or what workers lack."""
    from distributed import KilledWorker

    try:
        yield
    except KilledWorker as error:
        raise LostError(piece, f"it cost {RETRIES + 1} workers", of_memory=True) from error
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise LostError(piece, why, of_memory=False) from error
