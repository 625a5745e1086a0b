"""Pairs that a microscope recorded: the same scene with little light and with enough of it."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from carescope import normalize
from carescope.errors import UsageError
from carescope.image import Image
from carescope.pairs import draws
from carescope.pairs.agree import check_pairs
from carescope.pairs.contract import Batch
from carescope.pairs.levels import in_units_of
from carescope.pairs.places import Places
from carescope.pairs.planes import coarser, overlaid
from carescope.pairs.regions import CELL_PX, POOLED_PLANES, Region, divide, no_structure
from carescope.pairs.shot import Shot
from carescope.recipe import Recipe
from carescope.task import Kind, Task

#: From so many images on whole ones validate, of fewer a band of columns of each.
ENOUGH_IMAGES = 8
#: What in a recipe decides which patches there are and how they look.
DECIDES_PATCHES = ("percentiles", "validation_fraction", "patch_px", "patch_planes")


class AcquiredPairs:
    """Batches of (recorded, wanted) patches, read from the images as they are drawn.

    Parameters
    ----------
    training, validating
        Shots, each with the region in which its patches may lie.
    recipe
        Patch size, batch size and seed.
    task
        What is to be learnt.
    images
        The pairs of images themselves, so that pairs of another recipe can be made.

    Raises
    ------
    InputError
        No patch holds structure.
    """

    def __init__(
        self,
        training: Sequence[Shot],
        validating: Sequence[Shot],
        recipe: Recipe,
        task: Task,
        images: Sequence[tuple[Image, Image]],
    ) -> None:
        self.training, self.validating = list(training), list(validating)
        self.recipe, self._task, self.images = recipe, task, images
        self.known: dict[str, Any] = {}
        self.patch_shape = self._shape_within(self.training)
        self.validation_shape = self._shape_within([*self.training, *self.validating])
        self._centres = Places([shot.foreground(self.patch_shape) for shot in self.training])
        if not len(self._centres):
            raise no_structure(self.training[0].range_maps, self.training[0].high.source)
        held = Places([shot.foreground(self.validation_shape) for shot in self.validating])
        self._validation_is_empty = not len(held)
        if self._validation_is_empty:
            held = Places([shot.everywhere() for shot in self.validating])
        self._validation_centres = held

    def _shape_within(self, shots: Sequence[Shot]) -> tuple[int, int, int]:
        """Planes, rows and columns of the largest patch that fits into all shots."""
        side = min(self.recipe.patch_px, *(n for shot in shots for n in shot.region.shape))
        side -= side % CELL_PX
        if self._task.axes == "YX":
            return 1, side, side
        if self._task.kind == "project":  # the surface may lie in any plane
            return max(shot.low.size("Z") for shot in self.training + self.validating), side, side
        planes = min(self.recipe.patch_planes, self.planes)
        # What networks pool: four planes of many, and pairs of those that were interpolated.
        cell = 4 if self.planes >= POOLED_PLANES else 2 if self._task.kind == "upsample" else 1
        return planes - planes % cell, side, side

    @property
    def task(self) -> Task:
        """Denoising, or any other change that keeps the place of things."""
        return self._task

    @property
    def planes(self) -> int:
        """Planes of the smallest stack."""
        return min(shot.low.size("Z") for shot in [*self.training, *self.validating])

    def identity(self) -> list[object]:
        """What a resumed run must find unchanged."""
        factor = [self._task.factor] if self._task.factor != 1 else []
        return [*(shot.identity() for shot in [*self.training, *self.validating]), *factor]

    def facts(self) -> dict[str, Any]:
        """What a model should remember of the images it learnt from."""
        names = dict.fromkeys(Path(low.source or "array").name for low, _ in self.images)
        low, high = self.images[0]
        return {
            "trained_on": list(names),
            "data_sha256": hashlib.sha256(json.dumps(self.identity()).encode()).hexdigest(),
            "pairs": len(self.images),
            "channel_names": list(low.channel_names),
            "target_channel_names": list(high.channel_names),
        } | self.known

    def doubts(self) -> list[str]:
        """What a user should know before trusting what is learnt."""
        if not self._validation_is_empty:
            return []
        return [
            "The images that validate hold no structure: the weights that were kept were chosen on "
            "background."
        ]

    def under(self, recipe: Recipe) -> AcquiredPairs:
        """Pairs of the same images under another recipe; nothing is read where patches are alike.

        Parameters
        ----------
        recipe
            The other recipe.
        """
        if all(getattr(recipe, name) == getattr(self.recipe, name) for name in DECIDES_PATCHES):
            same = copy.copy(self)
            same.recipe = recipe
            return same
        task = self._task
        other = from_pairs(self.images, recipe, kind=task.kind, factor=task.factor)
        other.known = self.known
        return other

    def batch(self, number: int, share: tuple[int, int] = (0, 1)) -> Batch:
        """Training batch `number`: input and target, (N, channels, [Z,] Y, X) normalised.

        Parameters
        ----------
        number
            Which batch, from 0.
        share
            Which part of it, of how many.
        """
        drawn = draws.training(self.recipe, number, share)
        return self._cut(drawn, self.training, self._centres, self.patch_shape, augment=True)

    def validation(self, batches: int = 4) -> list[Batch]:
        """The batches that judge a network: always the same, never trained on."""
        made = []
        for number in range(batches):
            drawn = draws.validation(self.recipe, number)
            centres, shape = self._validation_centres, self.validation_shape
            made.append(self._cut(drawn, self.validating, centres, shape, augment=False))
        return made

    def _cut(
        self,
        draws: Sequence[np.random.Generator],
        shots: Sequence[Shot],
        centres: Places,
        shape: tuple[int, int, int],
        *,
        augment: bool,
    ) -> Batch:
        """A patch for each generator."""
        seen = shape[-self._task.ndim :]
        wanted = shape[1:] if self._task.kind == "project" else seen
        inputs = np.empty((len(draws), self._task.channels_in, *seen), np.float32)
        targets = np.empty((len(draws), self._task.channels_out, *wanted), np.float32)
        for i, draw in enumerate(draws):
            number, centre = centres.choose(draw)
            most = self.recipe.noisiest if self._task.kind == "denoise" else 1.0
            low, high = shots[number].cut(draw, centre, shape, augment=augment, most_noise=most)
            inputs[i], targets[i] = low.reshape(-1, *seen), high.reshape(-1, *wanted)
        return inputs, targets


def from_pairs(
    images: Sequence[tuple[Image, Image]],
    recipe: Recipe | None = None,
    *,
    kind: Kind = "denoise",
    factor: float = 1.0,
) -> AcquiredPairs:
    """Pairs from images recorded twice: as they are, and as they should be.

    Parameters
    ----------
    images
        Registered pairs (low, high), each with axes YX or ZYX and perhaps C and T, alike in all but
        the channels. One high image may stand in several pairs. All are of one kind.
    recipe
        How patches are made; the default recipe where None.
    kind
        ``denoise``, or ``project`` where the second of each pair is the surface, without Z, of the
        stack that the first is. Patches then hold all planes. Or ``upsample`` where it has `factor`
        times as many planes, the first on the first; inputs are then interpolated along Z.
    factor
        Planes of the second per plane of the first.

    Raises
    ------
    InputError
        Images of a pair differ in size or axes, pairs differ in kind (all that do are named), or
        there is nothing in them.
    UsageError
        There is no pair.
    """
    recipe = recipe or Recipe()
    if not images:
        raise UsageError("there are no pairs to learn from", remedy="Give --low and --high images")
    task = check_pairs(images, kind, factor)
    training, validating = [], []
    held = _held_out(len(images), recipe.validation_fraction)
    for number, (low, high) in enumerate(images):
        ranges = normalize.fit(low, recipe.percentiles), normalize.fit(high, recipe.percentiles)
        few = task.kind == "upsample"
        same = coarser(high, factor, low.size("Z")) if few else high
        maps = (*ranges, in_units_of(low, same, *ranges))
        if few:
            low, high = overlaid(low, high, factor)
        whole = Region((0, low.size("Y")), (0, low.size("X")))
        if not held:
            parts = divide(high.middle(), ranges[1], recipe.validation_fraction)
        for one, other in zip(low.frames(), high.frames(), strict=True):
            if number in held:
                validating.append(Shot(one, other, *maps, whole))
            elif held:
                training.append(Shot(one, other, *maps, whole))
            else:
                for shots, region in zip((training, validating), parts, strict=True):
                    shots.append(Shot(one, other, *maps, region))
    return AcquiredPairs(training, validating, recipe, task, images)


def _held_out(count: int, fraction: float) -> set[int]:
    """The numbers of the images that validate, evenly spread; none where there are few."""
    if count < ENOUGH_IMAGES:
        return set()
    validating = max(1, round(fraction * count))
    return {int((i + 0.5) * count / validating) for i in range(validating)}
