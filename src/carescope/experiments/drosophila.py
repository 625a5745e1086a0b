"""Cells found by a random forest in interpolated and in restored stacks."""

from __future__ import annotations

import importlib.util
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from carescope import metrics, normalize, phantoms, predict, rng
from carescope.errors import UsageError
from carescope.experiments.experiment import Case, Experiment, Row, Table, Watch, mark
from carescope.experiments.numbers import among, mean_and_spread, several, values
from carescope.experiments.restored import trained
from carescope.grid import Grid
from carescope.image import Image
from carescope.jobs.denoise import PAPER
from carescope.jobs.inputs import Optics
from carescope.model import Ensemble, Model
from carescope.physics import camera, exposure, psf, sampling
from carescope.recipe import Recipe
from carescope.report.boxes import Boxes, boxes

Volume = npt.NDArray[Any]

CAMERA = camera.Noise(gain=5.0, offset=100.0, read_noise=5.0)
PIXEL_UM, EVERY = 0.39, 5  # of the paper's embryos
SIGMA_PX = (3.0, 1.0, 1.0)
PHOTONS = 100.0
#: What is stained, channels of the tissue in their order, and how it is made.
STAINS: dict[str, dict[str, Any]] = {
    "nuclei": {"volume_per_cell_px3": 8700.0, "nucleus_share": (0.3, 0.45)},
    "membranes": {"volume_per_cell_px3": 20_000.0},
}
METHODS = ("bicubic", "restored", "truth")
IOU = 0.5
LEAST_VOXELS = 50
THRESHOLDS = tuple(k / 20 for k in range(6, 20))  # shares of trees
SIGMAS_PX = (1.0, 4.0)  # of the features: brightness, edges and texture at 1, 2 and 4


class Seen(NamedTuple):
    """A stack of cells, how it would look at every plane, and the cells."""

    stack: Image
    truth: Volume
    labels: Volume


def cases(full: bool, seed: int) -> list[Case]:
    """One for each stain."""
    check_installed()
    small = {"side": 121, "stacks": [4, 3], "trees": 40, "recipe": {"steps": 1500, "patch_px": 64}}
    paper = {"side": 501, "stacks": [15, 3], "trees": 100, "recipe": dict(PAPER)}
    return [{"name": stain, "seed": seed} | (paper if full else small) for stain in STAINS]


def check_installed() -> None:
    """Refuse, before any work, what cannot be done.

    Raises
    ------
    UsageError
        scikit-learn is not installed.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise UsageError(
            "scikit-learn is not installed, and its random forests are needed",
            where="bench drosophila",
            remedy="Run pip install 'carescope[bench]'",
        )


def measure(case: Case, folder: Path, watch: Watch) -> list[Row]:
    """Restore stacks that no network saw, and find cells as in those that it learnt from."""
    training, test = case["stacks"]
    known = [tissue(case, number) for number in range(training)]
    recipe = Recipe.of(**case["recipe"], seed=case["seed"])
    z, y, x = (PIXEL_UM * s for s in SIGMA_PX)
    optics = Optics(psf="gaussian", sigma_um=(z, y, x))
    stacks = [one.stack for one in known]
    made, done = trained(stacks, optics, recipe, folder / "network", watch)
    views = {method: _view(method, made, known[0]) for method in METHODS}
    forests = {}
    for method, volume in views.items():
        watch.say(f"random forest on {method}")
        forests[method] = Forest(volume, known[0].labels, case["trees"], case["seed"])
    rows: list[Row] = []
    for number in range(training, training + test):
        one = tissue(case, number)
        for method, forest in forests.items():
            found = forest.find(_view(method, made, one))
            counts = metrics.matching(one.labels, found, iou=IOU)
            row = {"method": method, "stack": number, "objects": counts.truth_objects}
            row |= {"found": counts.objects, "matched": counts.matched}
            row |= {"unmatched_percent": 100 * counts.unmatched_fraction}
            row |= {"spurious_percent": 100 * counts.spurious_fraction}
            row |= {"seg": metrics.seg(one.labels, found), "threshold": forest.threshold}
            rows.append({"stain": case["name"]} | row | (done if method == "restored" else {}))
    return rows


def tissue(case: Case, number: int) -> Seen:
    """A stack of tissue of which one stain is seen; cells are those parts that no wall is in."""
    from scipy.ndimage import maximum_filter, minimum_filter

    stain, seed = case["name"], 1000 * case["seed"] + number
    channel = list(STAINS).index(stain)
    made = phantoms.tissue((case["side"],) * 3, seed, **STAINS[stain])
    density, labels = (part[channel] for part in made)
    if stain == "membranes":
        inside = maximum_filter(labels, 3) == minimum_filter(labels, 3)
        labels = np.where(inside, labels, 0)
    whole = np.bincount(labels.ravel()) >= LEAST_VOXELS  # crumbs at the faces are not asked for
    labels = np.where(whole[labels], labels, 0)
    noise_free = partial(exposure.expected, density, CAMERA, photons=PHOTONS)
    truth = noise_free(psf=psf.gaussian((SIGMA_PX[1],) * 3, (1, 1, 1)))
    grey = noise_free(psf=psf.gaussian(SIGMA_PX, (1, 1, 1)), factor=EVERY)
    taken = camera.expose(grey, CAMERA, rng.generator(seed, "camera"))
    stack = Image(taken, "ZYX", (EVERY * PIXEL_UM, PIXEL_UM, PIXEL_UM), (), f"tissue {number}")
    planes = Grid.of(stack).restored_planes
    return Seen(stack, truth[:planes], labels[:planes])


def _view(method: str, made: Model | Ensemble, one: Seen) -> Volume:
    """What the forest gets to see, of the range that images of its kind have."""
    if method == "truth":
        volume = one.truth
    elif method == "restored":
        volume = predict.restore(made, one.stack).mean.array()
    else:
        volume = sampling.upsample(one.stack.array(), Grid.of(one.stack))
    return np.asarray(normalize.fit(Image(volume, "ZYX"))[0].apply(volume), np.float32)


class Forest:
    """A random forest that tells voxels of cells from others, and the threshold to cut it at.

    Parameters
    ----------
    volume
        (Z, Y, X) that it learns from.
    labels
        The cells in it.
    trees
        How many.
    seed
        Of the voxels that are drawn, and of the trees.
    """

    DRAWN = 60_000

    def __init__(self, volume: Volume, labels: Volume, trees: int, seed: int) -> None:
        from sklearn.ensemble import RandomForestClassifier

        self.model = RandomForestClassifier(
            trees, max_depth=14, min_samples_leaf=4, n_jobs=-1, random_state=seed
        )
        inside = (labels > 0).ravel()
        draw = rng.generator(seed, "voxels")
        drawn = [
            draw.choice(at, min(len(at), self.DRAWN // 2), replace=False)
            for at in (np.flatnonzero(inside), np.flatnonzero(~inside))
        ]
        some = np.concatenate(drawn)
        described = features(volume).reshape(volume.size, -1)
        self.model.fit(described[some], inside[some])
        share = self._share(described).reshape(volume.shape)
        self.threshold = max(THRESHOLDS, key=lambda level: _agreement(share, level, labels))

    def find(self, volume: Volume) -> Volume:
        """Connected voxels that are likely to be of a cell."""
        described = features(volume).reshape(volume.size, -1)
        share = self._share(described).reshape(volume.shape)
        return metrics.components(share, self.threshold, least_px=LEAST_VOXELS)

    def _share(self, described: Volume) -> Volume:
        """The share of trees for a cell, of (voxels, features), in parts that fit in memory."""
        parts = np.array_split(described, max(1, len(described) // 2**20))
        return np.concatenate([self.model.predict_proba(part)[:, 1] for part in parts])


def _agreement(share: Volume, level: float, labels: Volume) -> float:
    """How many cells are matched, of those that there are and those that are found (F1)."""
    counts = metrics.matching(
        labels, metrics.components(share, level, least_px=LEAST_VOXELS), iou=IOU
    )
    return 2 * counts.matched / (counts.truth_objects + counts.objects)


def features(volume: Volume) -> Volume:
    """(Z, Y, X, features): brightness, gradient and curvature at several scales, as ilastik's."""
    from skimage.feature import multiscale_basic_features

    low, high = SIGMAS_PX
    found = multiscale_basic_features(  # type: ignore[no-untyped-call]
        volume, sigma_min=low, sigma_max=high
    )
    return np.asarray(found, np.float32)


def tables(rows: list[Row]) -> list[Table]:
    """What was missed and what was made up, of each stain."""
    lines = []
    for stain in STAINS:
        for method in METHODS:
            some = among(rows, stain=stain, method=method)
            if not some:
                continue
            objects, found, matched = (
                sum(row[key] for row in some) for key in ("objects", "found", "matched")
            )
            lines.append(
                [
                    stain,
                    method + mark(some),
                    f"{objects}",
                    f"{100 * (1 - matched / objects):.1f}",
                    mean_and_spread(some, "unmatched_percent", 1),
                    f"{100 * (1 - matched / found):.1f}" if found else "–",
                    mean_and_spread(some, "seg", 3),
                ]
            )
    count = several(len({row["stack"] for row in rows}), "stack")
    return [
        Table(
            f"Cells of {count} that took no part in training, found by a random forest on what was "
            f"made of every {EVERY}th plane, at an intersection over union of {IOU:g} or more. The "
            "truth is the volume without noise, blurred alike in all directions.",
            (
                "stained",
                "seen",
                "cells",
                "unmatched (%)",
                "over stacks (%)",
                "spurious (%)",
                "SEG",
            ),
            lines,
        )
    ]


def draw(rows: list[Row]) -> bytes:
    """Unmatched cells, and SEG."""
    plots = []
    for title, key, label in (
        ("wrong cells", "unmatched_percent", "unmatched (%)"),
        ("overlap", "seg", "SEG"),
    ):
        groups = {
            stain: {m: values(among(rows, stain=stain, method=m), key) for m in METHODS}
            for stain in STAINS
            if among(rows, stain=stain)
        }
        plots.append(Boxes(title, label, groups))
    return boxes(plots, ours=["restored"])


def notes(rows: list[Row]) -> list[str]:
    """Where this differs from the paper."""
    return [
        "Forest and threshold come from a volume that the network was trained on, and are judged "
        "by others; the paper has one volume, and does not say whether the two were apart.",
    ]


EXPERIMENT = Experiment(
    name="drosophila",
    title="Does isotropic restoration help a pixel classifier to tell cells apart?",
    source="CARE, supplementary figures 17 and 18, nuclei of a Drosophila embryo "
    "(Weigert et al., Nature Methods 2018, doi:10.1038/s41592-018-0216-7)",
    cases=cases,
    measure=measure,
    tables=tables,
    draw=draw,
    notes=notes,
)
