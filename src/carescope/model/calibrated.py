"""How the scales of a model are to be read once they were held against truths."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from carescope import trust
from carescope.files import atomic
from carescope.model.description import DESCRIPTION, describe, text_of

KEY = "calibration"


class Calibrated(NamedTuple):
    """The family as which scales are read, and a factor for each channel.

    Factors have no unit: they hold in normalised units and in grey levels. They are those of images
    of usual noise; trends say how they follow the noise of others. `images` are those that it was
    found from.
    """

    family: str
    factors: tuple[float, ...]
    trends: tuple[trust.Trend, ...] = ()
    images: tuple[str, ...] = ()

    def words(self) -> str:
        """How scales are read, and since how many images say so."""
        factors = ", ".join(f"{factor:.3g}" for factor in self.factors)
        follows = ", more in images with more noise" if any(t.slope for t in self.trends) else ""
        count = f"{len(self.images)} image{'' if len(self.images) == 1 else 's'}"
        return f"calibrated with {count}: times {factors}{follows}, read as {self.family}"

    def rescaling(self, channel: int, noise: float | None) -> trust.Rescaling:
        """How to read the scales of a channel of an image of this noise, a logarithm.

        For counting: no factor is beyond those that are counted.
        """
        factor = self.factors[channel]
        if self.trends:
            factor *= self.trends[channel].factor(noise)
        least, most = trust.FACTORS[0], trust.FACTORS[-1]
        return trust.Rescaling(self.family, float(min(max(factor, least), most)))


def of(facts: dict[str, Any]) -> Calibrated | None:
    """What a model's facts say of it; None where it was never calibrated."""
    held = facts.get(KEY)
    if not held:
        return None
    trends = tuple(trust.Trend(*one) for one in held.get("trends", ()))
    images = tuple(held.get("from", ()))
    return Calibrated(held["family"], tuple(held["factors"]), trends, images)


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
    told = {
        "family": calibrated.family,
        "factors": list(calibrated.factors),
        "trends": [list(one) for one in calibrated.trends],
        "from": list(calibrated.images),
    }
    told |= further
    facts = description.facts | {KEY: told}
    changed = description.model_copy(update={"facts": facts})
    atomic.write_text(folder / DESCRIPTION, text_of(changed), overwrite=True)
