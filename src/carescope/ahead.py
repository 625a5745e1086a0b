"""What is needed next, made by threads while what is there is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


def ahead(
    make: Callable[[A], T], items: Iterable[A], *, threads: int, waiting: int
) -> Generator[T, None, None]:
    """Yield what is made of each item, in their order.

    Parameters
    ----------
    make
        Depends on nothing but its argument, so that the number of threads changes nothing. An
        exception of it is raised when its turn comes.
    items
        Its arguments; they may have no end.
    threads
        How many make something; 0 calls `make` here, when its value is asked for.
    waiting
        How many are made before they are asked for, beside the one that was yielded last; at
        least 1. Who stops asking waits for those that are being made.
    """
    if threads == 0:
        yield from map(make, items)
        return
    coming = iter(items)
    pool = ThreadPoolExecutor(threads, "ahead")
    try:
        made = deque(pool.submit(make, item) for item in islice(coming, waiting))
        while made:
            made.extend(pool.submit(make, item) for item in islice(coming, 1))
            yield made.popleft().result()  # not held here while it is worked on
    finally:
        pool.shutdown(cancel_futures=True)
