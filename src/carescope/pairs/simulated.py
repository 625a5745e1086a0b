"""Pairs that no microscope recorded: simulated structures, and simulated images of them."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any, NamedTuple

import numpy as np

from carescope import normalize, rng
from carescope.errors import UsageError
from carescope.image import Image
from carescope.normalize import Affine
from carescope.pairs import draws
from carescope.pairs.contract import Batch
from carescope.pairs.regions import CELL_PX
from carescope.pairs.scene import Scene
from carescope.physics.camera import Noise, expose
from carescope.recipe import Recipe
from carescope.task import Task

#: Each field is seen with so many numbers of photons and frames.
EXPOSURES = 4
VALIDATING_FIELDS = 8


class View(NamedTuple):
    """One way in which a field is seen: how bright, with what noise, normalised by what."""

    grey: float
    noise: Noise
    map: Affine


class SimulatedPairs:
    """Batches of (image, structure) patches; noise is drawn anew for each patch.

    Targets are in the grey levels of their input: what its brightest pixel would be there without
    noise. Patches lie anywhere; they are flipped and, along Y and X, turned.

    Parameters
    ----------
    scene
        What is simulated.
    recipe
        Patch size, batch size and seed; the seed also decides the fields.
    """

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        self.scene, self.recipe = scene, recipe
        self.known: dict[str, Any] = {}
        count = scene.fields + VALIDATING_FIELDS
        self._fields = [scene.field(recipe.seed, n) for n in range(count)]
        self._views = [[self._view(n, which) for which in range(EXPOSURES)] for n in range(count)]

    def _view(self, number: int, which: int) -> View:
        grey, noise = self.scene.exposure(self.recipe.seed, number, which)
        [found] = normalize.fit(self._taken(number, which), self.recipe.percentiles)
        return View(grey, noise, found)

    def _taken(self, number: int, which: int) -> Image:
        """A field as the microscope takes it at one of its exposures."""
        grey, noise = self.scene.exposure(self.recipe.seed, number, which)
        draw = rng.generator(self.recipe.seed, "view", number, which)
        light = noise.offset + grey * self._fields[number].light
        return Image(expose(light, noise, draw), self.scene.axes)

    @property
    def task(self) -> Task:
        """Pixels stay where they are, and mean what they did."""
        step_um, _, pixel_um = self.scene.spacing_um
        return Task(kind="denoise", axes=self.scene.axes, step_um=step_um, pixel_um=pixel_um)

    @property
    def planes(self) -> int:
        """Planes of a field; 1 where it is flat."""
        return self.scene.shape[0] if len(self.scene.shape) == 3 else 1

    def identity(self) -> list[object]:
        """What a resumed run must find unchanged."""
        return [self.scene.model_dump(mode="json")]

    def facts(self) -> dict[str, Any]:
        """What a model should remember of what it learnt from."""
        said = json.dumps(self.identity())
        return {
            "trained_on": [f"simulated {self.scene.phantom}"],
            "data_sha256": hashlib.sha256(said.encode()).hexdigest(),
            "scene": self.scene.model_dump(mode="json", exclude_none=True),
        } | self.known

    def doubts(self) -> list[str]:
        """What a user should know before trusting what is learnt."""
        return [
            "Trained on simulated images alone: what it restores is only as true as structures and "
            "optics of the scene are."
        ]

    def under(self, recipe: Recipe) -> SimulatedPairs:
        """Pairs of the same scene under another recipe."""
        if (recipe.seed, recipe.percentiles) != (self.recipe.seed, self.recipe.percentiles):
            other = SimulatedPairs(self.scene, recipe)
            other.known = self.known
            return other
        same = copy.copy(self)
        same.recipe = recipe
        return same

    def images(self) -> list[Image]:
        """The images as a microscope would take them, one of each field that trains."""
        return [self._taken(number, 0) for number in range(self.scene.fields)]

    def held(self) -> list[tuple[Image, tuple[Affine, ...]]]:
        """The images that validate, one of each field, and what normalises each."""
        numbers = range(self.scene.fields, len(self._fields))
        return [(self._taken(n, 0), (self._views[n][0].map,)) for n in numbers]

    def batch(self, number: int, share: tuple[int, int] = (0, 1)) -> Batch:
        """Training batch `number`: input and target, (N, 1, [Z,] Y, X) normalised.

        Parameters
        ----------
        number
            Which batch, from 0.
        share
            Which part of it, of how many.
        """
        return self._cut(draws.training(self.recipe, number, share), range(self.scene.fields))

    def validation(self, batches: int = 4) -> list[Batch]:
        """The batches that judge a network: always the same, of fields never trained on."""
        held = range(self.scene.fields, len(self._fields))
        return [self._cut(draws.validation(self.recipe, n), held) for n in range(batches)]

    def _shape(self) -> tuple[int, ...]:
        """Lengths of a patch."""
        side = min(self.recipe.patch_px, *self.scene.shape[-2:])
        sides = (side - side % CELL_PX,) * 2
        if len(self.scene.shape) == 2:
            return sides
        planes = min(self.recipe.patch_planes, self.scene.shape[0])
        return (planes - planes % 4, *sides)

    def _cut(self, drawn: list[np.random.Generator], numbers: range) -> Batch:
        """A patch for each generator."""
        shape = self._shape()
        inputs = np.empty((len(drawn), 1, *shape), np.float32)
        targets = np.empty_like(inputs)
        for i, draw in enumerate(drawn):
            number = int(draw.integers(numbers.start, numbers.stop))
            field, view = self._fields[number], self._views[number][draw.integers(EXPOSURES)]
            firsts = [
                int(draw.integers(n - m + 1)) for n, m in zip(self.scene.shape, shape, strict=True)
            ]
            at = tuple(slice(a, a + m) for a, m in zip(firsts, shape, strict=True))
            clean = view.noise.offset + view.grey * field.light[at]
            low = view.map.apply(expose(clean, view.noise, draw))
            high = view.map.apply(view.noise.offset + view.grey * field.sharp[at])
            inputs[i, 0], targets[i, 0] = draws.turned(draw, low, high)
        return inputs, targets


def from_scene(scene: Scene, recipe: Recipe | None = None) -> SimulatedPairs:
    """Pairs from simulation alone.

    Parameters
    ----------
    scene
        What is simulated, and how it is seen.
    recipe
        How patches are made; the default recipe where None.

    Raises
    ------
    UsageError
        The recipe asks for a network for axial sections.
    """
    recipe = recipe or Recipe()
    if len(scene.shape) == 3 and recipe.network.startswith("isonet"):
        raise UsageError(
            f"the network {recipe.network} sees planes alone",
            where="--network",
            remedy="Choose auto or care, or a shape of two lengths",
        )
    return SimulatedPairs(scene, recipe)
