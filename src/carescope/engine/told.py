"""What is said of the engine that a model restores with."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

from carescope.engine.accelerated import Accelerated
from carescope.engine.names import REFERENCE
from carescope.model import Ensemble, Model


def settled(model: Model | Ensemble) -> str:
    """A library and a precision, such as ``openvino bfloat16``."""
    first = model.members[0]
    return first.engine if isinstance(first, Accelerated) else REFERENCE


def word(model: Model | Ensemble) -> str:
    """The engine for the metadata of a restoration, with how far it lies from float32.

    That was found on the first image that the model restored with it on this machine.
    """
    first = model.members[0]
    if not isinstance(first, Accelerated) or first.engine == REFERENCE:
        return REFERENCE
    return f"{first.engine}, RMS {first.difference:.1g} of the range when first compared"


def version(engine: str) -> str:
    """The version of an engine's library, on which the last bits of a result may depend."""
    name = "openvino" if engine.startswith("openvino") else "torch"
    try:
        return installed(name)
    except PackageNotFoundError:
        return "unknown"
