"""What chance decides of patches, whichever pairs they are cut from: all of it by counter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from carescope import rng
from carescope.recipe import Recipe

Floats = npt.NDArray[np.float32]


def training(recipe: Recipe, number: int, share: tuple[int, int]) -> list[np.random.Generator]:
    """A generator for each patch of a batch, or of a part of it: which part, of how many."""
    part, parts = share
    size = recipe.batch_size // parts
    patches = range(part * size, (part + 1) * size)
    return [rng.generator(recipe.seed, "patch", number, i) for i in patches]


def validation(recipe: Recipe, number: int) -> list[np.random.Generator]:
    """A generator for each patch of a batch that judges a network."""
    return [rng.generator(recipe.seed, "validation", number, i) for i in range(recipe.batch_size)]


def turned(draw: np.random.Generator, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Both windows flipped and turned alike within the plane, (..., rows, columns).

    A microscope treats all lateral directions alike. Windows that are not square are only flipped.
    """
    flips = tuple(axis for axis in (-2, -1) if draw.random() < 0.5)
    low, high = np.flip(low, flips), np.flip(high, flips)
    if draw.random() < 0.5 and low.shape[-2] == low.shape[-1]:
        low, high = low.swapaxes(-2, -1), high.swapaxes(-2, -1)
    return low, high
