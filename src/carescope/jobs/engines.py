"""The engine that a work is done with: chosen once, and kept by all who go on with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from carescope import engine, predict
from carescope.files import ledger
from carescope.jobs.outputs import unfinished
from carescope.jobs.work import ENGINE, Work
from carescope.model import Ensemble, Model
from carescope.normalize import Affine


def with_engine(
    work: Work, maps: Sequence[Affine], name: str, memory_bytes: int | None = None
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

    Returns
    -------
    work, warnings
        Which engines were not used, and why.
    """
    chosen = predict.engaged(
        work.model,
        work.stack,
        work.there,
        maps,
        name,
        memory_bytes=predict.room(memory_bytes),
        settled=_begun(work.out),
    )
    return _by(work, chosen.model), chosen.warnings


def as_begun(work: Work, job: Mapping[str, Any]) -> Work:
    """The work by the engine that a ledger names."""
    by = job.get(ENGINE)
    return _by(work, engine.accelerated(work.model, by[0])) if by else work


def _begun(out: Path) -> str | None:
    """The engine with which an unfinished work was begun."""
    begun = ledger.begun_in(unfinished(out))
    by = begun[0].get(ENGINE) if begun else None
    return str(by[0]) if by else None


def _by(work: Work, model: Model | Ensemble) -> Work:
    told = {"engine": engine.word(model)}
    layers = {
        name: replace(layer, provenance=dict(layer.provenance) | told)
        for name, layer in work.layers.items()
    }
    return replace(work, model=model, layers=layers)
