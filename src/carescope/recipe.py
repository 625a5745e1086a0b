"""The recipe: everything that decides what is learnt, in one frozen, validated object."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from carescope.errors import UsageError
from carescope.normalize import USUAL

Network = Literal["auto", "care", "isonet1", "isonet2"]

#: Learning rates that suit each network; the papers' where a paper gives one.
LEARNING_RATES: dict[str, float] = {"auto": 2e-3, "care": 4e-4, "isonet1": 5e-3, "isonet2": 5e-3}

#: Minutes of training when neither minutes nor steps are given.
DEFAULT_MINUTES = 5.0


class Recipe(BaseModel):
    """How a model is trained.

    Give `minutes` or `steps`, not both; without either, five minutes. Steps with one thread
    count are exactly repeatable, minutes are not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: Network = "auto"
    psf_mode: Literal["full", "split"] = "split"
    noise: Literal["match", "none", "clean"] = "match"
    loss: Literal["mae", "mse", "psnr", "laplace", "gaussian"] = "mse"
    most_noise: float | None = Field(None, ge=1, le=10)
    per_channel: bool = False
    schedule: Literal["cosine", "plateau"] = "cosine"
    learning_rate: float | None = Field(None, gt=0, lt=1)
    batch_size: int = Field(16, ge=1, le=1024)
    patch_px: int = Field(128, ge=32, le=1024, multiple_of=16)  # the networks' pooling grid
    patch_planes: int = Field(16, ge=4, le=256, multiple_of=4)
    passes: Literal[1, 2] = 2
    minutes: float | None = Field(None, gt=0, le=60 * 24 * 30)
    steps: int | None = Field(None, ge=1)
    steps_per_epoch: int = Field(100, ge=1)
    percentiles: tuple[float, float] = USUAL
    validation_fraction: float = Field(0.1, gt=0, lt=0.5)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = Field(0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.minutes is not None and self.steps is not None:
            raise ValueError("--minutes and --steps exclude each other")
        if self.noise == "clean" and self.loss in ("laplace", "gaussian"):
            raise ValueError(
                "--noise clean learns from targets that are made noisier, which the loss "
                f"{self.loss} would take for doubt"
            )
        if self.network == "isonet1" and self.loss in ("laplace", "gaussian"):
            raise ValueError(
                f"the network isonet1 gives no scales, which the loss {self.loss} learns"
            )
        return self

    @field_validator("percentiles")
    @classmethod
    def _rising(cls, percentiles: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= percentiles[0] < percentiles[1] <= 100:
            raise ValueError("percentiles must rise within 0 to 100")
        return percentiles

    @classmethod
    def of(cls, **values: Any) -> Recipe:
        """A recipe from loose values, refusing each bad one by name.

        Raises
        ------
        UsageError
            A key is unknown (with the nearest known one) or a value impossible.
        """
        return validated(cls, values, "recipe", lambda name: f"--{name.replace('_', '-')}")

    @property
    def rate(self) -> float:
        """The learning rate: the one given, or the network's own."""
        return self.learning_rate or LEARNING_RATES[self.network]

    @property
    def noisiest(self) -> float:
        """Up to how many times their noise inputs are shown with: twice where scales are learnt.

        Scales then hold for images with less light; what is restored of images like those of
        training gets worse by some 2 %, so that networks without scales see inputs as they are.
        """
        if self.most_noise is not None:
            return self.most_noise
        return 2.0 if self.loss in ("laplace", "gaussian") else 1.0

    @property
    def seconds(self) -> float | None:
        """Wall time of training in seconds, or None where steps decide."""
        if self.steps is not None:
            return None
        return 60 * (self.minutes if self.minutes is not None else DEFAULT_MINUTES)


M = TypeVar("M", bound=BaseModel)


def validated(kind: type[M], values: dict[str, Any], where: str, called: Callable[[str], str]) -> M:
    """A configuration from loose values, refusing each bad one by name.

    Parameters
    ----------
    kind
        The pydantic class.
    values
        Its fields.
    where
        Where they come from.
    called
        What a user calls a field.

    Raises
    ------
    UsageError
        A key is unknown (with the nearest known one) or a value impossible.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        found = error.errors()
        known = [str(e["loc"][0]) for e in found if e["loc"] and e["loc"][0] in kind.model_fields]
        options = " and ".join(called(name) for name in dict.fromkeys(known))
        raise UsageError(
            "; ".join(_explain(each, kind) for each in found),
            where=where,
            remedy=f"Correct {options}" if options else "Leave out one of them",
        ) from None


def _explain(error: Any, kind: type[BaseModel]) -> str:
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, kind.model_fields, 1)
        return f"there is no {name!r}" + (f" (did you mean {near[0]!r}?)" if near else "")
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{name} = {error['input']!r}: {message}" if name else message
