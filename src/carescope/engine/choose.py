"""Which engine restores: the fastest of those that agree with float32 on the image at hand."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.flop_counter import FlopCounterMode

from carescope import net
from carescope.engine.accelerated import Accelerated, accelerated, runner
from carescope.engine.check import TOLERANCE, difference
from carescope.engine.names import NAMES, REFERENCE, candidates, check_name
from carescope.engine.told import version
from carescope.errors import UsageError
from carescope.files.cache import recall, remember
from carescope.files.processor import processor_name
from carescope.model import Ensemble, Model

Floats = npt.NDArray[np.float32]

#: Operations from which looking for a faster engine pays: ten seconds or so on two cores.
WORTH = 2e12
#: Operations of the image on which engines are timed, at most: half a second in float32.
TIMED = 5e10
_SUBJECT = "engines"


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

    What is found of a model on a machine is kept in the user's cache, and found once.

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
        There is no such engine here.
    """
    check_name(name)
    names = candidates(name)
    if settled and name in ("auto", settled.split()[0]):
        return _going_on(model, settled, parts)
    work = pixels * sum(operations(member) for member in model.members)
    if (name == "auto" and work < WORTH) or names == [REFERENCE]:
        return Choice(accelerated(model, REFERENCE), [])
    known = _Known(model)
    if name == "auto":
        names = sorted(names, key=lambda engine: known.seconds(names, tile)[engine])
    warnings: list[str] = []
    for engine in names[: names.index(REFERENCE)]:
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
    if not any(engine in candidates(name) for name in NAMES if _stands(name)):
        raise UsageError(
            f"the work was begun with {engine}, which this machine does not have",
            where="--engine",
            remedy="Go on where it was begun, or begin anew with --overwrite",
        )
    known = _Known(model)
    found = known.difference(engine, parts)
    known.keep()
    return Choice(known.made(engine, found), [])


def _stands(name: str) -> bool:
    try:
        check_name(name)
    except UsageError:
        return False
    return True


def _how_far(found: float) -> str:
    if math.isinf(found):
        return "cannot run this network"
    return f"differs from float32 by {found:.1g} of the range (RMS; at most {TOLERANCE:g})"


def operations(model: Model) -> float:
    """Multiplications and additions of a network for each pixel that it sees."""
    space = [4 * cell for cell in net.grid(model.network)]
    seen = np.zeros((1, model.task.channels_in, *space), np.float32)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.network.eval()(torch.from_numpy(seen).to(next(model.network.parameters()).device))
    return float(counter.get_total_flops() / math.prod(space))


class _Known:
    """What is known of a model's engines on this machine: seconds, and differences from float32."""

    def __init__(self, model: Model | Ensemble) -> None:
        self._model = model
        told = [model.sha256, processor_name(), os.cpu_count(), torch.get_num_threads()]
        told += [torch.cuda.get_device_name() if torch.cuda.is_available() else ""]
        told += [version("torch"), version("openvino")]
        self._key = hashlib.sha256(repr(told).encode()).hexdigest()
        self._facts: dict[str, Any] = recall(_SUBJECT, self._key)
        self._runs: dict[tuple[int, str], Callable[[Floats], Floats]] = {}
        self._reference: list[list[Floats]] = []

    def keep(self) -> None:
        """Remember it for the next time."""
        remember(_SUBJECT, self._key, self._facts)

    def made(self, engine: str, difference: float) -> Model | Ensemble:
        """The model with an engine; it is not made again where it was tried."""
        found = accelerated(self._model, engine, difference=difference)
        for number, member in enumerate(found.members):
            if isinstance(member, Accelerated) and (number, engine) in self._runs:
                member.run = self._runs[number, engine]
        return found

    def seconds(self, engines: Sequence[str], tile: Sequence[int]) -> dict[str, float]:
        """How long each engine takes for an image of about the size of a tile."""
        known = self._facts.setdefault("seconds", {})
        for engine in engines:
            if engine not in known:
                known[engine] = self._timed(engine, _smaller(self._model.members[0], tile))
        return {engine: float(known[engine]) for engine in engines}

    def difference(self, engine: str, parts: Callable[[], Sequence[Floats]]) -> float:
        """How far an engine lies from float32, the worst of all members: see `check.difference`."""
        known = self._facts.setdefault("differences", {})
        if engine not in known:
            known[engine] = self._differs(engine, list(parts()))
        return float(known[engine])

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
