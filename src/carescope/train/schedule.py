"""How the learning rate falls: along a cosine over the budget, or on plateaus."""

from __future__ import annotations

import math
from dataclasses import dataclass

WARM_UP_STEPS = 30


@dataclass
class Plateau:
    """CARE's schedule: half the rate after `patience` epochs without a better validation loss."""

    scale: float = 1.0
    waited: int = 0
    patience: int = 10

    def observe(self, improved: bool) -> None:
        """Take note of an epoch."""
        self.waited = 0 if improved else self.waited + 1
        if self.waited >= self.patience:
            self.scale, self.waited = self.scale / 2, 0


def cosine(step: int, done: float) -> float:
    """Share of the full rate: a short warm-up, then half a cosine down to 1 %.

    Parameters
    ----------
    step
        Steps taken so far.
    done
        Share of the budget spent, 0 to 1.
    """
    warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
    return warm_up * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
