"""How the scales of a model are to be read once they were held against truths."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from carescope.files import atomic
from carescope.model.description import DESCRIPTION, describe, text_of

KEY = "calibration"


class Calibrated(NamedTuple):
    """The family as which scales are read, and a factor for each channel.

    Factors have no unit: they hold in normalised units and in grey levels.
    """

    family: str
    factors: tuple[float, ...]


def of(facts: dict[str, Any]) -> Calibrated | None:
    """What a model's facts say of it; None where it was never calibrated."""
    held = facts.get(KEY)
    return Calibrated(held["family"], tuple(held["factors"])) if held else None


def store(folder: Path, calibrated: Calibrated, further: dict[str, Any]) -> None:
    """Write a calibration into the model.json of a model or an ensemble, whose weights stay.

    Parameters
    ----------
    folder
        The model's.
    calibrated
        Replaces what was there.
    further
        What it was found from, to be remembered beside it.

    Raises
    ------
    ModelError
        The folder holds no sound description.
    OutputError
        It cannot be written.
    """
    description = describe(folder)
    told = {"family": calibrated.family, "factors": list(calibrated.factors)} | further
    facts = description.facts | {KEY: told}
    changed = description.model_copy(update={"facts": facts})
    atomic.write_text(folder / DESCRIPTION, text_of(changed), overwrite=True)
