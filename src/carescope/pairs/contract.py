"""What training asks of pairs, wherever they come from."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from carescope.recipe import Recipe
from carescope.task import Task

Floats = npt.NDArray[np.float32]
Batch = tuple[Floats, Floats]


class Pairs(Protocol):
    """Batches of (input, target) patches in normalised units, made as they are asked for.

    A patch depends on the recipe's seed and its number alone, so that batches can be made in any
    order, anywhere, and a run that was cut goes on with the same ones.
    """

    recipe: Recipe
    known: dict[str, Any]  # further facts for a model to remember

    @property
    def task(self) -> Task:
        """What is to be learnt."""

    @property
    def planes(self) -> int:
        """Planes of the smallest stack, for networks that see ZYX; otherwise 1."""

    def batch(self, number: int, share: tuple[int, int] = (0, 1)) -> Batch:
        """Training batch `number`, or a part of it: (N, channels_in or _out, *space)."""

    def validation(self, batches: int = 2) -> list[Batch]:
        """The batches that judge a network: always the same, never trained on."""

    def under(self, recipe: Recipe) -> Self:
        """Pairs of the same images under another recipe."""

    def identity(self) -> list[object]:
        """What a resumed run must find unchanged."""

    def facts(self) -> dict[str, Any]:
        """What a model should remember of the images it learnt from."""

    def doubts(self) -> list[str]:
        """What a user should know before trusting what is learnt."""
