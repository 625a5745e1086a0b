"""Autofluorescence: the faint, smooth light of everything that is not stained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from carescope.errors import UsageError
from carescope.phantoms.texture import PerlinNoise, slabs

Volume = npt.NDArray[np.float32]

# Scales relative to the coarsest, and weights.
OCTAVES = ((1, 1.0), (2, 0.5), (4, 0.25))
# How much it varies about its mean.
UNEVEN = 0.6


class Autofluorescence:
    """Smooth, uneven light without edges: Perlin noise of three octaves that halve, weights too.

    K. Perlin, An image synthesizer, SIGGRAPH 1985, doi:10.1145/325165.325247.

    Parameters
    ----------
    shape
        (Z, Y, X) or (Y, X) in voxels.
    seed
        The same seed gives the same light.
    strength
        Its mean, as a share of a bright structure's density; not negative.
    scale_px
        Size of the coarsest unevenness in voxels, at least 8.

    Raises
    ------
    UsageError
        The strength is negative or not finite, or the scale too fine.
    """

    def __init__(
        self, shape: Sequence[int], seed: int, *, strength: float = 0.1, scale_px: int = 64
    ) -> None:
        if not (0 <= strength < np.inf and scale_px >= 8):
            raise UsageError(
                f"there is no autofluorescence of strength {strength:g} and scale {scale_px}",
                where="--autofluorescence",
                remedy="Give a strength from 0 on, such as 0.1, and a scale of at least 8 voxels",
            )
        self.shape, self.strength = tuple(shape), strength
        self.box: tuple[int, int, int] = (1, *self.shape)[-3:]  # type: ignore[assignment]
        self._octaves = [
            (PerlinNoise(self.box, scale_px // finer, seed, "autofluorescence", finer), weight)
            for finer, weight in OCTAVES
        ]

    def planes(self, slab: slice) -> Volume:
        """The light in some planes, (planes, Y, X), not negative."""
        noise = sum(weight * octave.planes(slab) for octave, weight in self._octaves)
        return np.asarray(self.strength * np.maximum(1 + UNEVEN * noise, 0), np.float32)


def autofluorescence(
    shape: Sequence[int], seed: int, *, strength: float = 0.1, scale_px: int = 64
) -> Volume:
    """All planes of `Autofluorescence`, whose arguments these are.

    Returns
    -------
    ([Z,] Y, X) float32, to be added to a density before it is blurred.
    """
    light = Autofluorescence(shape, seed, strength=strength, scale_px=scale_px)
    volume = np.concatenate([light.planes(slab) for slab in slabs(light.box)])
    return volume.reshape(light.shape)
