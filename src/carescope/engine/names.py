"""Which engines there are, and which of them this machine has.

An engine is a library and a precision, such as ``openvino bfloat16``; what a user asks for is a
name that stands for some of them, best first.
"""

from __future__ import annotations

from importlib.util import find_spec

import torch

from carescope.errors import UsageError
from carescope.train import precision

#: What a user may ask for.
NAMES = ("auto", "torch", "openvino", "compile")
#: Always right: what every other engine is held against.
REFERENCE = "torch float32"


def check_name(name: str) -> None:
    """Refuse an engine that does not exist, or is not installed.

    Raises
    ------
    UsageError
        It is no name, or its library is not installed.
    """
    if name not in NAMES:
        raise UsageError(
            f"there is no engine {name!r}",
            where="--engine",
            remedy=f"Choose one of {', '.join(NAMES)}",
        )
    if name == "openvino" and not _has_openvino():
        raise UsageError(
            "OpenVINO is not installed",
            where="--engine",
            remedy="Install it with pip install openvino, or choose --engine auto",
        )


def candidates(name: str) -> list[str]:
    """The engines that a name stands for on this machine, the likely fastest first.

    The reference is the last of them, and always among them. ``auto`` leaves out what has to be
    compiled: that takes longer than most images.
    """
    check_name(name)
    native = precision.choose("auto", torch.device("cpu")) == torch.bfloat16
    found: list[str] = []
    if name == "auto" and torch.cuda.is_available():
        found += ["cuda bfloat16", "cuda float32"]
    if name in ("auto", "openvino") and _has_openvino():
        found += ["openvino bfloat16", "openvino float32"] if native else ["openvino float32"]
    if name == "auto" and native:
        found += ["torch bfloat16"]
    if name == "compile":
        found += ["compile bfloat16", "compile float32"] if native else ["compile float32"]
    return [*found, REFERENCE]


def available(engine: str) -> bool:
    """Whether this machine has an engine."""
    names = [name for name in NAMES if name != "openvino" or _has_openvino()]
    return any(engine in candidates(name) for name in names)


def stands_for(name: str, engine: str) -> bool:
    """Whether a name may have given an engine, on whatever machine.

    The reference may come of any: it is taken where no other is right.
    """
    if name == "auto" or engine == REFERENCE:
        return True
    return name != "torch" and engine.partition(" ")[0] == name


def _has_openvino() -> bool:
    return find_spec("openvino") is not None
