"""Pairs from one anisotropic stack: lateral slices, and what they would look like axially.

A lateral slice is sharp in both directions; blurred by the rotated point-spread function,
sampled as coarsely as planes are and interpolated back, it looks like an axial slice. The
network learns the way back (IsoNet, eq. 2, doi:10.1007/978-3-319-66185-8_15).
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import normalize, rng
from carescope.errors import InputError, UsageError
from carescope.grid import Grid
from carescope.image import Image
from carescope.normalize import Affine
from carescope.pairs.degrade import degrade
from carescope.pairs.doubts import doubts
from carescope.pairs.regions import CELL_PX, Region, foreground, split
from carescope.physics import camera
from carescope.physics.microscope import Kernels, Microscope
from carescope.recipe import Recipe

Floats = npt.NDArray[np.float32]
Batch = tuple[Floats, Floats]


class LateralPairs:
    """Batches of (axial-looking, lateral) patches of one stack, degraded as they are drawn.

    Nothing is kept but the foreground's coordinates; a batch depends on the seed and its
    number alone.

    Parameters
    ----------
    stack
        Axes ZYX, grey levels.
    grid
        The stack's axial geometry.
    kernels
        What blurs an axial slice, on pixels of the restored grid; None where only the
        sampling is undone. ``recipe.psf_mode`` says which of them degrades lateral slices.
    affine
        The model's normalisation.
    noise
        The camera's noise in the stack; None adds none. What blur takes from a slice's own
        noise is put back, so that the network meets the noise of real axial slices, or that
        of a dim stack where it is more.
    recipe
        Patch size, batch size, validation share and seed.
    scope
        What took the stack, so that pairs of another recipe can be made.
    """

    def __init__(
        self,
        stack: Image,
        grid: Grid,
        kernels: Kernels | None,
        affine: Affine,
        noise: camera.Noise | None,
        recipe: Recipe,
        scope: Microscope | None = None,
    ) -> None:
        self.stack, self.grid, self.kernels, self.scope = stack, grid, kernels, scope
        self.affine, self.noise, self.recipe = affine, noise, recipe
        self.kernel = kernels.used(recipe.psf_mode) if kernels else None
        self.symmetries = kernels.symmetries if kernels else frozenset({"flip", "turn"})
        training, validation = split(
            (stack.size("Y"), stack.size("X")), recipe.validation_fraction, where=stack.source
        )
        side = min(recipe.patch_px, *(n - n % CELL_PX for n in training.shape))
        self.training, self.validating = training, validation
        self.patch_shape = (side, side)
        self.validation_shape = (
            min(side, validation.shape[0] - validation.shape[0] % CELL_PX),
            min(side, validation.shape[1]),
        )
        self._centres = foreground(stack, training, self.patch_shape)
        self.noise_free = False
        self._band_is_empty = False
        self._validation_centres = self._validation_foreground()
        # Rows beyond a patch that its sampled lines and their interpolation need.
        self._margin = math.ceil(2 * grid.factor) + 1

    @property
    def pixel_um(self) -> float:
        """Lateral pixel size of the stack."""
        return self.stack.voxel()[2]

    def identity(self) -> list[object]:
        """What a resumed run must find unchanged: the data's size and range, the degradation."""
        kernel = None if self.kernel is None else [self.kernel.shape, float((self.kernel**2).sum())]
        return [
            self.stack.shape,
            self.grid.factor,
            self.affine.low,
            self.affine.high,
            kernel,
            self.noise_free,
        ]

    def facts(self) -> dict[str, Any]:
        """What a model should remember of the data and the optics it learnt from."""
        psf = self.scope.psf if self.scope else None
        return {
            "trained_on": Path(self.stack.source or "array").name,
            "optics": {"psf": psf.kind, **psf.parameters} if psf else {"psf": "none"},
            "noise": asdict(self.noise) if self.noise else None,
        }

    def doubts(self) -> list[str]:
        """What a user should know of the degradation before trusting it."""
        return doubts(
            self.kernels, self.recipe.psf_mode, self.grid, self.pixel_um, self._band_is_empty
        )

    def under(self, recipe: Recipe) -> LateralPairs:
        """These pairs, or those of the same stack under another recipe.

        Raises
        ------
        UsageError
            The recipe is another, and it is not known what took the stack.
        """
        if recipe == self.recipe:
            return self
        if self.scope is None:
            raise UsageError(
                "the pairs were made under another recipe",
                remedy="Train with the recipe they were made with",
            )
        return from_volume(self.stack, self.scope, recipe)

    def again(self, restored: Image, recipe: Recipe) -> LateralPairs:
        """Pairs from lateral slices of a restoration of this stack.

        They hold less of their neighbouring planes than recorded slices do, as axial slices
        do, and no noise.

        Parameters
        ----------
        restored
            Axes ZYX, grey levels, a draft of the restored volume.
        recipe
            Of the second pass.
        """
        pairs = LateralPairs(
            restored, self.grid, self.kernels, self.affine, self.noise, recipe, self.scope
        )
        pairs.noise_free = True
        return pairs

    def batch(self, number: int) -> Batch:
        """Training batch `number`: input and target, each (N, 1, H, W) normalised."""
        draw = rng.generator(self.recipe.seed, "patch", number)
        return self._draw(draw, self.training, self._centres, self.patch_shape, augment=True)

    def validation(self, batches: int = 2) -> list[Batch]:
        """The batches that judge a network: always the same, never trained on."""
        return [
            self._draw(
                rng.generator(self.recipe.seed, "validation", number),
                self.validating,
                self._validation_centres,
                self.validation_shape,
                augment=False,
            )
            for number in range(batches)
        ]

    def _validation_foreground(self) -> npt.NDArray[np.int32]:
        """The band's foreground, or all of it where it happens to be empty."""
        try:
            return foreground(self.stack, self.validating, self.validation_shape)
        except InputError:
            self._band_is_empty = True
            rows, columns = self.validating.rows, self.validating.columns
            planes = np.arange(self.stack.size("Z"))
            middle = np.full_like(planes, sum(rows) // 2), np.full_like(planes, sum(columns) // 2)
            return np.stack([planes, *middle], axis=1).astype(np.int32)

    def _draw(
        self,
        draw: np.random.Generator,
        region: Region,
        centres: npt.NDArray[np.int32],
        shape: tuple[int, int],
        *,
        augment: bool,
    ) -> Batch:
        reach = (0, 0) if self.kernel is None else tuple(n // 2 for n in self.kernel.shape)
        margin = (self._margin + reach[0], reach[1])
        windows = np.empty(
            (self.recipe.batch_size, shape[0] + 2 * margin[0], shape[1] + 2 * margin[1]), np.float32
        )
        for window in windows:
            plane, *centre = centres[draw.integers(len(centres))]
            turned = augment and "turn" in self.symmetries and draw.random() < 0.5
            window[:] = self._cut(draw, region, int(plane), centre, shape, margin, turned=turned)
            if augment and "flip" in self.symmetries:
                flips = tuple(axis for axis in (0, 1) if draw.random() < 0.5)
                window[:] = np.flip(window, flips).copy()
        rows, columns = slice(margin[0], -margin[0]), slice(margin[1], windows.shape[2] - margin[1])
        target = windows[:, rows, columns]
        return self._normalised(self._degrade(draw, windows, shape[0])), self._normalised(target)

    def _normalised(self, grey: Floats) -> Floats:
        return self.affine.apply(grey)[:, None]

    def _cut(
        self,
        draw: np.random.Generator,
        region: Region,
        plane: int,
        centre: list[int],
        shape: tuple[int, int],
        margin: tuple[int, int],
        *,
        turned: bool,
    ) -> Floats:
        """A window around a patch near `centre`; beyond the region it is mirrored."""
        if turned:
            shape, margin = shape[::-1], margin[::-1]
        bounds = (region.rows, region.columns)
        read, pad = [], []
        for middle, size, extra, (start, stop) in zip(centre, shape, margin, bounds, strict=True):
            jitter = int(draw.integers(-CELL_PX // 2, CELL_PX // 2 + 1))
            first = min(max(int(middle) - size // 2 + jitter, start), stop - size)
            before, after = first - extra, first + size + extra
            read.append(slice(max(before, start), min(after, stop)))
            pad.append((max(start - before, 0), max(after - stop, 0)))
        block = np.asarray(self.stack.data[(plane, *read)], np.float32)
        block = np.pad(block, pad, mode="symmetric")
        return block.T if turned else block

    def _degrade(self, draw: np.random.Generator, windows: Floats, rows: int) -> Floats:
        return degrade(
            draw,
            windows,
            slice(self._margin, self._margin + rows),
            kernel=self.kernel,
            factor=self.grid.factor,
            noise=self.noise,
            affine=self.affine,
            noise_free=self.noise_free,
        )


def from_volume(stack: Image, scope: Microscope, recipe: Recipe | None = None) -> LateralPairs:
    """Pairs from a stack and the microscope that took it.

    Parameters
    ----------
    stack
        Axes ZYX, with a voxel size.
    scope
        Its point-spread function, and the factor where it is not plane distance over pixel size.
    recipe
        How patches are made; the default recipe where None.

    Raises
    ------
    InputError
        The stack has other axes, no voxel size, a single plane, or nothing in it.
    """
    recipe = recipe or Recipe()
    if scope.psf is None and recipe.psf_mode == "full":
        raise UsageError(
            "without a point-spread function there is no full one to undo",
            where="--psf-mode",
            remedy="Give the optics with --psf, or leave --psf-mode out",
        )
    grid = scope.grid(stack)
    kernels = scope.kernels(grid, stack.voxel()[2])
    if grid.factor == 1 and kernels and kernels.used(recipe.psf_mode).size == 1:
        raise InputError(
            "planes are as far apart as pixels, and the point-spread function is no longer along z "
            "than across: there is nothing to restore",
            where=stack.source,
            remedy="Undo the lateral blur too with --psf-mode full, or correct the optics",
        )
    return LateralPairs(
        stack,
        grid,
        kernels,
        normalize.fit(stack, recipe.percentiles),
        camera.estimate(stack.data) if recipe.noise == "match" else None,
        recipe,
        scope,
    )
