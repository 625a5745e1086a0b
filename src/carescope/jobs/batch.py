"""Restore several files in one command: all are looked over before the first, and none twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from carescope import predict, read
from carescope.errors import NotTrustedError, all_of
from carescope.files.folder import make
from carescope.image import Image
from carescope.jobs import resumed
from carescope.jobs.familiar import check_familiar
from carescope.jobs.hand import Hands
from carescope.jobs.identity import of_file
from carescope.jobs.outputs import beside
from carescope.jobs.restore import Written, restore_file
from carescope.jobs.series import Facts, Series
from carescope.jobs.work import planned
from carescope.model import Ensemble, Model


def restore_files(
    model: Model | Ensemble,
    stacks: Sequence[Image],
    targets: Sequence[Path],
    *,
    spread: bool = False,
    height: bool = False,
    dtype: str = "float32",
    overwrite: bool = False,
    force: bool = False,
    strict: bool = False,
    engine: str = "auto",
    memory_bytes: int | None = None,
    hands: Hands | None = None,
    provenance: dict[str, str] | None = None,
    series: Series | None = None,
    watch: Callable[[float], None] | None = None,
) -> list[Written]:
    """Restore several stacks, once all of them are known to suit the model.

    Parameters
    ----------
    model, stacks
        What restores and what is restored.
    targets
        A file for each stack; its folder is made where it is missing.
    spread, height, dtype, overwrite, force, strict, engine, memory_bytes, hands, provenance
        As for `restore_file`.
    series
        Where what is finished is noted, so that the same command goes on after it.
    watch
        Called with the share of all that is done.
    """
    prepared = []
    for stack, target in zip(stacks, targets, strict=True):
        work = planned(model, stack, target, {}, dtype, force=force)
        prepared.append((stack, target, resumed.maps_of(work)))
    if strict:  # otherwise each is looked at when its turn comes
        all_of(
            prepared,
            lambda one: check_familiar(model, one[0], one[2], strict=True),
            NotTrustedError,
        )
    done: list[Written] = []

    def tell(share: float) -> None:
        if watch:
            watch((len(done) + share) / len(stacks))

    with series.underway() if series else nullcontext():
        for stack, target, maps in prepared:
            make(target.parent)
            restore = partial(
                restore_file,
                model,
                stack,
                target,
                spread=spread,
                height=height,
                dtype=dtype,
                force=force,
                strict=strict,
                maps=maps,
                known=[] if strict else None,
                engine=engine,
                memory_bytes=memory_bytes,
                hands=hands,
                provenance=provenance,
                watch=tell,
            )
            extra = beside(target, len(model.members) if spread else 0, height=height)
            axes = predict.outline(model, stack, force=force).axes
            done.append(_once(series, stack, target, extra, axes, restore, overwrite=overwrite))
            tell(0)
    return done


def _once(
    series: Series | None,
    stack: Image,
    target: Path,
    extra: Mapping[str, Path],
    axes: str,
    restore: Callable[..., Written],
    *,
    overwrite: bool,
) -> Written:
    """Restore a stack, unless an interrupted run of the same command has."""
    if series is None:
        return restore(overwrite=overwrite)

    def made(ours: bool) -> Facts:
        written = restore(overwrite=overwrite or ours)
        return {name: getattr(written, name) for name in ("clipped", "warnings", "engine")}

    facts = series.once([target, *extra.values()], made, of_file(stack))
    return Written(target, read.open(target, axes=axes), **{**facts, **extra})
