"""One stack to cut patches from: what is known of it, and where its structure lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import normalize
from carescope.grid import Grid
from carescope.image import Image
from carescope.normalize import Affine
from carescope.pairs.regions import CELL_PX, Region, divide, foreground
from carescope.physics import camera
from carescope.physics.microscope import Kernels
from carescope.recipe import Recipe

Floats = npt.NDArray[np.float32]


class Source:
    """A stack at one time point, ready to be cut into windows.

    Parameters
    ----------
    stack
        Axes CZYX, grey levels.
    grid
        Its axial geometry.
    kernels
        What blurs an axial slice, on pixels of the restored grid; None where only the
        sampling is undone.
    maps
        The normalisation of each channel.
    noise
        The camera's noise in each channel; None adds none.
    parts
        Which part of every plane trains, and which validates.
    recipe
        Says which of the kernels degrades lateral slices.
    noise_free
        Whether the stack holds no noise of its own.
    """

    def __init__(
        self,
        stack: Image,
        grid: Grid,
        kernels: Kernels | None,
        maps: Sequence[Affine],
        noise: Sequence[camera.Noise] | None,
        parts: tuple[Region, Region],
        recipe: Recipe,
        *,
        noise_free: bool = False,
    ) -> None:
        self.stack, self.grid, self.kernels = stack, grid, kernels
        self.maps, self.noise, self.noise_free = tuple(maps), noise, noise_free
        self.kernel = kernels.used(recipe.psf_mode) if kernels else None
        self.symmetries = kernels.symmetries if kernels else frozenset({"flip", "turn"})
        self.training, self.validating = parts
        # Rows beyond a patch that its sampled lines and their interpolation need.
        self.rim = math.ceil(2 * grid.factor) + 1

    @property
    def largest_patch_px(self) -> int:
        """The side of the largest square patch, a multiple of `CELL_PX`."""
        return min(n - n % CELL_PX for n in self.training.shape)

    @property
    def margin(self) -> tuple[int, int]:
        """Rows and columns around a patch that its degradation reads."""
        reach = (0, 0) if self.kernel is None else tuple(n // 2 for n in self.kernel.shape)
        return self.rim + reach[0], reach[1]

    def foreground(self, region: Region, patch_shape: tuple[int, int]) -> npt.NDArray[np.int32]:
        """Centres of patches of a region that hold structure; see `regions.foreground`."""
        return foreground(self.stack, self.maps, region, patch_shape)

    def everywhere(self, region: Region) -> npt.NDArray[np.int32]:
        """The region's middle in each plane, where there is no foreground to choose from."""
        planes = np.arange(self.stack.size("Z"))
        row, column = sum(region.rows) // 2, sum(region.columns) // 2
        return np.stack(
            [planes, np.full_like(planes, row), np.full_like(planes, column)], axis=1
        ).astype(np.int32)

    def window(
        self,
        draw: np.random.Generator,
        region: Region,
        centre: npt.NDArray[np.int32],
        shape: tuple[int, int],
        *,
        augment: bool,
    ) -> Floats:
        """A window around a patch near `centre`, `margin` larger on each side: (C, H, W).

        Beyond the region it is mirrored. With `augment` it is turned and flipped as far as the
        point-spread function is symmetric.
        """
        margin = self.margin
        turned = augment and "turn" in self.symmetries and draw.random() < 0.5
        if turned:
            shape, margin = shape[::-1], margin[::-1]
        plane, *middles = (int(n) for n in centre)
        bounds = (region.rows, region.columns)
        read, pad = [], [(0, 0)]
        for middle, size, extra, (start, stop) in zip(middles, shape, margin, bounds, strict=True):
            jitter = int(draw.integers(-CELL_PX // 2, CELL_PX // 2 + 1))
            first = min(max(middle - size // 2 + jitter, start), stop - size)
            before, after = first - extra, first + size + extra
            read.append(slice(max(before, start), min(after, stop)))
            pad.append((max(start - before, 0), max(after - stop, 0)))
        block = np.asarray(self.stack.data[(slice(None), plane, *read)], np.float32)
        block = np.pad(block, pad, mode="symmetric")
        if turned:
            block = block.transpose(0, 2, 1)
        if augment and "flip" in self.symmetries:
            block = np.flip(block, tuple(axis for axis in (1, 2) if draw.random() < 0.5))
        return np.ascontiguousarray(block)

    def identity(self) -> list[object]:
        """What a resumed run must find unchanged: the data's size and range, the degradation."""
        # Rounded: another processor computes the same kernel with other last digits.
        energy = 0.0 if self.kernel is None else float(f"{(self.kernel**2).sum():.6g}")
        kernel = None if self.kernel is None else [self.kernel.shape, energy]
        return [
            self.stack.shape,
            self.grid.factor,
            [(one.low, one.high) for one in self.maps],
            kernel,
            self.noise_free,
        ]

    def noise_facts(self) -> list[dict[str, Any]] | None:
        """The camera's noise of each channel, for a model to remember."""
        return [asdict(one) for one in self.noise] if self.noise else None


def sources(image: Image, grid: Grid, kernels: Kernels | None, recipe: Recipe) -> list[Source]:
    """A source for each time point of an image; range, noise and parts are those of all of them.

    Parameters
    ----------
    image
        Axes ZYX and perhaps C and T.
    grid, kernels
        Its geometry and optics.
    recipe
        How it is normalised, and whether its noise is looked for.
    """
    maps = normalize.fit(image, recipe.percentiles)
    middle = image.middle()
    noise = None
    if recipe.noise != "none":
        noise = [camera.estimate(one.data) for one in normalize.channels(middle)]
    parts = divide(middle, maps, recipe.validation_fraction)
    return [Source(frame, grid, kernels, maps, noise, parts, recipe) for frame in image.frames()]
