"""The point-spread function of stacks that nobody said the optics of: ``--psf auto``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import NamedTuple

from carescope import normalize
from carescope.errors import InputError
from carescope.grid import Grid
from carescope.image import Image
from carescope.physics import blind
from carescope.physics.microscope import Microscope

#: Of how many stacks the blur is looked for, at most; they are evenly spread.
MOST_STACKS = 4
#: How often it is looked for in others, and when, where nothing can be told.
MOST_TRIES = 3
PARTS_OF_TIME = (0.5, 0.25, 0.75)


class Found(NamedTuple):
    """What was found of the optics, and the microscope that follows from it."""

    blur: blind.AxialBlur
    microscope: Microscope
    unlike: Sequence[str] = ()

    @property
    def warnings(self) -> list[str]:
        """What to think about: that nothing was found, or not the same in all channels."""
        if self.blur.sigma_split_um is None:
            return [
                f"The axial blur could not be found ({self.blur.reason.rstrip('.')}): only the "
                "sampling is undone. Name the optics with --psf to undo their blur too."
            ]
        if self.microscope.psf is None:
            return ["The stack is no more blurred along z than across: only sampling is undone."]
        return list(self.unlike)


def found_psf(stacks: Sequence[Image], factor: float | None) -> Found:
    """Find the axial blur of stacks of one kind, in their middle time points.

    Parameters
    ----------
    stacks
        Axes ZYX and perhaps C and T, with a voxel size.
    factor
        Restored planes per recorded plane; where None, plane distance over pixel size.

    Raises
    ------
    InputError
        Nothing is found, and planes lie as far apart as pixels: there is nothing to restore.
    """
    blur = _estimated(stacks)
    spacing_um = Grid.of(stacks[0], factor=factor).spacing_um
    psf = blur.psf((spacing_um, *stacks[0].voxel()[1:])) if blur.sigma_split_um else None
    if psf is not None:
        psf = replace(psf, parameters={**psf.parameters, "found_in": "the stack itself"})
    found = Found(blur, Microscope(psf, factor), _unlike(stacks) if psf else [])
    if psf is None and Grid.of(stacks[0], factor=factor).factor == 1:
        raise InputError(
            "planes are as far apart as pixels, so that only blur could be undone. "
            f"{found.warnings[0]}",
            where=stacks[0].source,
            remedy="Name the optics with --psf, or correct the voxel size with --voxel-um",
        )
    return found


def _estimated(stacks: Sequence[Image]) -> blind.AxialBlur:
    """The blur of some stacks in the middle of time, or of others where they do not show it."""
    every = -(-len(stacks) // MOST_STACKS)
    times = PARTS_OF_TIME if any(image.size("T") > 1 for image in stacks) else PARTS_OF_TIME[:1]
    blurs = (
        blind.estimate([_frame(image, part) for image in stacks[begin::every]])
        for part, begin in product(times, range(min(every, MOST_TRIES)))
    )
    first = next(blurs)
    if first.sigma_split_um is not None:
        return first
    return next((blur for blur in blurs if blur.sigma_split_um is not None), first)


def _frame(image: Image, part: float) -> Image:
    """The stack at a part of the time, axes CZYX."""
    frames = image.frames()
    return frames[int(part * len(frames))]


def _unlike(stacks: Sequence[Image]) -> list[str]:
    """A warning where channels are not blurred alike, though one PSF is undone in all of them."""
    if stacks[0].size("C") == 1:
        return []
    blurs = [blind.estimate(one) for one in normalize.channels(_frame(stacks[0], 0.5))]
    known = [(n, *b.interval_um) for n, b in enumerate(blurs) if b.sigma_split_um and b.interval_um]
    apart = [(a, b) for a, b in combinations(known, 2) if a[1] > b[2] or b[1] > a[2]]
    if not apart:
        return []
    said = ", ".join(f"channel {n} by {low:.3g} to {high:.3g} um" for n, low, high in known)
    return [
        f"Channels are not blurred alike along z ({said}), and one blur is undone in all of them. "
        "Train each one alone with --channel."
    ]
