"""Blocks are read, restored and kept at once: in order, and one that fails costs no other."""

import gc
import threading
import time
import weakref

import pytest

from carescope.predict import flow


class Seen:
    """What was seen of a piece."""

    def __init__(self, number):
        self.number = number


def run(count, *, see=Seen, restore=lambda seen: seen.number, keep=lambda piece, part: None):
    """Which pieces are done, in what order, and what was thrown."""
    done = []
    try:
        flow(range(count), see, restore, keep, lambda piece, kept: done.append((piece, kept)))
    except (KeyError, KeyboardInterrupt) as error:
        return done, error
    return done, None


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_each_piece_is_kept_as_it_was_restored_and_then_told_of(count):
    def keep(piece, part):
        assert part == piece**2
        return -piece

    done, error = run(count, restore=lambda seen: seen.number**2, keep=keep)
    assert error is None
    assert done == [(n, -n) for n in range(count)]


def test_the_next_is_read_and_the_last_one_kept_while_one_is_restored():
    """Each waits for the others to be at their pieces, which would last for ever one by one."""
    before, meeting = threading.active_count(), threading.Barrier(3, timeout=10)

    def at(number):
        if number == 2:
            meeting.wait()

    def see(number):
        at(number)
        return Seen(number)

    def restore(seen):
        at(seen.number + 1)
        return seen.number

    done, error = run(4, see=see, restore=restore, keep=lambda piece, _: at(piece + 2))
    assert error is None
    assert len(done) == 4
    assert threading.active_count() == before


def test_no_more_is_read_than_the_next():
    alive, most, read = weakref.WeakSet(), [], [threading.Event() for _ in range(6)]

    def look():
        gc.collect()
        most.append(len(alive))

    def see(number):
        look()
        alive.add(seen := Seen(number))
        read[number].set()
        return seen

    def restore(seen):
        assert read[min(seen.number + 1, 5)].wait(10)
        time.sleep(0.02)  # in which another could be
        look()
        return seen.number

    run(6, see=see, restore=restore, keep=lambda *_: time.sleep(0.03))
    assert max(most) == 2


@pytest.mark.parametrize("kind", [KeyError, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["see", "restore", "keep"])
def test_what_befalls_a_piece_ends_the_work_and_spares_those_before(where, kind):
    def fails(piece, *_):
        number = getattr(piece, "number", piece)
        if number == 3:
            raise kind("it went wrong")
        return Seen(number) if where == "see" else number

    done, error = run(9, **{where: fails})
    assert isinstance(error, kind)
    assert [piece for piece, _ in done] == [0, 1, 2]


def test_what_went_wrong_first_is_told():
    def full(piece, _):
        time.sleep(0.05)
        raise KeyError(piece)

    def interrupted(seen):
        if seen.number == 1:
            raise KeyboardInterrupt
        return seen.number

    done, error = run(3, restore=interrupted, keep=full)
    assert isinstance(error, KeyboardInterrupt)
    assert done == []
