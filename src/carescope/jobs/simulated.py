"""Learn from simulated images alone, where the truth cannot be recorded."""

from __future__ import annotations

from pathlib import Path

from carescope import pairs
from carescope.jobs.familiar import fingerprint_of
from carescope.jobs.members import check_kept, learn_members, starts
from carescope.jobs.passes import Shared, Watch
from carescope.model import Ensemble, Model
from carescope.pairs import Scene
from carescope.read.settings import read_settings
from carescope.recipe import Recipe


def open_scene(path: Path) -> Scene:
    """The scene that a YAML file describes.

    Raises
    ------
    InputError
        The file cannot be read.
    UsageError
        It names something that is unknown or impossible, or leaves out what is needed.
    """
    return Scene.of(read_settings(path), str(path))


def learn_scene(
    scene: Scene,
    recipe: Recipe,
    *,
    members: int = 1,
    start: Path | None = None,
    folder: Path | None = None,
    shared: Shared | None = None,
    watch: Watch | None = None,
) -> Model | Ensemble:
    """Train a network, or an ensemble, on a simulated scene.

    Parameters
    ----------
    scene
        What is simulated, and how it is seen.
    recipe
        How to train. Its minutes are those of all members together, its steps those of each; time
        in which fields are simulated is not counted.
    members, start, folder, shared, watch
        As for `carescope.jobs.learning.learn`. Each member sees fields of its own.
    """
    shared = shared or Shared()
    check_kept(folder, shared)
    made = pairs.from_scene(scene, recipe)
    begun = starts(start, members, recipe, made.task)
    made.known = fingerprint_of(made.images(), recipe.percentiles)
    return learn_members(made, begun, shared, folder, watch)
