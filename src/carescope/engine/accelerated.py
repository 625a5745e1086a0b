"""A model whose network an engine runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import net
from carescope.engine.eager import eager
from carescope.engine.names import REFERENCE
from carescope.engine.parts import in_parts
from carescope.model import Ensemble, Model

Floats = npt.NDArray[np.float32]

#: What float32 in torch may see at once, of what an engine saw in the same memory: it takes up to
#: three times as much for a pixel (`carescope.predict.footprint`).
EXACTLY = 0.3


@dataclass
class Accelerated(Model):
    """A model as it restores: `apply` is an engine's, and goes on in parts where memory is short.

    It is made for restoring alone: whoever asks a model what it gives asks the one that was loaded.

    Parameters
    ----------
    engine
        A library and a precision, such as ``openvino bfloat16``.
    difference
        How far it was found to lie from float32: RMS over range.
    run
        The engine itself; made when it is first needed.
    """

    engine: str = REFERENCE
    difference: float = 0.0
    run: Callable[[Floats], Floats] | None = field(default=None, repr=False, compare=False)

    def apply(self, patch: Floats) -> Floats:
        """The network by its engine; parameters are those of `Model.apply`."""
        return self._in_parts(self._whole, patch)

    def make_ready(self) -> None:
        """Load the engine and what it makes of the network, so that their memory is known."""
        if self.engine != REFERENCE and self.run is None:
            self._whole(np.zeros((1, self.task.channels_in, *net.grid(self.network)), np.float32))

    def _in_parts(
        self, run: Callable[[Floats], Floats], patch: Floats, most_px: float = math.inf
    ) -> Floats:
        return in_parts(
            run,
            patch,
            reach=net.reach(self.network),
            grid=net.grid(self.network),
            whole=(0,) if self.task.kind == "project" else (),
            most_px=most_px,
        )

    def _whole(self, patch: Floats) -> Floats:
        if self.engine == REFERENCE:
            return super().apply(patch)
        if self.run is None:
            self.run = runner(self, self.engine)
        restored = self.run(patch)
        if np.isfinite(restored).all():
            return restored
        del restored  # what went beyond bfloat16 may be a number in float32
        pixels = patch.size / patch.shape[1]
        return self._in_parts(super().apply, patch, EXACTLY * pixels)

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs; it makes the engine anew."""
        return vars(self) | {"run": None}


def accelerated(
    model: Model | Ensemble, engine: str, *, difference: float = 0.0
) -> Model | Ensemble:
    """A model, or an ensemble, whose members' networks are run by an engine.

    Parameters
    ----------
    model
        What restores.
    engine
        A library and a precision that this machine has.
    difference
        How far it was found to lie from float32.
    """
    if isinstance(model, Ensemble):
        members = tuple(_one(member, engine, difference) for member in model.members)
        return Ensemble(members, model.known)
    return _one(model, engine, difference)


def _one(model: Model, engine: str, difference: float) -> Accelerated:
    told = {one.name: getattr(model, one.name) for one in fields(Model)}
    return Accelerated(**told, engine=engine, difference=difference)


def runner(model: Model, engine: str) -> Callable[[Floats], Floats]:
    """What runs a model's network: see `accelerated`."""
    library, precision = engine.split()
    if library == "openvino":
        from carescope.engine.openvino import OpenVino

        return OpenVino(model.network, precision)
    return eager(
        model.network,
        precision,
        device="cuda" if library == "cuda" else None,
        compiled=library == "compile",
    )
