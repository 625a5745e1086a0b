"""Learn to denoise from images that were recorded twice: with little light, and with enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from carescope import pairs
from carescope.errors import MOST_TOLD, InputError, some, together
from carescope.image import Image
from carescope.jobs.familiar import fingerprint_of
from carescope.jobs.finding import find_images, several
from carescope.jobs.identity import glance
from carescope.jobs.members import check_kept, learn_members, starts
from carescope.jobs.passes import Shared, Watch
from carescope.model import Ensemble, Model
from carescope.pairs import AcquiredPairs
from carescope.recipe import Recipe
from carescope.task import Kind

#: What CARE's paper and its package train with; a minute of it is a minute of a GPU.
PAPER = {
    "network": "care",
    "loss": "mae",
    "schedule": "plateau",
    "steps": 40_000,
    "steps_per_epoch": 400,
    "learning_rate": 4e-4,
    "batch_size": 16,
    "most_noise": 1.0,
}


class LearntPairs(NamedTuple):
    """What was learnt from pairs, and what to think about."""

    model: Model | Ensemble
    pairs: AcquiredPairs
    warnings: list[str]


class Matched(NamedTuple):
    """Files that make pairs (low, high), by folder and then by name, and what has no counterpart.

    The latter in sentences.
    """

    files: list[tuple[Path, Path]]
    lonely: list[str]


def match(lows: Sequence[Path], high: Path) -> Matched:
    """The files that make pairs: of the same name in a folder of each kind.

    Parameters
    ----------
    lows
        Folders of images as they are, or patterns; each is matched with all of `high`. Or files.
    high
        The folder of images as they should be, or a pattern, or a file.

    Raises
    ------
    InputError
        Files of one folder have the same name.
    """
    targets = _by_name(high)
    found, lonely = [], []
    for low in lows:
        inputs = _by_name(low)
        if not several(low) and not several(high):
            inputs = dict.fromkeys(targets, low)
        found += [(inputs[key], targets[key]) for key in inputs if key in targets]
        lonely += [f"{inputs[key]} has no counterpart in {high}" for key in inputs.keys() - targets]
        lonely += [f"{targets[key]} has none in {low}" for key in targets.keys() - inputs]
    return Matched(found, sorted(lonely))


def _by_name(place: Path) -> dict[str, Path]:
    """The files of a folder or pattern by their names."""
    found: dict[str, Path] = {}
    if not several(place) and not place.exists():
        raise InputError("there is no such file or folder", where=place, remedy="Check its name")
    files = find_images([place])
    twins = [
        f"{first}, {path}"
        for path in files
        if (first := found.setdefault(_key(path), path)) is not path
    ]
    if twins:
        raise InputError(
            f"files are matched by name, and some have the same: {some(twins)}",
            where=place,
            remedy="Keep one of each name there; a.tif and a.ome.tif are both a",
        )
    return found


def _key(path: Path) -> str:
    """A file's name without the endings of a TIFF."""
    name = path.name.lower()
    for ending in (".tiff", ".tif", ".zarr", ".ome"):
        name = name.removesuffix(ending)
    return name


def open_pairs(
    matched: Matched,
    open_image: Callable[[Path], tuple[Image, list[str]]],
    kind: Kind = "denoise",
    factor: Callable[[Sequence[tuple[Image, Image]]], float] = lambda _: 1.0,
) -> tuple[list[tuple[Image, Image]], list[str]]:
    """Open all pairs, or one refusal that names every file that cannot be used.

    Parameters
    ----------
    matched
        What `match` found.
    open_image
        Opens and looks over one file; gives the image and warnings.
    kind
        What is to be learnt: `carescope.pairs.from_pairs`.
    factor
        Planes of targets per plane of inputs, from the opened pairs.

    Returns
    -------
    images, warnings
        A target that stands in several pairs is opened once.

    Raises
    ------
    InputError
        Some have no counterpart, cannot be read, or do not fit together.
    """
    opened: dict[Path, Image] = {}
    warnings, wrong = [], list[InputError]()
    if matched.lonely:
        remedy = "Give each image of --low one counterpart of the same name, and no other"
        said = f"files do not match by name: {'; '.join(matched.lonely)}"
        wrong.append(InputError(said, remedy=remedy))
    for path in dict.fromkeys(path for pair in matched.files for path in pair):
        try:
            opened[path], told = open_image(path)
            warnings += [f"{path}: {said}" for said in told]
        except InputError as error:
            wrong.append(error)
    whole = [pair for pair in matched.files if opened.keys() >= set(pair)]
    images = [(opened[low], opened[high]) for low, high in whole]
    if images:
        try:
            pairs.check_pairs(images, kind, factor(images))
        except InputError as error:
            wrong.append(error)
    if wrong:
        raise together(wrong)
    if len(warnings) > MOST_TOLD:
        left = len(warnings) - MOST_TOLD
        warnings[MOST_TOLD:] = [f"And {left} such warnings more; carescope check tells all."]
    if kind != "upsample":  # of which pixel sizes that differ are refused
        warnings = [*_odd_pixels(images), *warnings]
    return images, warnings


def _odd_pixels(images: Sequence[tuple[Image, Image]]) -> list[str]:
    """A sentence for pixels of different sizes, within a pair or among pairs."""
    known = [low.voxel_um for low, _ in images if low.voxel_um]
    odd = []
    for low, high in images:
        others = {"its target": high.voxel_um, "the first input": known[0] if known else None}
        for name, other in others.items():
            if low.voxel_um and other and abs(low.voxel_um[2] / other[2] - 1) > pairs.TOLERANCE:
                sizes = f"{low.voxel_um[2]:.3g} um, {name} of {other[2]:.3g} um"
                odd.append(f"{Path(low.source or 'array').name} has pixels of {sizes}")
    if not odd:
        return []
    return [
        f"Pixel sizes differ: {some(odd)}. A network learns structures by their size in pixels: "
        "correct what the files say, or train a model for each size."
    ]


def learn_pairs(
    images: Sequence[tuple[Image, Image]],
    recipe: Recipe,
    *,
    kind: Kind = "denoise",
    factor: float = 1.0,
    members: int = 1,
    start: Path | None = None,
    folder: Path | None = None,
    shared: Shared | None = None,
    watch: Watch | None = None,
) -> LearntPairs:
    """Train a network, or an ensemble, on pairs.

    Parameters
    ----------
    images
        Registered pairs (low, high): `open_pairs`.
    recipe
        How to train. Its minutes are those of all members together, its steps those of each.
    kind, factor
        What is to be learnt: `carescope.pairs.from_pairs`.
    members, start, folder, shared, watch
        As for `carescope.jobs.learning.learn`.
    """
    shared = shared or Shared()
    check_kept(folder, shared)
    begun = starts(start, members, recipe, pairs.check_pairs(images, kind, factor))
    made = pairs.from_pairs(images, recipe, kind=kind, factor=factor)
    made.known = fingerprint_of([low for low, _ in images], recipe.percentiles)
    made.known["seen_sha256"] = [glance(low) for low, _ in images]
    learnt = learn_members(made, begun, shared, folder, watch)
    told = [said for one in learnt.members for said in one.facts["warnings"]]
    return LearntPairs(learnt, made, list(dict.fromkeys(told)))
