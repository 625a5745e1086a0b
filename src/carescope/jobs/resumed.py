"""Restore into OME-Zarr, so that the same command goes on after any interruption.

All is made in a hidden folder beside the output: the image, and those of its spread, with a ledger
of what is finished. What was interrupted and taken up again has the same bytes as what was not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from carescope import normalize, predict
from carescope.errors import CarescopeError, OutOfMemoryError, OutputError
from carescope.files import folder, ledger
from carescope.files.hashes import stamp
from carescope.image import Image
from carescope.jobs.outputs import NAMED, published, stem, unfinished
from carescope.model import Ensemble, Model, calibrated
from carescope.normalize import Affine
from carescope.pieces import map_pieces
from carescope.write.zarr import Volume

Maps = tuple[Affine, ...]


@dataclass(frozen=True)
class Layer:
    """One of the images that a restoration consists of."""

    path: Path
    dtype: str
    provenance: Mapping[str, str]


@dataclass(frozen=True)
class Work:
    """What is restored, into what.

    Parameters
    ----------
    model, stack
        What restores, and what is restored.
    there
        What the restoration will be.
    layers
        The images to write, by the field of `carescope.predict.Estimate`; ``mean`` among them.
    """

    model: Model | Ensemble
    stack: Image
    there: predict.Outline
    layers: Mapping[str, Layer]

    @property
    def out(self) -> Path:
        return self.layers["mean"].path

    def told(self) -> dict[str, Any]:
        """All that the bytes of the result depend on, for a ledger."""
        facts = self.model.known if isinstance(self.model, Ensemble) else self.model.facts
        found = calibrated.of(facts)
        there = self.there
        software = predict.provenance(self.model, self.stack)["software"]
        return {
            "version of carescope": software,
            "model": [self.model.sha256, [found.factors, found.trends] if found else None],
            "input": [stem(Path(self.stack.source or "array")), _identity(self.stack)],
            "size, voxel size or channels": [
                there.axes,
                there.shape,
                there.voxel_um,
                there.channel_names,
            ],
            "--dtype": self.layers["mean"].dtype,
            "--spread": sorted(self.layers),
        }


def known_maps(work: Work) -> Maps | None:
    """What normalises each channel, where an interrupted run of the same work has found it."""
    begun = ledger.begun_in(unfinished(work.out))
    if begun is None or "percentiles" not in begun[1]:
        return None
    same = [begun[0].get(k) for k in ("input", "model")] == _plain(work)
    return _maps(begun[1]["percentiles"]) if same else None


def restore(
    work: Work,
    *,
    maps: Maps | None = None,
    memory_bytes: int | None = None,
    overwrite: bool = False,
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
        Below what the whole process stays; where None, a block takes up to a gigabyte.
    overwrite
        Replace what is there, and discard other work that was begun.
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
    with ledger.working(place, work.told(), overwrite=overwrite) as book:
        discarded = ", ".join(book.discarded)
        said = f"An unfinished restoration with another {discarded} was discarded."
        try:
            _fill(work, book, maps, memory_bytes, watch)
            _publish(work, book, overwrite=overwrite)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_progress(book)) from None
        except CarescopeError as error:
            raise type(error)(
                error.what,
                where=error.where,
                remedy=f"{error.remedy}; {_progress(book)}" if error.remedy else _progress(book),
            ) from error
        clipped = sum(n for key, n in book.notes.items() if key.startswith("block "))
        folder.remove(place)
    return clipped, [said] if discarded else []


def _fill(
    work: Work,
    book: ledger.Ledger,
    maps: Maps | None,
    memory_bytes: int | None,
    watch: Callable[[float], None] | None,
) -> None:
    """Restore all blocks that are not yet finished, then average the coarser levels."""
    if "percentiles" not in book:
        maps = maps or normalize.fit(work.stack, work.model.recipe.percentiles)
        book.note("percentiles", [(one.low, one.high) for one in maps])
    size = _block_size(work, book, memory_bytes)
    volumes = {name: _volume(work, name, size) for name in work.layers}
    if "laid out" not in book:
        for volume in volumes.values():
            folder.remove(volume.folder)
            volume.lay_out()
        told = {name: dict(layer.provenance) for name, layer in work.layers.items()}
        book.note("laid out", told)

    def keep(at: predict.Place, part: predict.Estimate) -> None:
        before = volumes["mean"].clipped
        for name, volume in volumes.items():
            volume[at] = getattr(part, name)
        book.note(_name(at), volumes["mean"].clipped - before)

    if "finished" not in book:
        for volume in volumes.values():
            volume.sweep()
        predict.restore_into(
            keep,
            work.model,
            work.stack,
            work.there,
            maps=_maps(book.notes["percentiles"]),
            blocks=list(predict.cut(work.there.space, size)),
            finished=lambda at: _name(at) in book,
            wanted=work.layers,
            watch=watch,
        )
        for name, volume in volumes.items():
            _finish(work, book, name, volume)
        book.note("finished")


def _finish(work: Work, book: ledger.Ledger, name: str, volume: Volume) -> None:
    """Average the coarser levels of a layer, and write its metadata."""
    for number, at in volume.coarser():
        key = f"level {number} of {name}, {_name(at)}"
        if key not in book:
            volume.average(number, at)
            book.note(key)
    volume.finish(
        stem(work.layers[name].path),
        channel_names=work.there.channel_names,
        provenance=book.notes["laid out"][name],
    )


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


def _block_size(work: Work, book: ledger.Ledger, memory_bytes: int | None) -> tuple[int, int, int]:
    """The size of the blocks, which an interrupted run has settled for those after it."""
    room = predict.room(memory_bytes)
    if "blocks" not in book:
        book.note("blocks", predict.block_size(work.model, work.there.space, room))
    z, y, x = book.notes["blocks"]
    smallest = predict.block_size(work.model, work.there.space, room)
    needed = predict.working_bytes(work.model, work.there.space, (z, y, x))
    if memory_bytes is not None and needed > room and tuple(smallest) != (z, y, x):
        raise OutOfMemoryError(
            f"the restoration was begun in blocks that take {(needed - room) / 1e9:.2g} GB more",
            where="--memory",
            remedy=f"Give as much memory as before, or remove {book.folder} to begin anew",
        )
    return z, y, x


def _volume(work: Work, name: str, size: tuple[int, int, int]) -> Volume:
    there = work.there
    parts = {"T": 1, "C": 1, **dict(zip("ZYX", size, strict=True))}
    return Volume(
        unfinished(work.out) / name,
        shape=there.shape,
        axes=there.axes,
        dtype=np.dtype(work.layers[name].dtype),
        voxel_um=there.voxel_um,
        shard=tuple(parts[axis] for axis in there.axes),
    )


def _name(at: predict.Place) -> str:
    """What a block is called in the ledger."""
    starts = ((p.start or 0) if isinstance(p, slice) else p for p in at)
    return "block " + " ".join(map(str, starts))


def _progress(book: ledger.Ledger) -> str:
    count = sum(key.startswith("block ") for key in book.notes)
    return f"{count} finished blocks are kept, and the same command goes on from there"


def _maps(pairs: list[list[float]]) -> Maps:
    return tuple(Affine(low, high) for low, high in pairs)


def _plain(work: Work) -> list[Any]:
    told = work.told()
    return [told["input"], told["model"]]


def _identity(stack: Image) -> str:
    """What tells an image from any other: of a file its state, of an array its pixels."""
    data, seen = stack.data, [repr((stack.axes, stack.shape, stack.voxel_um))]
    while not isinstance(data, np.ndarray) and hasattr(data, "data"):  # a part of something else
        chosen = {name: value for name, value in vars(data).items() if name != "data"}
        seen.append(repr(sorted(chosen.items())))
        data = data.data
    if isinstance(data, np.ndarray) or stack.source is None or not Path(stack.source).exists():
        pixels = hashlib.sha256()
        map_pieces(stack, lambda part, _: pixels.update(np.ascontiguousarray(part).tobytes()))
        seen.append(pixels.hexdigest())
    else:
        seen.append(stamp(Path(stack.source)))
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()
