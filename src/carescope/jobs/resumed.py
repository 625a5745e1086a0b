"""Restore into OME-Zarr, so that the same command goes on after any interruption.

All is made in a hidden folder beside the output: the image, and those of its spread, with a ledger
of what is finished. What was interrupted and taken up again has the same bytes as what was not,
and so has what several processes did together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from carescope import engine, predict
from carescope.errors import CarescopeError, OutOfMemoryError, OutputError
from carescope.files import folder, ledger, shares
from carescope.jobs import once
from carescope.jobs.hand import BLOCK, Do, Hand, Hands, LostError, Maps, Piece, Size
from carescope.jobs.outputs import NAMED, published, stem, unfinished
from carescope.jobs.work import Work
from carescope.normalize import Affine

#: Notes of what is settled before the first block, and of what comes after the last one.
PERCENTILES, BLOCKS, LAID_OUT, FINISHED = "percentiles", "blocks", "laid out", "finished"
#: Blocks are worth a word where networks see so many times the pixels of the whole at once.
WASTE = 12
#: How long to wait for a worker that does again what another has finished, thought to be lost.
STRAGGLER_S = 600.0


def known_maps(work: Work) -> Maps | None:
    """What normalises each channel, where an interrupted run of the same work has found it."""
    begun = ledger.begun_in(unfinished(work.out))
    if begun is None or PERCENTILES not in begun[1]:
        return None
    told = work.told()
    same = all(begun[0].get(key) == told[key] for key in ("input", "model"))
    return as_maps(begun[1][PERCENTILES]) if same else None


def maps_of(work: Work) -> Maps:
    """What normalises each channel: as an interrupted run found it, or by a pass over the image."""
    return known_maps(work) or once.fit(work.stack, work.model.recipe.percentiles)


def restore(
    work: Work,
    *,
    maps: Maps | None = None,
    memory_bytes: int | None = None,
    held: int | None = None,
    overwrite: bool = False,
    hands: Hands | None = None,
    watch: Callable[[float], None] | None = None,
) -> tuple[int, list[str]]:
    """Restore into OME-Zarr 0.5, or go on with it.

    Parameters
    ----------
    work
        What is restored, into what; it fits together.
    maps
        What normalises each channel, if that is known.
    memory_bytes
        Below what the whole process stays, with all `hands`; where None, a block takes up to
        four gigabytes.
    held
        What the process held when it began: see `carescope.predict.room`.
    overwrite
        Replace what is there, and discard other work that was begun.
    hands
        Who restores the blocks; this process where None.
    watch
        Called with the share of the blocks that is restored.

    Returns
    -------
    clipped, warnings
        How many values did not fit their type; and whether other work was discarded.

    Raises
    ------
    OutputError
        Other work was begun under this name, or nothing can be written.
    OutOfMemoryError
        The blocks that were begun with do not fit in the memory that is given now.
    KeyboardInterrupt
        With a message that says how much is finished.
    """
    place = unfinished(work.out)
    memory = hands.memory_of_each(memory_bytes, held) if hands else memory_bytes
    with shares.leading(place):
        shares.dismiss(place)
        with ledger.working(place, work.told(), overwrite=overwrite) as book, keeping(book):
            hand = settle(work, book, maps, memory, held)
            if hands:
                shares.invite(place, hands.word)
            do = _thoroughly(hands, place) if hands else hand.do
            if FINISHED not in book:
                for volume in hand.volumes.values():
                    volume.sweep()
                fill(hand, book, do, hand.blocks(), watch)
            clipped = close(work, book, hand, do, overwrite=overwrite)
            warnings = [*discarded(book), *wasteful(work, book)]
    return clipped, warnings


def discarded(book: ledger.Ledger) -> list[str]:
    """A warning where other work was discarded for this one."""
    differing = ", ".join(book.discarded)
    said = f"An unfinished restoration with another {differing} was discarded."
    return [said] if differing else []


def wasteful(work: Work, book: ledger.Ledger) -> list[str]:
    """A warning where blocks are so small that networks see little but halos."""
    size, space = book.notes[BLOCKS], work.there.space
    times = predict.seen_px(work.model, space, size) / predict.seen_px(work.model, space, space)
    if times < WASTE:
        return []
    return [
        f"In blocks of {' x '.join(map(str, size))} voxels, as the memory allows, networks saw "
        f"{times:.0f} times the pixels that there are. More --memory or fewer --workers are faster."
    ]


def settle(
    work: Work,
    book: ledger.Ledger,
    maps: Maps | None,
    memory_bytes: int | None,
    held: int | None,
) -> Hand:
    """Settle all that blocks depend on, where an interrupted run has not; who can then do them."""
    if PERCENTILES not in book:
        maps = maps or once.fit(work.stack, work.model.recipe.percentiles)
        book.note(PERCENTILES, [(one.low, one.high) for one in maps])
    hand = Hand(work, _block_size(work, book, memory_bytes, held), as_maps(book.notes[PERCENTILES]))
    if LAID_OUT not in book:
        for volume in hand.volumes.values():
            folder.remove(volume.folder)
            volume.lay_out()
        book.note(LAID_OUT, {n: dict(layer.provenance) for n, layer in work.layers.items()})
    return hand


def _thoroughly(hands: Hands, place: Path) -> Do:
    """What has others do pieces, and waits until nobody is at one any more."""

    def do(pieces: Sequence[Piece], done: Callable[[Piece, int], None]) -> None:
        hands.do(pieces, done)
        shares.dismiss(place, hands.word, patience_s=STRAGGLER_S)

    return do


def fill(
    hand: Hand,
    book: ledger.Ledger,
    do: Do,
    pieces: Sequence[Piece],
    watch: Callable[[float], None] | None = None,
) -> None:
    """Do those of some pieces that are not finished yet, and note each."""
    left = [piece for piece in pieces if hand.name(piece) not in book]
    count = len(pieces) - len(left)
    if watch and count:
        watch(count / len(pieces))

    def done(piece: Piece, clipped: int) -> None:
        nonlocal count
        book.note(hand.name(piece), clipped)
        count += 1
        if watch:
            watch(count / len(pieces))

    try:
        do(left, done)
    except LostError as lost:
        kind = OutOfMemoryError if lost.of_memory else CarescopeError
        raise kind(
            f"{hand.where(lost.piece)} could not be restored: {lost.why}",
            where=hand.volumes["mean"].folder,
            remedy="Give fewer --workers if memory ran out, or try with one process",
        ) from lost


def close(
    work: Work,
    book: ledger.Ledger,
    hand: Hand,
    do: Do,
    *,
    overwrite: bool,
) -> int:
    """Average the coarser levels, write the metadata, and give all layers their names.

    Returns
    -------
    int
        How many values did not fit their type.
    """
    if FINISHED not in book:
        for pieces in hand.coarser():
            fill(hand, book, do, pieces)
        for name, volume in hand.volumes.items():
            volume.finish(
                stem(work.layers[name].path),
                channel_names=work.there.channel_names,
                frame_s=work.there.frame_s,
                provenance=book.notes[LAID_OUT][name],
            )
        book.note(FINISHED, sum(n for key, n in book.notes.items() if key.startswith(BLOCK)))
    _publish(work, book, overwrite=overwrite)
    ledger.empty(book.folder)
    return int(book.notes[FINISHED] or 0)


@contextmanager
def keeping(book: ledger.Ledger) -> Iterator[None]:
    """Whatever ends the work early says how much of it is kept."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_progress(book)) from None
    except CarescopeError as error:
        raise type(error)(
            error.what,
            where=error.where,
            remedy=f"{error.remedy}; {_progress(book)}" if error.remedy else _progress(book),
        ) from error


def _publish(work: Work, book: ledger.Ledger, *, overwrite: bool) -> None:
    """Give all layers their names, the mean last: whoever sees it can see all of them."""
    ours = published(work.out)
    for name in sorted(work.layers, key=lambda n: n == "mean"):
        target = work.layers[name].path
        if target in ours:
            if not target.exists():
                raise OutputError(
                    "was finished, and is gone",
                    where=target,
                    remedy=f"Remove {book.folder}, and begin anew",
                )
            continue
        book.note(NAMED + name, target.name)
        folder.publish(book.folder / name, target, overwrite=overwrite)


def _block_size(
    work: Work, book: ledger.Ledger, memory_bytes: int | None, held: int | None
) -> Size:
    """The size of the blocks, which an interrupted run has settled for those after it."""
    room = predict.room(memory_bytes, held, engine.settled(work.model))
    smallest = predict.block_size(work.model, work.there.space, room)
    if BLOCKS not in book:
        book.note(BLOCKS, smallest)
    z, y, x = book.notes[BLOCKS]
    needed = predict.working_bytes(work.model, work.there.space, (z, y, x))
    too_much = memory_bytes is not None and needed > room + predict.SLACK * memory_bytes
    if too_much and tuple(smallest) != (z, y, x):
        raise OutOfMemoryError(
            f"the restoration was begun in blocks that take {(needed - room) / 1e9:.2g} GB more",
            where="--memory",
            remedy=f"Give as much memory as before, or remove {book.folder} to begin anew",
        )
    return z, y, x


def _progress(book: ledger.Ledger) -> str:
    count = sum(key.startswith(BLOCK) for key in book.notes)
    return f"{count} finished blocks are kept, and the same command goes on from there"


def as_maps(pairs: list[Any]) -> Maps:
    """What normalises each channel, as a ledger has it."""
    return tuple(Affine(low, high) for low, high in pairs)
