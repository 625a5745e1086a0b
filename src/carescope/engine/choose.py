"""Which engine restores: the fastest of those that agree with float32 on a first image."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

import carescope
from carescope import net
from carescope.engine.accelerated import Accelerated, accelerated, runner
from carescope.engine.check import TOLERANCE, difference
from carescope.engine.names import REFERENCE, available, candidates, check_name
from carescope.engine.told import version
from carescope.errors import UsageError
from carescope.files.cache import recall, remember
from carescope.files.processor import processor_name
from carescope.files.resident import release
from carescope.model import Ensemble, Model

Floats = npt.NDArray[np.float32]

#: Operations from which looking for a faster engine pays: ten seconds or so on two cores.
WORTH = 2e12
#: Operations of the image on which engines are timed, at most: half a second in float32.
TIMED = 5e10
_SUBJECT, _SECONDS, _DIFFERENCES = "engines", "seconds", "differences"


class Choice(NamedTuple):
    """A model with the engine that restores, and what a user should hear of it."""

    model: Model | Ensemble
    warnings: list[str]


def choose(
    model: Model | Ensemble,
    name: str,
    *,
    parts: Callable[[], Sequence[Floats]],
    tile: Sequence[int],
    pixels: float,
    settled: str | None = None,
) -> Choice:
    """A model with the engine that a name stands for, here and for this image.

    What is found of a model on a machine is kept in the user's cache, and found once. A model that
    CSBDeep trained is to restore what it restores there: ``auto`` leaves out bfloat16.

    Parameters
    ----------
    model
        What restores.
    name
        ``auto``, ``torch``, ``openvino`` or ``compile``. ``auto`` takes the fastest; but float32 in
        torch where the work is short.
    parts
        Gives parts of the image as the network is to see them, (batch, C, *space).
    tile
        Spatial lengths of what the network sees at once.
    pixels
        How many it is to see in all.
    settled
        The engine with which the same work was begun, and goes on.

    Raises
    ------
    UsageError
        There is no such engine here; or the work was begun with one that is not right here.
    """
    check_name(name)
    names = candidates(name)
    if settled and (name == "auto" or (settled in names and settled != REFERENCE)):
        return _going_on(model, settled, parts)
    work = pixels * sum(operations(member) for member in model.members)
    if (name == "auto" and work < WORTH) or names == [REFERENCE]:
        return Choice(accelerated(model, REFERENCE), [])
    known = _Known(model)
    if name == "auto":
        if model.members[0].imported:
            names = [engine for engine in names if engine.endswith("float32")]
        names = sorted(names, key=lambda engine: known.seconds(names, tile)[engine])
    warnings: list[str] = []
    for engine in names[: names.index(REFERENCE)]:
        known.let_go(besides=engine)
        found = known.difference(engine, parts)
        if found <= TOLERANCE:
            known.keep()
            return Choice(known.made(engine, found), warnings)
        warnings.append(f"{engine} {_how_far(found)}, so that it was not used.")
    known.keep()
    return Choice(accelerated(model, REFERENCE), warnings)


def _going_on(
    model: Model | Ensemble, engine: str, parts: Callable[[], Sequence[Floats]]
) -> Choice:
    """The engine with which work was begun, whatever is the fastest by now."""
    if engine == REFERENCE:
        return Choice(accelerated(model, REFERENCE), [])
    if not available(engine):
        raise _not_here(engine, f"this machine ({platform.node()}) does not have")
    known = _Known(model)
    found = known.difference(engine, parts)
    known.keep()
    if found > TOLERANCE:
        raise _not_here(engine, f"on this machine ({platform.node()}) {_how_far(found)}")
    return Choice(known.made(engine, found), [])


def _not_here(engine: str, why: str) -> UsageError:
    return UsageError(
        f"the work was begun with {engine}, which {why}",
        where="--engine",
        remedy="Go on where it was begun, or begin anew with --engine torch --overwrite",
    )


def _how_far(found: float) -> str:
    if math.isinf(found):
        return "cannot run this network here"
    return f"differs from float32 by {found:.1g} of the range (RMS; at most {TOLERANCE:g})"


def operations(model: Model) -> float:
    """Multiplications and additions of a network's convolutions for each pixel that it sees."""
    counted = 0.0

    def note(layer: nn.Module, _seen: object, given: Tensor) -> None:
        nonlocal counted
        counted += 2 * given.numel() * layer.weight[0].numel()  # type: ignore[index]

    kinds = (nn.Conv2d, nn.Conv3d)
    layers = [layer for layer in model.network.modules() if isinstance(layer, kinds)]
    space = [4 * cell for cell in net.grid(model.network)]
    seen = torch.zeros(1, model.task.channels_in, *space)
    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        with torch.no_grad():
            model.network.eval()(seen.to(next(model.network.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    return counted / math.prod(space)


class _Known:
    """What is known of a model's engines on this machine: seconds, and differences from float32."""

    def __init__(self, model: Model | Ensemble) -> None:
        self._model = model
        told = [model.sha256, processor_name(), os.cpu_count(), torch.get_num_threads()]
        told += [carescope.__version__, _by_name([m.architecture for m in model.members])]
        told += [torch.cuda.get_device_name() if torch.cuda.is_available() else ""]
        told += [version("torch"), version("openvino")]
        self._key = hashlib.sha256(repr(told).encode()).hexdigest()
        found = recall(_SUBJECT, self._key)
        self._facts = {name: _sound(found.get(name)) for name in (_SECONDS, _DIFFERENCES)}
        self._runs: dict[tuple[int, str], Callable[[Floats], Floats]] = {}
        self._reference: list[list[Floats]] = []

    def keep(self) -> None:
        """Remember it for the next time; but not what failed, which may do better then."""
        remember(_SUBJECT, self._key, {name: _sound(of) for name, of in self._facts.items()})

    def let_go(self, *, besides: str) -> None:
        """Drop all engines that were tried but one: each may hold a graph and its memory."""
        self._runs = {at: run for at, run in self._runs.items() if at[1] == besides}
        release()

    def made(self, engine: str, difference: float) -> Model | Ensemble:
        """The model with an engine; it is not made again where it was tried."""
        found = accelerated(self._model, engine, difference=difference)
        for number, member in enumerate(found.members):
            if isinstance(member, Accelerated) and (number, engine) in self._runs:
                member.run = self._runs[number, engine]
        return found

    def seconds(self, engines: Sequence[str], tile: Sequence[int]) -> dict[str, float]:
        """How long each engine takes for an image of about the size of a tile."""
        known = self._facts[_SECONDS]
        for engine in engines:
            if engine not in known:
                known[engine] = self._timed(engine, _smaller(self._model.members[0], tile))
                self.let_go(besides=min(engines, key=lambda e: known.get(e, math.inf)))
        return {engine: known[engine] for engine in engines}

    def difference(self, engine: str, parts: Callable[[], Sequence[Floats]]) -> float:
        """How far an engine lies from float32, the worst of all members: see `check.difference`."""
        known = self._facts[_DIFFERENCES]
        if engine not in known:
            known[engine] = self._differs(engine, list(parts()))
        return known[engine]

    def _differs(self, engine: str, parts: list[Floats]) -> float:
        members = self._model.members
        if not self._reference:
            self._reference = [[member.apply(part) for part in parts] for member in members]
        worst = 0.0
        for number, right in enumerate(self._reference):
            try:
                found = [self._run(number, engine)(part) for part in parts]
            except Exception:  # whatever a library of others raises, it is of no use then
                return math.inf
            scales = self._model.spread is not None
            worst = max(worst, difference(right, found, scales=scales))
        return worst

    def _timed(self, engine: str, tile: Sequence[int]) -> float:
        """Seconds for a tile; the first run of two is not counted."""
        seen = np.zeros((1, self._model.task.channels_in, *tile), np.float32)
        try:
            run = self._run(0, engine)
            run(seen)
            began = time.perf_counter()
            run(seen)
        except Exception:  # as above; it is the last then to be tried
            return math.inf
        return time.perf_counter() - began

    def _run(self, number: int, engine: str) -> Callable[[Floats], Floats]:
        at = (number, engine)
        if at not in self._runs:
            self._runs[at] = runner(self._model.members[number], engine)
        return self._runs[at]


def _sound(told: Any) -> dict[str, float]:
    """Those entries of what a file says that can have been measured."""
    entries = told.items() if isinstance(told, dict) else ()
    return {
        engine: value
        for engine, value in entries
        if isinstance(value, float) and math.isfinite(value) and value >= 0
    }


def _by_name(architectures: list[dict[str, Any]]) -> str:
    return json.dumps(architectures, sort_keys=True, default=str)


def _smaller(model: Model, tile: Sequence[int]) -> list[int]:
    """A tile, its longest side halved until it is timed quickly."""
    grid, space = net.grid(model.network), list(tile)
    each = operations(model)
    while math.prod(space) * each > TIMED:
        axis = max(range(len(space)), key=lambda a: space[a] / grid[a])
        if space[axis] <= 4 * grid[axis]:
            break
        space[axis] = max(4, space[axis] // grid[axis] // 2) * grid[axis]
    return space
