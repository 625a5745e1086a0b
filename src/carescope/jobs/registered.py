"""Whether images of pairs lie on one another, and each stands in its own place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from carescope.errors import some
from carescope.image import Image
from carescope.pairs.noise import Difference, difference
from carescope.pairs.registration import Shift, aligned, shift_between, shifts_within

#: Parts of an image whose shifts differ by no more lie in one place: noise can move them so far.
SAME_SHIFT_PX = 1


def registered(
    images: Sequence[tuple[Image, Image]], *, correct: bool = False, factor: float = 1.0
) -> tuple[list[tuple[Image, Image]], list[str], list[str]]:
    """Look whether both images of each pair show the same scene, where, and which has less noise.

    Parameters
    ----------
    images
        Pairs (low, high).
    correct
        Crop shifted pairs to what they have in common; where false they are only pointed out.
    factor
        Planes of the second of a pair per plane of the first.

    Returns
    -------
    images, moved, doubts
        The pairs, that some were moved back, and a sentence each for those that are shifted, whose
        frames or channels are shifted differently, that show different scenes, whose target is the
        input with noise, and that are twice the same image.
    """
    kept, off, apart, strange = [], [], [], []
    differ: dict[Difference, list[str]] = {name: [] for name in get_args(Difference)}
    for pair in images:
        shift = shift_between(*pair, factor)
        name = Path(pair[0].source or "array").name
        laid = pair
        if not shift.same:
            strange.append(name)
        elif inner := _unlike(shift, shifts_within(*pair, factor)):
            apart.append(f"{name} ({'; '.join(inner)})")
        elif any(shift.pixels):
            off.append(f"{name} by {', '.join(map(str, shift.pixels))}")
            laid = aligned(*pair, shift.pixels, factor)
        differ[difference(*laid)].append(name)
        kept.append(laid if correct else pair)
    moved, doubts = list[str](), _interchanged(differ)
    if off:
        done = "they were moved back" if correct else "--register moves such back"
        (moved if correct else doubts).append(
            f"Targets lie shifted by whole pixels (z, y, x), or show another scene where that is "
            f"much: {some(off)}; {done}."
        )
    if apart:
        doubts.append(
            "Frames or channels of targets lie shifted by different pixels (z, y, x), so that they "
            f"cannot be moved back as one: {some(apart)}. Register them one by one first."
        )
    if strange:
        doubts.append(
            f"Input and target do not seem to show the same scene: {some(strange)}. Were files "
            "swapped?"
        )
    return kept, moved, doubts


def _interchanged(differ: Mapping[Difference, Sequence[str]]) -> list[str]:
    """A sentence each for pairs whose target is its input with noise, or the same image."""
    warnings = []
    if differ["target is noisier"]:
        warnings.append(
            f"The target looks like the input with noise: {some(differ['target is noisier'])}. "
            "Were --low and --high given in each other's place?"
        )
    if differ["none"]:
        warnings.append(
            f"Input and target are the same image: {some(differ['none'])}. From these nothing is "
            "learnt; give the images with little light as --low."
        )
    return warnings


def _unlike(whole: Shift, parts: Mapping[str, Shift]) -> list[str]:
    """How the parts of an image are displaced, where one is otherwise than all of it."""
    apart = (
        max(abs(p - q) for p, q in zip(shift.pixels, whole.pixels, strict=True))
        for shift in parts.values()
    )
    if max(apart, default=0) <= SAME_SHIFT_PX:
        return []
    return [f"{name} by {', '.join(map(str, shift.pixels))}" for name, shift in parts.items()]
