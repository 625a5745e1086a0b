"""Restoring in pieces that can be done in any order, by whoever comes to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from carescope import predict
from carescope.jobs.outputs import unfinished
from carescope.jobs.work import Work
from carescope.normalize import Affine
from carescope.write.volume import Volume

Size = tuple[int, int, int]
Maps = tuple[Affine, ...]
#: All that is noted of a finished block begins so.
BLOCK = "block "


class Piece(NamedTuple):
    """What is done at once: a block of all layers, or a file of a coarser level of one.

    Parameters
    ----------
    layer
        Which image; empty for a block.
    level
        Which resolution; 0 for a block.
    number
        Which of those, from 0.
    """

    layer: str
    level: int
    number: int


#: What does pieces in any order, and tells of each, and of how many values were clipped.
Do = Callable[[Sequence[Piece], Callable[[Piece, int], None]], None]


class LostError(Exception):
    """A piece cost one process after the other."""

    def __init__(self, piece: Piece, why: str, *, of_memory: bool) -> None:
        super().__init__(why)
        self.piece, self.why, self.of_memory = piece, why, of_memory


class Hands(Protocol):
    """Who does pieces of a work that is laid out: this process, or others."""

    #: By what they know who leads; see `carescope.files.shares`.
    word: str

    def memory_of_each(self, memory_bytes: int | None, held: int | None = None) -> int | None:
        """How much of a limit on all together each may take, this process left out."""

    def do(self, pieces: Sequence[Piece], done: Callable[[Piece, int], None]) -> None:
        """Do pieces in any order; `done` is told of each, and of how many values were clipped.

        Raises
        ------
        LostError
            A piece could not be done, however often it was tried.
        """


class Hand:
    """One who does pieces of a work that is laid out.

    Parameters
    ----------
    work
        What is restored, into what.
    size
        That of the blocks.
    maps
        What normalises each channel.
    """

    def __init__(self, work: Work, size: Size, maps: Maps) -> None:
        self._work, self._maps = work, maps
        self._blocks = list(predict.cut(work.there.space, size))
        parts = {"T": 1, "C": 1, **dict(zip("ZYX", size, strict=True))}
        self.volumes = {
            name: Volume(
                unfinished(work.out) / name,
                shape=work.there.shape,
                axes=work.there.axes,
                dtype=np.dtype(layer.dtype),
                voxel_um=work.there.voxel_um,
                shard=tuple(parts[axis] for axis in work.there.axes),
            )
            for name, layer in work.layers.items()
        }
        self._files: dict[tuple[str, int], list[tuple[slice, ...]]] = {}

    def blocks(self) -> list[Piece]:
        """All blocks of all time points, neighbours one after the other."""
        count = len(self._blocks) * self._work.stack.size("T")
        return [Piece("", 0, number) for number in range(count)]

    def coarser(self) -> list[list[Piece]]:
        """The files of the coarser levels: those of each level after those of the finer one."""
        levels = len(self.volumes["mean"].levels)
        return [
            [
                Piece(name, level, number)
                for name in self.volumes
                for number in range(len(self._places(name, level)))
            ]
            for level in range(1, levels)
        ]

    def name(self, piece: Piece) -> str:
        """What a piece is called in the ledger."""
        starts = ((p.start or 0) if isinstance(p, slice) else p for p in self._place(piece))
        name = BLOCK + " ".join(map(str, starts))
        return f"level {piece.level} of {piece.layer}, {name}" if piece.level else name

    def where(self, piece: Piece) -> str:
        """What a piece is called in a message."""
        corner = ", ".join(
            f"{axis} {(part.start or 0) if isinstance(part, slice) else part}"
            for axis, part in zip(self._work.there.axes, self._place(piece), strict=True)
        )
        level = f" of level {piece.level}" if piece.level else ""
        return f"the block{level} that begins at {corner}"

    def do(self, pieces: Sequence[Piece], done: Callable[[Piece, int], None]) -> None:
        """Do pieces, blocks or files of coarser levels, one after the other.

        `done` is told of each that is on the disk, and how many of its values did not fit their
        type.
        """
        for piece in pieces:
            if piece.level:
                self.volumes[piece.layer].average(piece.level, self._place(piece))
                done(piece, 0)
        if blocks := [piece for piece in pieces if not piece.level]:
            steps = self._steps
            predict.flow(
                blocks, lambda b: steps.see(*self._which(b)), steps.restore, self._keep, done
            )

    @cached_property
    def _steps(self) -> predict.Steps:
        work = self._work
        return predict.Steps(
            work.model, work.stack, work.there, maps=self._maps, wanted=work.layers
        )

    def _keep(self, piece: Piece, part: predict.Estimate) -> int:
        """Write a block; how many of its values did not fit their type."""
        mean = self.volumes["mean"]
        before = mean.clipped
        part.into(self.volumes, self._place(piece))
        return mean.clipped - before

    def _place(self, piece: Piece) -> predict.Place:
        if piece.level:
            return self._places(piece.layer, piece.level)[piece.number]
        return predict.place_of(self._work.there, *self._which(piece))

    def _which(self, piece: Piece) -> tuple[int, predict.Block]:
        time, number = divmod(piece.number, len(self._blocks))
        return time, self._blocks[number]

    def _places(self, layer: str, level: int) -> list[tuple[slice, ...]]:
        if (layer, level) not in self._files:
            self._files[layer, level] = list(self.volumes[layer].levels[level].files())
        return self._files[layer, level]
