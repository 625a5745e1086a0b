"""Whether images of pairs lie on one another, and each stands in its own place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from carescope.image import Image
from carescope.pairs.noise import Difference, difference
from carescope.pairs.registration import Shift, aligned, shift_between, shifts_within

#: Of many files with the same to be said, so many are named.
MOST_TOLD = 5
#: Parts of an image whose shifts differ by no more lie in one place: noise can move them so far.
SAME_SHIFT_PX = 1


def registered(
    images: Sequence[tuple[Image, Image]], *, correct: bool = False, factor: float = 1.0
) -> tuple[list[tuple[Image, Image]], list[str]]:
    """Look whether both images of each pair show the same scene in the same place.

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
    images, warnings
        The pairs, and a sentence each for those that are shifted, whose frames or channels are
        shifted differently, and that show different scenes.
    """
    kept, moved, apart, strange = [], [], [], []
    for pair in images:
        shift = shift_between(*pair, factor)
        name = Path(pair[0].source or "array").name
        if not shift.same:
            strange.append(name)
        elif inner := _unlike(shift, shifts_within(*pair, factor)):
            apart.append(f"{name} ({'; '.join(inner)})")
        elif any(shift.pixels):
            moved.append(f"{name} by {', '.join(map(str, shift.pixels))}")
            pair = aligned(*pair, shift.pixels, factor) if correct else pair
        kept.append(pair)
    warnings = []
    if moved:
        done = "they were moved back" if correct else "--register moves such back"
        warnings.append(
            f"Targets lie shifted by whole pixels (z, y, x), or show another scene where that is "
            f"much: {some(moved)}; {done}."
        )
    if apart:
        warnings.append(
            "Frames or channels of targets lie shifted by different pixels (z, y, x), so that they "
            f"cannot be moved back as one: {some(apart)}. Register them one by one first."
        )
    if strange:
        warnings.append(
            f"Input and target do not seem to show the same scene: {some(strange)}. Were files "
            "swapped?"
        )
    return kept, warnings


def _unlike(whole: Shift, parts: Mapping[str, Shift]) -> list[str]:
    """How the parts of an image are displaced, where one is otherwise than all of it."""
    apart = (
        max(abs(p - q) for p, q in zip(shift.pixels, whole.pixels, strict=True))
        for shift in parts.values()
    )
    if max(apart, default=0) <= SAME_SHIFT_PX:
        return []
    return [f"{name} by {', '.join(map(str, shift.pixels))}" for name, shift in parts.items()]


def interchanged(images: Sequence[tuple[Image, Image]]) -> list[str]:
    """A sentence each for pairs whose target is its input with noise, or the same image.

    Parameters
    ----------
    images
        Pairs (low, high) to learn denoising from.
    """
    found: dict[Difference, list[str]] = {}
    for low, high in images:
        found.setdefault(difference(low, high), []).append(Path(low.source or "array").name)
    warnings = []
    if noisy := found.get("target is noisier"):
        warnings.append(
            f"The target looks like the input with noise: {some(noisy)}. Were --low and --high "
            "given in each other's place?"
        )
    if same := found.get("none"):
        warnings.append(
            f"Input and target are the same image: {some(same)}. From these nothing is learnt; "
            "give the images with little light as --low."
        )
    return warnings


def some(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    more = f" and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else ""
    return "; ".join(names[:MOST_TOLD]) + more
