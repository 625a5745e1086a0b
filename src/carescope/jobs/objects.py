"""Compare objects with true ones: of label images, or of images that are segmented first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from carescope import metrics
from carescope.errors import InputError, UsageError
from carescope.image import Image
from carescope.jobs.compare import Field, Row, channel_name, name_of, open_fields, part_of

Real = npt.NDArray[Any]
Segmentation = Literal["components", "watershed"]

#: Share of neighbouring pixels along X that differ in a label image, at most.
MOST_CHANGING = 0.5

FOUND = "what was found"
COUNTS = ("truth_objects", "objects", "matched", "missed", "spurious")
LINKS = ("truth_links", "links", "matched_links")


def compare_objects(
    found: Path,
    truth: Path,
    *,
    segmentation: Segmentation | None = None,
    low: Path | None = None,
    track: bool = False,
    iou: float = 0.5,
    axes: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, list[Row]]:
    """SEG and matching of objects against those of label images; of films, links as well.

    Parameters
    ----------
    found, truth
        Label images, or folders of them that are matched by name.
    segmentation
        Where `found` holds images and no labels, how each is segmented above Otsu's threshold,
        one for each channel and time point: ``"components"``, its connected parts;
        ``"watershed"``, with holes filled and clumps cut.
    low
        With a segmentation: what `found` was restored from; segmented and scored alike.
    track
        Whether objects of `found` are linked over time by their overlap first, as those of a
        segmentation always are; without it a number is taken for one object in all frames.
    iou
        From which intersection over union on two objects match.
    axes
        Of all files, where they do not say.
    say
        Told what is being done.

    Returns
    -------
    dict of two lists of rows
        ``methods``: SEG as a mean over all objects of all images, as the Cell Tracking Challenge
        has it, counts in all, and the share of missed objects; of films also links, counted over
        all frames, and how well they were found (see `carescope.metrics.tracking`); ``images``:
        one by one.

    Raises
    ------
    InputError
        A file cannot be read or segmented, is no label image, or files do not match; or there is
        no object in truth.
    UsageError
        There is no such segmentation.
    """
    if segmentation not in (None, "components", "watershed"):
        raise UsageError(
            f"there is no segmentation {segmentation!r}",
            where="--segment",
            remedy="Choose components or watershed",
        )
    paths = {"restored": found, "truth": truth} | ({"input": low} if low else {})
    fields = open_fields(paths, axes)
    rows: list[Row] = []
    films: list[Row] = []
    for number, field in enumerate(fields):
        say(f"comparing image {number + 1} of {len(fields)}")
        for role in ("input", "restored"):
            if role in field:
                images, links = _scored(role, field, segmentation, track, iou)
                rows += images
                films += links
    return {"methods": _pooled(rows, films), "images": rows}


def _scored(
    role: str, field: Field, segmentation: Segmentation | None, track: bool, iou: float
) -> tuple[list[Row], list[Row]]:
    """The scores of one image of a field, at every channel and time point; and of its films."""
    truth, image = field["truth"], field[role]
    rows: list[Row] = []
    films: list[Row] = []
    for channel in range(truth.size("C")):
        row: Row = {"file": name_of(Path(image.source or "array")), "name": role}
        row |= {"channel": channel_name(truth, channel)} if truth.size("C") > 1 else {}
        tracked: Real | None = None
        try:
            labels: Iterable[Real] = _frames(image, channel, segmentation, FOUND)
            film = truth.size("T") > 1
            if film and (track or segmentation is not None):
                labels = tracked = metrics.track(labels)
            for moment, pair in enumerate(zip(_frames(truth, channel), labels, strict=True)):
                rows.append(row | ({"timepoint": moment} if film else {}) | _scores(*pair, iou))
            if film:
                again = _frames(image, channel, None, FOUND) if tracked is None else tracked
                links = metrics.tracking(_frames(truth, channel), again, iou=iou)
                counts = (links.truth_links, links.links, links.matched)
                films.append(row | dict(zip(LINKS, counts, strict=True)))
        except InputError as error:
            raise InputError(error.what, where=image.source, remedy=error.remedy) from error
    return rows, films


def _frames(
    image: Image, channel: int, segmentation: Segmentation | None = None, name: str = "the truth"
) -> Iterator[Real]:
    """Label images of a film one by one, so that it need not fit into memory."""
    for moment in range(image.size("T")):
        part = part_of(image, channel, moment)
        yield _labels(part, name) if segmentation is None else _segmented(part, segmentation, image)


def _labels(part: Real, name: str) -> Real:
    """What is given as labels, unless most pixels differ from the next one, as in a picture."""
    changing = np.count_nonzero(part[..., 1:] != part[..., :-1])
    if changing > MOST_CHANGING * part[..., 1:].size:
        raise InputError(
            f"{name} is no label image: most neighbouring pixels differ, as grey levels do",
            remedy="Give a whole number for each object and 0 for background; "
            "--segment segments an image first",
        )
    return part


def _scores(truth: Real, labels: Real, iou: float) -> Row:
    """Of one plane or volume; SEG is absent where the truth has no object."""
    found = metrics.matching(truth, labels, iou=iou)
    score = metrics.seg(truth, labels) if found.truth_objects else None
    return {"seg": score} | {count: getattr(found, count) for count in COUNTS}


def _segmented(grey: Real, segmentation: Segmentation, image: Image) -> Real:
    if grey.min() == grey.max():
        raise InputError(
            f"a plane or volume is constant, {grey.flat[0]:g} everywhere: it has no objects",
            remedy="Check that the right files are compared",
        )
    level = metrics.otsu(grey)
    if segmentation == "components":
        return metrics.components(grey, level)
    spacing = None
    if image.voxel_um is not None:
        spacing = [size / image.voxel_um[-1] for size in image.voxel_um[-grey.ndim :]]
    return metrics.watershed(grey, level, spacing=spacing)


def _pooled(rows: Sequence[Row], films: Sequence[Row]) -> list[Row]:
    """One row for each role and channel, over all objects and all links."""
    grouped: dict[tuple[Any, str], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row.get("channel"), row["name"]), []).append(row)
    pooled = []
    for (channel, name), group in grouped.items():
        sums = {count: sum(row[count] for row in group) for count in COUNTS}
        objects = sums["truth_objects"]
        if not objects:
            raise InputError(
                "the true label images have no objects: they are 0 everywhere",
                remedy="Give the label images that were made with care as the second argument",
            )
        total = sum(row["seg"] * row["truth_objects"] for row in group if row["truth_objects"])
        mean: Row = {"channel": channel} if channel is not None else {}
        mean |= {"name": name, "seg": total / objects} | sums
        mean |= {"unmatched_fraction": sums["missed"] / objects}
        counted = [f for f in films if (f.get("channel"), f["name"]) == (channel, name)]
        pooled.append(mean | (_links(counted) if counted else {}))
    return pooled


def _links(films: Sequence[Row]) -> Row:
    """Links of all films together; shares are absent where there is nothing to divide by."""
    counts = {count: sum(film[count] for film in films) for count in LINKS}
    true, found, matched = counts.values()
    return counts | {
        "link_recall": matched / true if true else None,
        "link_precision": matched / found if found else None,
        "link_f1": 2 * matched / (true + found) if true + found else None,
    }
