"""Random numbers by counter: the same key gives the same numbers, in any order, anywhere.

A run can so be interrupted, resumed or split over workers without changing its result.
"""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, stage: str, *index: int) -> np.random.Generator:
    """The generator of one piece of work.

    Parameters
    ----------
    seed
        The recipe's seed.
    stage
        The name of the stage that draws, such as ``"patch"``.
    index
        Which piece of the stage's work, such as the training step.
    """
    name = int.from_bytes(hashlib.blake2b(stage.encode(), digest_size=8).digest(), "little")
    sequence = np.random.SeedSequence([seed, name, *index])
    return np.random.Generator(np.random.Philox(sequence))
