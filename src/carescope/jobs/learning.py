"""Learn isotropic restoration from stacks: one model or several, in one pass or two."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from carescope import pairs
from carescope.errors import UsageError
from carescope.grid import Grid
from carescope.image import Image
from carescope.jobs.blind import Found, found_psf
from carescope.jobs.familiar import fingerprint_of
from carescope.jobs.inputs import Optics
from carescope.jobs.members import check_kept, learn_members, starts
from carescope.jobs.passes import Shared, Watch, in_two_passes
from carescope.model import Ensemble, Model
from carescope.pairs import LateralPairs, Pairs
from carescope.recipe import Recipe


class Learnt(NamedTuple):
    """What was learnt from stacks, the pairs it was learnt from, and the PSF that was found."""

    model: Model | Ensemble
    pairs: LateralPairs
    found: Found | None = None

    @property
    def warnings(self) -> list[str]:
        """What the optics, the training and its data give to think about."""
        of_members = [said for one in self.model.members for said in one.facts["warnings"]]
        return list(dict.fromkeys([*(self.found.warnings if self.found else []), *of_members]))


def learn(
    stacks: Image | Sequence[Image],
    optics: Optics,
    recipe: Recipe,
    *,
    factor: float | None = None,
    members: int = 1,
    start: Path | None = None,
    folder: Path | None = None,
    shared: Shared | None = None,
    watch: Watch | None = None,
) -> Learnt:
    """Train a network, or an ensemble, on stacks' own lateral slices.

    Parameters
    ----------
    stacks
        One or several of a kind, axes ZYX and perhaps C and T, with a voxel size.
    optics
        What blurs them; with ``auto`` the axial blur is found from the stacks.
    recipe
        How to train. Its minutes are those of all members together, its steps those of each.
    factor
        Restored planes per recorded plane; where None, plane distance over pixel size.
    members
        How many networks to train, each from its own seed.
    start
        The folder of a model to go on from.
    folder
        Where to keep the model, and the run so that it can be resumed.
    shared
        Device, workers and whether to replace what is in `folder`.
    watch
        Told of every step.
    """
    shared = shared or Shared()
    check_learnt(folder, shared, optics, recipe)
    images = [stacks] if isinstance(stacks, Image) else list(stacks)
    begun = _starts(start, members, recipe, images[0], factor)
    found = found_psf(images, factor) if optics.psf == "auto" else None
    scope = found.microscope if found else optics.microscope(images[0], factor)
    made = pairs.from_volume(images, scope, recipe)
    made.known = fingerprint_of(images, recipe.percentiles)
    return Learnt(learn_members(made, begun, shared, folder, watch, _one), made, found)


def check_learnt(folder: Path | None, shared: Shared, optics: Optics, recipe: Recipe) -> None:
    """Refuse, before any work, training that could not begin or be kept."""
    if recipe.psf_mode == "full" and optics.psf == "auto":
        raise UsageError(
            "finds how much more a stack is blurred along z than across, and says nothing of the "
            "lateral blur that --psf-mode full undoes",
            where="--psf auto",
            remedy="Name the optics with --psf, or leave --psf-mode out",
        )
    check_kept(folder, shared)


def _one(
    made: Pairs,
    shared: Shared,
    folder: Path | None,
    watch: Watch | None,
    start: Model | None,
) -> Model:
    """One network; in two passes where there is blur to undo and more than a step to share."""
    several = made.recipe.passes > 1 and made.recipe.steps != 1
    if several and isinstance(made, LateralPairs) and made.kernels is not None:
        return in_two_passes(made, shared, folder, watch, start)
    return shared.fit(made, folder, watch, start)


def _starts(
    folder: Path | None, members: int, recipe: Recipe, stack: Image, factor: float | None
) -> list[Model | None]:
    """What each member begins with, if it was learnt for this geometry."""
    task = pairs.isotropic_task(stack, Grid.of(stack, factor=factor))
    begun = starts(folder, members, recipe, task)
    for one in begun:
        if one and abs(one.task.factor / task.factor - 1) > pairs.TOLERANCE:
            raise UsageError(
                f"was learnt for {one.task.factor:.3g} planes to each recorded one, and this stack "
                f"has {task.factor:.3g}",
                where=folder,
                remedy="Correct --voxel-um, or train without --from",
            )
    return begun
