"""Blocks one after the other: the next is read and the last one written while one is restored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TypeVar

from carescope.ahead import ahead
from carescope.predict.estimate import Estimate
from carescope.predict.sight import Sight

P = TypeVar("P")
K = TypeVar("K")


def flow(
    pieces: Iterable[P],
    see: Callable[[P], Sight],
    restore: Callable[[Sight], Estimate],
    keep: Callable[[P, Estimate], K],
    done: Callable[[P, K], object],
) -> None:
    """Restore pieces in their order.

    Parameters
    ----------
    pieces
        What is restored, one at a time.
    see
        Reads what a piece needs; in a thread of its own.
    restore
        What is seen of it; here.
    keep
        Puts it where it belongs; in a thread of its own, one piece after the other.
    done
        Told of each piece that is kept, and what `keep` returned; here. Of the last one also where
        something went wrong with the next, or Ctrl-C came, which waits for what is being read and
        kept.
    """
    keeping: tuple[P, Future[K]] | None = None

    def settle() -> None:
        nonlocal keeping
        if keeping:
            piece, result = keeping[0], keeping[1].result()
            keeping = None
            done(piece, result)

    def seen(piece: P) -> tuple[P, Sight]:
        return piece, see(piece)

    with (
        closing(ahead(seen, pieces, threads=1, waiting=1)) as coming,
        ThreadPoolExecutor(1, "keep") as writer,
    ):
        try:
            for piece, near in coming:
                restored = restore(near)
                del near  # before more is read
                settle()
                keeping = piece, writer.submit(keep, piece, restored)
                del restored
        except BaseException:
            with suppress(Exception):  # what went wrong first is told
                settle()
            raise
        settle()
