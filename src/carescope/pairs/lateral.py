"""Pairs from anisotropic stacks: lateral slices, and what they would look like axially.

A lateral slice is sharp in both directions; blurred by the rotated point-spread function,
sampled as coarsely as planes are and interpolated back, it looks like an axial slice. The
network learns the way back (IsoNet, eq. 2, doi:10.1007/978-3-319-66185-8_15).
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from carescope import normalize
from carescope.errors import InputError, UsageError
from carescope.grid import Grid
from carescope.image import Image
from carescope.pairs import draws
from carescope.pairs.agree import check_alike
from carescope.pairs.contract import Batch
from carescope.pairs.degrade import RECORRUPTION, degrade, recorrupted
from carescope.pairs.doubts import doubts
from carescope.pairs.places import Places
from carescope.pairs.regions import CELL_PX, no_structure
from carescope.pairs.source import Floats, Source, sources
from carescope.physics.microscope import Kernels, Microscope
from carescope.recipe import Recipe
from carescope.task import Task

#: What in a recipe decides which patches there are and how they look.
DECIDES_PATCHES = ("psf_mode", "noise", "percentiles", "validation_fraction", "patch_px")


class LateralPairs:
    """Batches of (axial-looking, lateral) patches of stacks, degraded as they are drawn.

    Nothing is kept but the foreground's coordinates.

    Parameters
    ----------
    pool
        The stacks, a source for each time point, all with as many channels.
    recipe
        Patch size, batch size, noise and seed.
    scope, images
        What took the stacks and the images themselves, so that pairs of another recipe can be
        made.

    Raises
    ------
    InputError
        No patch holds structure.
    """

    def __init__(
        self,
        pool: Sequence[Source],
        recipe: Recipe,
        scope: Microscope | None = None,
        images: Sequence[Image] = (),
    ) -> None:
        self.pool, self.recipe, self.scope, self.images = list(pool), recipe, scope, images
        self.known: dict[str, Any] = {}
        side = min(recipe.patch_px, *(source.largest_patch_px for source in pool))
        self.patch_shape = (side, side)
        rows, columns = np.min([source.validating.shape for source in pool], axis=0)
        self.validation_shape = (min(side, int(rows - rows % CELL_PX)), min(side, int(columns)))
        self._centres = Places([s.foreground(s.training, self.patch_shape) for s in pool])
        if not len(self._centres):
            raise no_structure(pool[0].maps, pool[0].stack.source)
        band = Places([s.foreground(s.validating, self.validation_shape) for s in pool])
        self._band_is_empty = not len(band)
        if self._band_is_empty:
            band = Places([s.everywhere(s.validating) for s in pool])
        self._validation_centres = band

    @property
    def task(self) -> Task:
        """Isotropic restoration of stacks with the geometry of the first one."""
        return isotropic_task(self.pool[0].stack, self.pool[0].grid)

    planes = 1  # of no concern: the network sees sections

    @property
    def kernels(self) -> Kernels | None:
        """The optics of the first stack, or None."""
        return self.pool[0].kernels

    def with_structure(self) -> list[int]:
        """The numbers of those stacks of the pool that hold something to learn from."""
        return [number for number, found in enumerate(self._centres.centres) if len(found)]

    def identity(self) -> list[object]:
        """What a resumed run must find unchanged."""
        return [source.identity() for source in self.pool]

    def facts(self) -> dict[str, Any]:
        """What a model should remember of the data and the optics it learnt from."""
        psf = self.scope.psf if self.scope else None
        names = dict.fromkeys(Path(s.stack.source or "array").name for s in self.pool)
        return {
            "trained_on": list(names),
            "data_sha256": hashlib.sha256(json.dumps(self.identity()).encode()).hexdigest(),
            "stacks": len(self.pool),
            "channel_names": list(self.pool[0].stack.channel_names),
            "optics": {"psf": psf.kind, **psf.parameters} if psf else {"psf": "none"},
            "noise": self.pool[0].noise_facts(),
        } | self.known

    def doubts(self) -> list[str]:
        """What a user should know of the degradation before trusting it."""
        first, mode = self.pool[0], self.recipe.psf_mode
        pixel_um = first.stack.voxel()[2]
        return doubts(first.kernels, mode, first.grid, pixel_um, self._band_is_empty)

    def under(self, recipe: Recipe) -> LateralPairs:
        """Pairs of the same stacks under another recipe; nothing is read where patches are alike.

        Raises
        ------
        UsageError
            The recipe is another, and it is not known what took the stacks.
        """
        if all(getattr(recipe, name) == getattr(self.recipe, name) for name in DECIDES_PATCHES):
            same = copy.copy(self)
            same.recipe = recipe
            return same
        if self.scope is None:
            raise UsageError(
                "the pairs were made under another recipe",
                remedy="Train with the recipe they were made with",
            )
        other = from_volume(self.images, self.scope, recipe)
        other.known = self.known
        return other

    def again(self, drafts: dict[int, Image], recipe: Recipe) -> LateralPairs:
        """Pairs from lateral slices of restorations of these stacks.

        They hold less of their neighbouring planes than recorded slices do, as axial slices
        do, and no noise.

        Parameters
        ----------
        drafts
            For some numbers of the pool, a draft of the restored stack, axes CZYX, grey levels.
        recipe
            Of the second pass.
        """
        again = []
        for number, draft in drafts.items():
            s = self.pool[number]
            parts = s.training, s.validating
            again.append(
                Source(draft, s.grid, s.kernels, s.maps, s.noise, parts, recipe, noise_free=True)
            )
        return LateralPairs(again, recipe, self.scope, self.images)

    def batch(self, number: int, share: tuple[int, int] = (0, 1)) -> Batch:
        """Training batch `number`: input and target, each (N, C, H, W) normalised.

        Parameters
        ----------
        number
            Which batch, from 0.
        share
            Which part of it, of how many.
        """
        drawn = draws.training(self.recipe, number, share)
        return self._draw(drawn, "training", self._centres, self.patch_shape)

    def validation(self, batches: int = 2) -> list[Batch]:
        """The batches that judge a network: always the same, never trained on."""
        made = []
        for number in range(batches):
            drawn = draws.validation(self.recipe, number)
            centres, shape = self._validation_centres, self.validation_shape
            made.append(self._draw(drawn, "validating", centres, shape))
        return made

    def _draw(
        self,
        draws: Sequence[np.random.Generator],
        region: str,
        centres: Places,
        shape: tuple[int, int],
    ) -> Batch:
        """A patch for each generator; those of one stack are degraded together."""
        chosen = [centres.choose(draw) for draw in draws]
        inputs = np.empty((len(draws), self.task.channels_in, *shape), np.float32)
        targets = np.empty_like(inputs)
        for number in sorted({number for number, _ in chosen}):
            source = self.pool[number]
            mine = [i for i, (n, _) in enumerate(chosen) if n == number]
            rows, columns = (slice(m, m + n) for m, n in zip(source.margin, shape, strict=True))
            sharp = [
                source.window(
                    draws[i],
                    getattr(source, region),
                    chosen[i][1],
                    shape,
                    augment=region == "training",
                )
                for i in mine
            ]
            seen = sharp
            if self._cleans(source):
                pairs = [
                    recorrupted(draws[i], window, source.noise or ())
                    for i, window in zip(mine, sharp, strict=True)
                ]
                seen, sharp = [a for a, _ in pairs], [b for _, b in pairs]
            degraded = self._degrade(source, [draws[i] for i in mine], np.stack(seen), shape[0])
            for i, low, high in zip(mine, degraded, sharp, strict=True):
                inputs[i] = normalize.apply(source.maps, low)
                targets[i] = normalize.apply(source.maps, high[:, rows, columns])
        return inputs, targets

    def _cleans(self, source: Source) -> bool:
        return self.recipe.noise == "clean" and source.noise is not None and not source.noise_free

    def _degrade(
        self, source: Source, draws: list[np.random.Generator], windows: Floats, rows: int
    ) -> Floats:
        share = 0.0 if source.noise_free else 1.0
        if self._cleans(source):
            share += RECORRUPTION**2
        return degrade(
            draws,
            windows,
            slice(source.rim, source.rim + rows),
            kernel=source.kernel,
            factor=source.grid.factor,
            noise=source.noise,
            maps=source.maps,
            noise_share=share,
        )


def isotropic_task(stack: Image, grid: Grid) -> Task:
    """The task of restoring stacks with the channels and the geometry of this one."""
    return Task(
        kind="isotropic",
        channels_in=stack.size("C"),
        channels_out=stack.size("C"),
        factor=grid.factor,
        step_um=grid.step_um,
        pixel_um=stack.voxel()[2],
    )


def from_volume(
    stacks: Image | Sequence[Image], scope: Microscope, recipe: Recipe | None = None
) -> LateralPairs:
    """Pairs from stacks and the microscope that took them.

    Parameters
    ----------
    stacks
        One image or several of the same kind: axes ZYX and perhaps C and T, with a voxel size.
        All time points of all of them are pooled; their channels are learnt together.
    scope
        Their point-spread function, and the factor where it is not plane distance over pixel size.
    recipe
        How patches are made; the default recipe where None.

    Raises
    ------
    InputError
        A stack has other axes, no voxel size, a single plane, or nothing in it; or stacks
        differ in their channels or geometry.
    """
    images = [stacks] if isinstance(stacks, Image) else list(stacks)
    recipe = recipe or Recipe()
    if scope.psf is None and recipe.psf_mode == "full":
        raise UsageError(
            "without a point-spread function there is no full one to undo",
            where="--psf-mode",
            remedy="Give the optics with --psf, or leave --psf-mode out",
        )
    grids = [scope.grid(image) for image in images]
    check_alike(images, grids)
    pool = []
    for image, grid in zip(images, grids, strict=True):
        kernels = scope.kernels(grid, image.voxel()[2])
        if grid.factor == 1 and kernels and kernels.used(recipe.psf_mode).size == 1:
            raise InputError(
                "planes are as far apart as pixels, and the point-spread function is no longer "
                "along z than across: there is nothing to restore",
                where=image.source,
                remedy="Name the optics with --psf and undo the lateral blur too with --psf-mode "
                "full, or correct them",
            )
        pool += sources(image, grid, kernels, recipe)
    return LateralPairs(pool, recipe, scope, images)
