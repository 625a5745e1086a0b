"""Learn isotropic restoration from stacks: one model or several, in one pass or two."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from carescope import model, pairs, train
from carescope.errors import UsageError
from carescope.grid import Grid
from carescope.image import Image
from carescope.jobs.blind import Found, found_psf
from carescope.jobs.inputs import Optics
from carescope.jobs.kept import clear, keep, kept_or
from carescope.jobs.passes import Shared, Watch, in_two_passes, scaled
from carescope.model import Ensemble, Model
from carescope.model.folder import member_folder
from carescope.pairs import LateralPairs
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
    starts = _starts(start, members, recipe, images[0], factor)
    found = found_psf(images, factor) if optics.psf == "auto" else None
    scope = found.microscope if found else optics.microscope(images[0], factor)
    made = pairs.from_volume(images, scope, recipe)
    with train.alone(folder / "run" if folder else None):
        learnt: Model | Ensemble
        if members == 1:
            learnt = _one(made, shared, folder, watch, starts[0])
        else:
            learnt = _ensemble(made, members, shared, folder, watch, starts)
    return Learnt(learnt, made, found)


def check_learnt(folder: Path | None, shared: Shared, optics: Optics, recipe: Recipe) -> None:
    """Refuse, before any work, training that could not begin or be kept."""
    if recipe.psf_mode == "full" and optics.psf == "auto":
        raise UsageError(
            "finds how much more a stack is blurred along z than across, and says nothing of the "
            "lateral blur that --psf-mode full undoes",
            where="--psf auto",
            remedy="Name the optics with --psf, or leave --psf-mode out",
        )
    train.choose_device(shared.device)
    if shared.tensorboard is not None:
        train.check_board(shared.tensorboard)
    if folder is not None:
        model.check_absent(folder, overwrite=shared.overwrite)


def _one(
    made: LateralPairs,
    shared: Shared,
    folder: Path | None,
    watch: Watch | None,
    start: Model | None,
) -> Model:
    """One network; in two passes where there is blur to undo and more than a step to share."""
    recipe = made.recipe
    if made.kernels is None or recipe.passes == 1 or recipe.steps == 1:
        return shared.fit(made, folder, watch, start)
    return in_two_passes(made, shared, folder, watch, start)


def _ensemble(
    made: LateralPairs,
    members: int,
    shared: Shared,
    folder: Path | None,
    watch: Watch | None,
    starts: Sequence[Model | None],
) -> Ensemble:
    """Several networks from their own seeds; those finished before an interruption are kept.

    They are learnt in run/, so that what `folder` holds stays until all of them are finished.
    """
    recipe = made.recipe
    places = [folder / "run" / member_folder(m) if folder else None for m in range(members)]
    minutes = {} if recipe.seconds is None else {"minutes": recipe.seconds / 60 / members}
    learnt = []
    for m, (place, start) in enumerate(zip(places, starts, strict=True)):
        own = recipe.model_copy(update={"seed": (recipe.seed + m) % 2**32, **minutes})
        mine = made.under(own)
        told = scaled(watch, m / members, (m + 1) / members)
        again = partial(_one, mine, shared.within(member_folder(m)), place, told, start)
        learnt.append(kept_or(again, place, mine, start, overwrite=shared.overwrite))
    ensemble = Ensemble(tuple(learnt))
    keep(ensemble, folder, shared.overwrite)
    clear(places)
    return ensemble


def _starts(
    folder: Path | None, members: int, recipe: Recipe, stack: Image, factor: float | None
) -> list[Model | None]:
    """What each member begins with: its counterpart in an ensemble, or one model for all."""
    if folder is None:
        return [None] * members
    start = model.load(folder)
    if len(start.members) not in (1, members):
        raise UsageError(
            f"is an ensemble of {len(start.members)} networks, and {members} are to be trained",
            where=folder,
            remedy=f"Give --ensemble {len(start.members)}, or one of its members with --from",
        )
    for one in start.members:
        train.check_start(one, recipe, stack.size("C"))
    wanted = Grid.of(stack, factor=factor).factor
    if abs(start.factor / wanted - 1) > pairs.TOLERANCE:
        raise UsageError(
            f"was learnt for {start.factor:.3g} planes to each recorded one, and this stack has "
            f"{wanted:.3g}",
            where=folder,
            remedy="Correct --voxel-um, or train without --from",
        )
    return [start.members[m % len(start.members)] for m in range(members)]
