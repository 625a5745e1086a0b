"""Things made ahead by threads: in order, not too many, and errors when their turn comes."""

import gc
import itertools
import threading
import time
import weakref

import pytest

from carescope.ahead import ahead


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 20])
def test_what_is_made_comes_in_order(threads, count):
    def make(number):
        time.sleep(0.002 * (number % 3))
        return number

    made = ahead(make, range(7, 7 + count), threads=threads, waiting=threads)
    assert list(made) == list(range(7, 7 + count))


@pytest.mark.parametrize(("threads", "waiting"), [(1, 1), (2, 4)])
def test_so_many_wait_and_no_more(threads, waiting):
    asked = []
    made = ahead(asked.append, itertools.count(), threads=threads, waiting=waiting)
    next(made)
    time.sleep(0.1)
    assert len(asked) == 1 + waiting
    made.close()


def test_what_was_yielded_is_let_go_by_who_takes_it():
    class Thing:
        pass

    made = ahead(lambda _: Thing(), range(3), threads=1, waiting=1)
    seen = weakref.ref(next(made))
    gc.collect()
    assert seen() is None
    made.close()


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_an_error_comes_when_it_is_its_turn(threads):
    before = threading.active_count()
    made = ahead(lambda n: 1 // n, [2, 1, 0, 1], threads=threads, waiting=threads)
    assert [next(made), next(made)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(made)
    assert threading.active_count() == before
