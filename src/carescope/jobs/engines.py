"""The engine that a work is done with: chosen once, and kept by all who go on with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from carescope import engine, predict
from carescope.errors import OutOfMemoryError
from carescope.files import ledger
from carescope.files.resident import release
from carescope.jobs.outputs import unfinished
from carescope.jobs.work import ENGINE, Work
from carescope.model import Ensemble, Model
from carescope.normalize import Affine


def with_engine(
    work: Work,
    maps: Sequence[Affine],
    name: str,
    memory_bytes: int | None = None,
    *,
    held: int | None = None,
    overwrite: bool = False,
) -> tuple[Work, list[str]]:
    """The work by the engine that a name stands for, or by that with which it was begun.

    Parameters
    ----------
    work
        What is restored.
    maps
        What normalises each channel.
    name
        ``auto``, ``torch``, ``openvino`` or ``compile``.
    memory_bytes
        Below what the whole process stays.
    held
        What it held when it began: see `carescope.predict.room`.
    overwrite
        Begin anew where this machine does not have the engine with which the work was begun.

    Returns
    -------
    work, warnings
        Which engines were not used, and why.

    Raises
    ------
    OutOfMemoryError
        Not even the smallest blocks fit.
    """
    settled = _begun(work)
    if overwrite and settled and not engine.available(settled):
        settled = None
    chosen = predict.engaged(
        work.model,
        work.stack,
        work.there,
        maps,
        name,
        memory_bytes=predict.room(memory_bytes, held),
        settled=settled,
    )
    if memory_bytes is not None:
        for member in chosen.model.members:
            if isinstance(member, engine.Accelerated):
                member.make_ready()
        release()
        _check_room(chosen.model, work, memory_bytes, held)
    return _by(work, chosen.model), chosen.warnings


def _check_room(model: Model | Ensemble, work: Work, memory_bytes: int, held: int | None) -> None:
    room = predict.room(memory_bytes, held, engine.settled(model))
    size = predict.block_size(model, work.there.space, room)
    excess = predict.working_bytes(model, work.there.space, size) - room
    if excess > predict.SLACK * memory_bytes:
        raise OutOfMemoryError(
            f"the smallest blocks, of {' x '.join(map(str, size))} voxels, take "
            f"{excess / 1e6:.0f} MB more than {memory_bytes / 1e9:.2g} GB leave",
            where="--memory",
            remedy=f"Give at least {(memory_bytes + excess) / 1e9 + 0.05:.1f}GB",
        )


def as_begun(work: Work, job: Mapping[str, Any], maps: Sequence[Affine]) -> Work:
    """The work by the engine that a ledger names, which is held against float32 here too.

    Parameters
    ----------
    work
        What is restored.
    job
        What the ledger says that is. Where it is other work, no engine is tried.
    maps
        What normalises each channel.

    Raises
    ------
    UsageError
        This machine does not have that engine, or it is not right here.
    """
    by = _named(job)
    if by is None:
        return work
    if not _same(work, job):
        return _by(work, engine.accelerated(work.model, by))
    return _by(work, predict.engaged(work.model, work.stack, work.there, maps, settled=by).model)


def _begun(work: Work) -> str | None:
    """The engine with which this very work was begun, if it was."""
    begun = ledger.begun_in(unfinished(work.out))
    return _named(begun[0]) if begun and _same(work, begun[0]) else None


def _named(job: Mapping[str, Any]) -> str | None:
    """The engine that a ledger names."""
    by = job.get(ENGINE)
    return by[0] if isinstance(by, list) and by and isinstance(by[0], str) else None


def _same(work: Work, job: Mapping[str, Any]) -> bool:
    """Whether a ledger tells of this work, by whichever engine."""
    told = ledger.as_noted(work.told())
    return {**job, ENGINE: None} == told | {ENGINE: None}


def _by(work: Work, model: Model | Ensemble) -> Work:
    told = {"engine": engine.word(model)}
    layers = {
        name: replace(layer, provenance=dict(layer.provenance) | told)
        for name, layer in work.layers.items()
    }
    return replace(work, model=model, layers=layers)
