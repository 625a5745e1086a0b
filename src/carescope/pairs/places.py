"""Where patches may lie in a pool of stacks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

#: Places that are remembered, at most; of more, every second, third, ... is.
MOST_CENTRES = 1 << 20


class Places:
    """Centres of patches in several stacks, each as likely as any other."""

    def __init__(self, centres: Sequence[npt.NDArray[np.int32]]) -> None:
        every = -(-sum(map(len, centres)) // MOST_CENTRES) or 1
        self.centres = [places[::every] for places in centres]
        self.ends = np.cumsum([len(places) for places in self.centres])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def choose(self, draw: np.random.Generator) -> tuple[int, npt.NDArray[np.int32]]:
        """The number of a stack, and plane, row and column in it."""
        at = int(draw.integers(len(self)))
        stack = int(np.searchsorted(self.ends, at, side="right"))
        return stack, self.centres[stack][at - int(self.ends[stack])]
