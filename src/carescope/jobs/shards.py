"""Restore one OME-Zarr by jobs that know nothing of each other but the folder they share.

Each restores its part of the blocks and notes them in a ledger of its own. What blocks depend on
is settled by the first that comes, and whichever finds all of them finished does the rest; both
under a lock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field

from carescope import engine, read
from carescope.errors import CarescopeError, OutputError, UsageError
from carescope.files import ledger, lock, shares
from carescope.files.folder import check_free
from carescope.files.resident import kept_bytes
from carescope.jobs.crew import Crew
from carescope.jobs.engines import with_engine
from carescope.jobs.familiar import check_familiar
from carescope.jobs.hand import Do, Hand, Maps, Piece
from carescope.jobs.order import Order
from carescope.jobs.outputs import beside, check_output, published, unfinished
from carescope.jobs.restore import unknown_pixels
from carescope.jobs.resumed import (
    FINISHED,
    close,
    discarded,
    fill,
    keeping,
    known_maps,
    maps_of,
    settle,
)
from carescope.jobs.work import Work
from carescope.model import Ensemble, Model

#: The note of what non-finite pixels were taken as, by the first who looked at all.
LOOKED = "looked over"


@dataclass(frozen=True)
class Part:
    """What came of a part.

    Parameters
    ----------
    state
        ``restored``: all is, and this part did the last of it. ``finished already``: it was all
        there. ``part finished``: others are not.
    finished, blocks
        How many blocks of the whole there are by now, and how many there will be.
    clipped
        How many values did not fit their type; of the whole, where it is restored.
    warnings
        What is worth knowing.
    """

    state: str
    finished: int
    blocks: int
    clipped: int = 0
    warnings: list[str] = field(default_factory=list)


def parse(text: str) -> tuple[int, int]:
    """Read ``i/N``: the part, counted from 0, and how many there are.

    Raises
    ------
    UsageError
        It is no such thing.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    number, count = (int(n) for n in found.groups()) if found else (0, 0)
    if number >= count:
        several = f": 0/{count} to {count - 1}/{count}" if count else ", such as 0/4 to 3/4"
        raise UsageError(
            f"{text!r} is no part",
            where="--shard",
            remedy=f"Give i/N, parts counted from 0{several}",
        )
    return number, count


class Shard:
    """A part of a restoration.

    Parameters
    ----------
    order
        What is restored, into what.
    number, count
        Which part, from 0, of how many.
    workers
        How many processes restore it.
    say
        Told what is waited for.
    """

    def __init__(
        self,
        order: Order,
        number: int,
        count: int,
        *,
        workers: int = 1,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.order, self.number, self.count, self.workers = order, number, count, workers
        self._say, self._said = say, ""
        self._place, self._word = unfinished(order.to), f"{count} parts"

    def restore(
        self,
        *,
        memory_bytes: int | None = None,
        overwrite: bool = False,
        strict: bool = False,
        watch: Callable[[float], None] | None = None,
    ) -> Part:
        """Restore this part, and do what comes last if all others are finished.

        Parameters
        ----------
        memory_bytes, overwrite, strict
            As for `carescope.jobs.restore.restore_file`.
        watch
            Called with the share of this part that is done.

        Raises
        ------
        OutputError
            Other work was begun or is finished under this name, or other parts are at work.
        """
        check_free(self.order.to, overwrite=True)  # a folder that is not there is misspelt
        with ExitStack() as own, ExitStack() as crew:
            with self._leading():
                if self._is_there(overwrite=overwrite):
                    return Part("finished already", 0, 0)
                work, hand, warnings = self._settled(memory_bytes, overwrite, strict)
                folder = own.enter_context(
                    shares.taking_part(self._place, f"{self._mine}job", self._word)
                )
                book = own.enter_context(ledger.working(folder, work.told()))
            do = self._crew(crew).do if self.workers > 1 else hand.do
            book.notes |= ledger.all_notes(self._place)
            if FINISHED not in book:
                with keeping(book):
                    fill(hand, book, do, self._part(hand.blocks()), watch)
            own.close()
            return self._end(work, hand, do, warnings, overwrite=overwrite)

    @property
    def _mine(self) -> str:
        return f"{self.count}-{self.number}-"

    def _leading(self) -> AbstractContextManager[None]:
        """The lock of all; who holds it is waited for."""
        return shares.leading(self._place, wait=self._wait, needed=True)

    def _wait(self, taken: lock.TakenError) -> None:
        if self._say and taken.what != self._said:
            self._say(f"waiting: {taken.what}")
        self._said = taken.what

    def _is_there(self, *, overwrite: bool) -> bool:
        """Whether this very work is finished; refused where something else has its name."""
        order, model = self.order, self.order.load()
        ours = published(order.to)
        if order.to.exists() and order.to not in ours and not overwrite:
            work = order.work(model, order.reopen(model))
            with suppress(CarescopeError):
                there = read.open(order.to, axes=work.there.axes)
                wanted, told = dict(work.layers["mean"].provenance), read.provenance_of(order.to)
                for facts in (wanted, told):  # which may be the same in other words
                    facts.pop("command", None)
                by = told.get("engine", "").partition(",")[0]
                told["engine"] = wanted["engine"]  # whichever it was, if it may be that
                kind = (there.shape, there.voxel_um, there.dtype.name)
                same = kind == (work.there.shape, work.there.voxel_um, order.dtype)
                same = same and told == wanted
                if same and engine.stands_for(order.engine, by):
                    return True
        members = len(model.members) if order.spread else 0
        for path in (order.to, *beside(order.to, members, height=order.height).values()):
            check_output(path, order.dtype, overwrite=overwrite, ours=ours)
        return False

    def _settled(
        self, memory_bytes: int | None, overwrite: bool, strict: bool
    ) -> tuple[Work, Hand, list[str]]:
        """Settle what blocks depend on, or take it from who has; by who holds the lock of all."""
        place, model = self._place, self.order.load()
        held, begun = kept_bytes(), ledger.begun_in(place)
        work, maps, warnings = self._looked_over(model)
        if maps is None:
            maps = maps_of(work)
            warnings += unknown_pixels(model, work.stack)
            warnings += check_familiar(model, work.stack, maps, strict=strict)
        elif strict:
            check_familiar(model, work.stack, maps, strict=True)
        work, said = with_engine(work, maps, self.order.engine, memory_bytes, held=held)
        warnings += said
        same = begun is None or begun[0] == ledger.as_noted(work.told())
        others = f"{self.count}-"
        shares.dismiss(
            place,
            self._word if same else "",
            besides=lambda n: same and n.startswith(others) and not n.startswith(self._mine),
        )
        if self.workers > 1:
            memory_bytes = Crew(self.order, self.workers).memory_of_each(memory_bytes, held)
        with ledger.working(place, work.told(), overwrite=overwrite) as book:
            if LOOKED not in book:
                book.note(LOOKED, self.order.fill)
            warnings += discarded(book)
            hand = settle(work, book, maps, memory_bytes, held)
            shares.invite(place, self._word)
        return work, hand, warnings

    def _looked_over(self, model: Model | Ensemble) -> tuple[Work, Maps | None, list[str]]:
        """The work, with what is known if this very input was looked over; if not, it is now."""
        begun = ledger.begun_in(self._place)
        if begun and LOOKED in begun[1]:
            fill = begun[1][LOOKED]
            order = self.order.seen(fill)
            work = order.work(model, order.reopen(model))
            maps = known_maps(work)  # there are none of another input
            if maps and (fill is None or order.fill_nonfinite):
                self.order = order
                return work, maps, []
        stack, warnings, fill = self.order.look(model)
        self.order = self.order.seen(fill)
        return self.order.work(model, stack), None, warnings

    def _crew(self, running: ExitStack) -> Crew:
        crew = Crew(self.order, self.workers, word=self._word, name=self._mine)
        return running.enter_context(crew)

    def _part(self, blocks: Sequence[Piece]) -> Sequence[Piece]:
        """Neighbours, so that what two blocks both read is read by one job."""
        first, stop = (len(blocks) * n // self.count for n in (self.number, self.number + 1))
        return blocks[first:stop]

    def _end(
        self,
        work: Work,
        hand: Hand,
        do: Do,
        warnings: list[str],
        *,
        overwrite: bool,
    ) -> Part:
        """Do what comes after the last block, if all are finished and nobody else has."""
        names = [hand.name(piece) for piece in hand.blocks()]
        with self._leading():
            if ledger.begun_in(self._place) is None:
                if not work.out.exists():
                    raise OutputError(
                        "was removed while it was worked on",
                        where=self._place,
                        remedy="Give the same command again to begin anew",
                    )
                return Part("finished already", len(names), len(names), warnings=warnings)
            with ledger.working(self._place, work.told()) as book, keeping(book):
                finished = sum(name in book for name in names)
                if FINISHED not in book and finished < len(names):
                    return Part("part finished", finished, len(names), warnings=warnings)
                shares.dismiss(self._place, self._word)  # the others are about to leave
                if FINISHED not in book:
                    for volume in hand.volumes.values():
                        volume.sweep()
                clipped = close(work, book, hand, do, overwrite=overwrite)
        return Part("restored", len(names), len(names), clipped, warnings)
