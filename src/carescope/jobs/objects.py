"""Compare objects with true ones: of label images, or of images that are segmented first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

COUNTS = ("truth_objects", "objects", "matched", "missed", "spurious")


def compare_objects(
    found: Path,
    truth: Path,
    *,
    segmentation: Segmentation | None = None,
    low: Path | None = None,
    iou: float = 0.5,
    axes: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, list[Row]]:
    """SEG and matching of objects against those of label images.

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
        has it, counts in all, and the share of missed objects; ``images``: one by one.

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
    for number, field in enumerate(fields):
        say(f"comparing image {number + 1} of {len(fields)}")
        for role in ("input", "restored"):
            if role in field:
                rows += _scored(role, field, segmentation, iou)
    return {"methods": _pooled(rows), "images": rows}


def _scored(role: str, field: Field, segmentation: Segmentation | None, iou: float) -> list[Row]:
    """The scores of one image of a field, at every channel and time point."""
    truth, image = field["truth"], field[role]
    rows = []
    for channel, moment in np.ndindex(truth.size("C"), truth.size("T")):
        row: Row = {"file": name_of(Path(image.source or "array"))}
        row |= {"channel": channel_name(truth, channel)} if truth.size("C") > 1 else {}
        row |= {"timepoint": moment} if truth.size("T") > 1 else {}
        true, labels = part_of(truth, channel, moment), part_of(image, channel, moment)
        try:
            if segmentation is not None:
                labels = _segmented(labels, segmentation, image)
            rows.append(row | {"name": role} | _scores(true, labels, iou))
        except InputError as error:
            raise InputError(error.what, where=image.source, remedy=error.remedy) from error
    return rows


def _scores(truth: Real, labels: Real, iou: float) -> Row:
    """Of one plane or volume; SEG is absent where the truth has no object."""
    found = metrics.matching(truth, labels, iou=iou)
    score = metrics.seg(truth, labels) if found.truth_objects else None
    return {"seg": score} | {count: getattr(found, count) for count in COUNTS}


def _segmented(grey: Real, segmentation: Segmentation, image: Image) -> Real:
    from skimage.filters import threshold_otsu

    if grey.min() == grey.max():
        raise InputError(
            f"a plane or volume is constant, {grey.flat[0]:g} everywhere: it has no objects",
            remedy="Check that the right files are compared",
        )
    level = float(threshold_otsu(grey))  # type: ignore[no-untyped-call]
    if segmentation == "components":
        return metrics.components(grey, level)
    spacing = None
    if image.voxel_um is not None:
        spacing = [size / image.voxel_um[-1] for size in image.voxel_um[-grey.ndim :]]
    return metrics.watershed(grey, level, spacing=spacing)


def _pooled(rows: Sequence[Row]) -> list[Row]:
    """One row for each role and channel, over all objects."""
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
        pooled.append(mean | {"unmatched_fraction": sums["missed"] / objects})
    return pooled
