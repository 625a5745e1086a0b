"""Arguments of a phantom, given as text."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from carescope import phantoms
from carescope.errors import UsageError

#: Where the command's settings differ from those of the Python function: nuclei as many and as
#: dense as in IsoNet's simulations, about 1500 in 512 x 512 x 512 voxels.
OWN: dict[str, dict[str, Any]] = {"nuclei": {"packed": True, "volume_per_nucleus_px3": 90_000.0}}
#: What the command has options for.
NO_SETTINGS = ("shape", "seed", "time")
TRUTHS = {"true": True, "false": False}


def moves(kind: str) -> bool:
    """Whether a phantom is different from frame to frame."""
    return "time" in inspect.signature(phantoms.KINDS[kind]).parameters


def parsed(kind: str, texts: Sequence[str]) -> dict[str, Any]:
    """The arguments that ``name=value`` texts give a phantom, beside the command's own.

    Parameters
    ----------
    kind
        A key of `carescope.phantoms.KINDS`.
    texts
        Such as ``radius_px=9,15`` or ``packed=false``.

    Raises
    ------
    UsageError
        There is no such phantom or argument, or the value is not of its type.
    """
    if kind not in phantoms.KINDS:
        raise UsageError(
            f"there is no phantom {kind!r}",
            where="simulate",
            remedy=f"Choose one of {', '.join(phantoms.KINDS)}",
        )
    parameters = inspect.signature(phantoms.KINDS[kind]).parameters
    known = [name for name in parameters if name not in NO_SETTINGS]
    found = dict(OWN.get(kind, {}))
    for text in texts:
        name, _, value = text.partition("=")
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise UsageError(
                f"{kind} have no {name!r}",
                where="--set",
                remedy=f"Did you mean {near[0]}" if near else f"There are {', '.join(known)}",
            )
        try:
            found[name] = _value(value, parameters[name])
        except (KeyError, ValueError) as error:
            usual = OWN.get(kind, {}).get(name, parameters[name].default)
            raise UsageError(
                f"{value!r} is no value of {name}, which is {usual!r} by default",
                where="--set",
                remedy="Give a number, several as 9,15, or true or false, as the default is",
            ) from error
    if kind == "nuclei" and found["packed"] and "radius_px" in found:
        raise UsageError(
            "says nothing about packed nuclei, which fill the cells of their packing",
            where="--set radius_px",
            remedy="Add --set packed=false, or set volume_per_nucleus_px3 instead",
        )
    return found


def _value(text: str, parameter: inspect.Parameter) -> Any:
    """A value of the type of the parameter's default."""
    usual = parameter.default
    if isinstance(usual, bool):
        return TRUTHS[text.lower()]
    if isinstance(usual, int):
        return int(text)
    numbers = tuple(float(part) for part in text.split(","))
    several = isinstance(usual, tuple)
    any_number = several and "..." in str(parameter.annotation)
    if not all(map(math.isfinite, numbers)):
        raise ValueError(text)
    if not any_number and len(numbers) != (len(usual) if several else 1):
        raise ValueError(text)
    return numbers if several else numbers[0]
