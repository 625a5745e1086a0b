"""What every command does with what it was given, and with what came of it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from math import isfinite
from typing import TYPE_CHECKING, Any

from carescope.errors import UsageError

if TYPE_CHECKING:
    from carescope.image import Image
    from carescope.jobs.inputs import Optics
    from carescope.jobs.passes import Shared
    from carescope.model import Ensemble, Model
    from carescope.recipe import Recipe


def command_line(*without: str) -> str:
    """The exact command, as a shell would take it again, less some options that take a value."""
    words = list[str]()
    given = iter(sys.argv[1:])
    for word in given:
        if word in without:
            next(given, None)
        elif word.split("=")[0] not in without:
            words.append(word)
    return "carescope " + shlex.join(words)


def print_facts(facts: Mapping[str, object], as_json: bool) -> None:
    """Print names and values, aligned for people or as JSON for machines.

    JSON has no infinity, which the PSNR of equal images is: it becomes null there.
    """
    if as_json:
        known = {
            n: None if isinstance(v, float) and not isfinite(v) else v for n, v in facts.items()
        }
        print(json.dumps(known, default=str))
        return
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")


def open_given(
    given: dict[str, Any], fits: Callable[[Image], object], *, stacks_only: bool = True
) -> tuple[Image, list[str]]:
    """Open the image that a command's options describe, if its geometry `fits`."""
    from carescope.jobs.inputs import open_image

    return open_image(
        given["stack"],
        axes=given["axes"],
        voxel_um=given["voxel_um"],
        channel=given["channel"],
        timepoint=given["timepoint"],
        allow_incomplete=given["allow_incomplete"],
        fill_nonfinite=given["fill_nonfinite"],
        fits=fits,
        stacks_only=stacks_only,
    )


def recipe_given(given: dict[str, Any]) -> Recipe:
    """The recipe that a command's options describe."""
    from carescope.recipe import Recipe

    values = {name: given[name] for name in Recipe.model_fields if name in given}
    if given["laplace"]:
        if given["loss"] not in (None, "laplace"):
            raise UsageError(
                f"asks for the loss laplace, and --loss for {given['loss']}",
                where="--laplace",
                remedy="Leave out one of the two",
            )
        values["loss"] = "laplace"
    if values["loss"] is None:
        del values["loss"]
    return Recipe.of(**values)


def shared_given(given: dict[str, Any]) -> Shared:
    """How all passes and members train."""
    from carescope.jobs.passes import Shared

    return Shared(**{name: given[name] for name in Shared._fields})


def optics_given(given: dict[str, Any]) -> Optics:
    """The optics that a command's options describe."""
    from carescope.jobs.inputs import Optics

    return Optics(**{field.name: given[field.name] for field in fields(Optics)})


def print_learnt(
    given: dict[str, Any],
    model: Model | Ensemble,
    kept: Sequence[str],
    warnings: Sequence[str],
    **more: object,
) -> None:
    """Say, in the first of several processes, what training came to.

    Parameters
    ----------
    given
        The command's options.
    model
        What was learnt.
    kept
        Which of its facts are told.
    warnings
        Told as JSON alone; people were told them before.
    more
        Told first.
    """
    from carescope.train import distributed

    facts: dict[str, object] = {"model": given["model"]} | more
    facts |= {name: model.facts[name] for name in kept} | {"sha256": model.sha256}
    if given["as_json"]:
        facts["warnings"] = list(warnings)
    if distributed.is_main():
        print_facts(facts, given["as_json"])
