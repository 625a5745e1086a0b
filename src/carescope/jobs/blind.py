"""The point-spread function of stacks that nobody said the optics of: ``--psf auto``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from carescope.errors import UsageError
from carescope.grid import Grid
from carescope.image import Image
from carescope.physics import blind
from carescope.physics.microscope import Microscope
from carescope.recipe import Recipe

#: Of how many stacks the blur is looked for, at most; they are evenly spread.
MOST_STACKS = 4


class Found(NamedTuple):
    """What was found of the optics, and the microscope that follows from it."""

    blur: blind.AxialBlur
    microscope: Microscope

    @property
    def warnings(self) -> list[str]:
        """One sentence where nothing was found, so that only the sampling is undone."""
        if self.blur.sigma_split_um is None:
            return [
                f"The axial blur could not be found ({self.blur.reason.rstrip('.')}): only the "
                "sampling is undone. Name the optics with --psf to undo their blur too."
            ]
        if self.microscope.psf is None:
            return ["The stack is no more blurred along z than across: only sampling is undone."]
        return []


def found_psf(stacks: Sequence[Image], factor: float | None, recipe: Recipe) -> Found:
    """Find the axial blur of stacks of one kind, in their middle time points.

    Parameters
    ----------
    stacks
        Axes ZYX and perhaps C and T, with a voxel size.
    factor
        Restored planes per recorded plane; where None, plane distance over pixel size.
    recipe
        What is to be undone.

    Raises
    ------
    UsageError
        The lateral blur is to be undone too, which cannot be found in this way.
    """
    if recipe.psf_mode == "full":
        raise UsageError(
            "finds how much more a stack is blurred along z than across, and says nothing of the "
            "lateral blur that --psf-mode full undoes",
            where="--psf auto",
            remedy="Name the optics with --psf, or leave --psf-mode out",
        )
    some = stacks[:: max(1, -(-len(stacks) // MOST_STACKS))]
    frames = [image.frames() for image in some]
    blur = blind.estimate([of_one[len(of_one) // 2] for of_one in frames])
    spacing_um = Grid.of(stacks[0], factor=factor).spacing_um
    psf = blur.psf((spacing_um, *stacks[0].voxel()[1:])) if blur.sigma_split_um else None
    if psf is not None:
        psf = replace(psf, parameters={**psf.parameters, "found_in": "the stack itself"})
    return Found(blur, Microscope(psf, factor))
