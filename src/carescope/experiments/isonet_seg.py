"""Whether nuclei can be segmented as well after restoration as in the isotropic truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from carescope import metrics
from carescope.errors import InputError
from carescope.experiments import pictures
from carescope.experiments.deconvolved import interpolated
from carescope.experiments.experiment import Case, Experiment, Row, Table, Watch, mark
from carescope.experiments.numbers import among, mean_and_spread, paired, several
from carescope.experiments.restored import restorations, trained
from carescope.experiments.scenes import MICROSCOPES, Scene, Volume, record, simulate
from carescope.image import Image
from carescope.recipe import Recipe

MICROSCOPE = MICROSCOPES["gaussian"]
PAPER = {"isotropic truth": 0.923, "blurred": 0.742, "IsoNet-2": 0.913}
NETWORKS = {
    "IsoNet-2": {"network": "isonet2", "loss": "psnr", "passes": 1},
    "carescope": {"network": "auto"},
}
TRUTH, BLURRED = "isotropic truth", "blurred"
METHODS = (TRUTH, BLURRED, *NETWORKS)
#: The paper's, and one that finds a level where a histogram has no second mode, as after blur.
THRESHOLDS: dict[str, Callable[[Volume], float]] = {
    "intermodes": metrics.intermodes,
    "Otsu": metrics.otsu,
}
STEPS = {"IsoNet-2": 1500, "carescope": 3000}


def cases(full: bool, seed: int) -> list[Case]:
    """The volumes without a network, then each network."""
    size: Case = {"side": 512, "count": 10} if full else {"side": 160, "count": 3}
    made: list[Case] = []
    for method in METHODS:
        recipe = {"steps": 40_000 if full else STEPS.get(method, 0)}
        made.append({"name": method, "method": method, "seed": seed, "recipe": recipe} | size)
    return made


def measure(case: Case, folder: Path, watch: Watch) -> list[Row]:
    """Segment one kind of volume of every stack, and hold it to the nuclei that were placed."""
    method = case["method"]
    seeds = [case["seed"] + n for n in range(1, case["count"] + 1)]
    volumes: Iterable[Volume | None] = [None] * len(seeds)
    facts: Row = {}
    if method in NETWORKS:
        stacks = [_scene(case, seed)[1] for seed in seeds]
        recipe = Recipe.of(**NETWORKS[method] | case["recipe"], seed=case["seed"])
        optics = MICROSCOPE.optics
        model, facts = trained(stacks, optics, recipe, folder / "model", watch)
        volumes = restorations(model, stacks, watch)
    rows = []
    for seed, restored in zip(seeds, volumes, strict=True):
        scene, stack = _scene(case, seed)  # once more: all of them need not fit into memory
        blurred = interpolated(stack)
        volume = scene.truth[: len(blurred)] if method == TRUTH else blurred
        if restored is not None:
            volume = restored
        for name, threshold in THRESHOLDS.items():
            found, row = _segmented(volume, threshold, scene.labels[: len(volume)])
            rows.append({"method": method, "seed": seed, "threshold": name} | facts | row)
            if seed == seeds[0]:
                rows[-1] |= _sections(volume, found, scene)
    return rows


def _scene(case: Case, seed: int) -> tuple[Scene, Image]:
    scene = simulate("nuclei", MICROSCOPE, (case["side"],) * 3, seed)
    return scene, record(scene, MICROSCOPE, seed)


def _segmented(
    volume: Volume, threshold: Callable[[Volume], float], labels: Volume
) -> tuple[Volume, Row]:
    """The objects in a volume, and how well they match the nuclei that were placed."""
    try:
        level = threshold(volume)
    except InputError:  # no two modes: no threshold, and nothing found
        level = np.inf
    found = metrics.watershed(volume, level)
    matching = metrics.matching(labels, found)
    both = matching.truth_objects + matching.objects
    return found, {
        "seg": metrics.seg(labels, found),
        "f1": 2 * matching.matched / both,
        "found": matching.objects,
        "nuclei": matching.truth_objects,
    }


def _sections(volume: Volume, found: Volume, scene: Scene) -> Row:
    """What the figure shows of one stack."""
    shown = {
        "_phantom": scene.density,
        "_volume": metrics.match(scene.truth[: len(volume)], volume),
        "_found": found,
        "_labels": scene.labels,
    }
    cut = {name: pictures.section(whole[: len(volume)]) for name, whole in shown.items()}
    return {
        name: pictures.packed(part if name in ("_phantom", "_volume") else _outlined(part))
        for name, part in cut.items()
    }


def _outlined(labels: Volume) -> Volume:
    """Objects grey, their outlines white."""
    from skimage.segmentation import find_boundaries

    edges = find_boundaries(labels, mode="inner")  # type: ignore[no-untyped-call]
    return np.asarray(0.35 * (labels > 0) + 0.65 * edges)


def tables(rows: list[Row]) -> list[Table]:
    """For each threshold a line a method, beside the paper's."""
    count = several(len({row["seed"] for row in rows}), "stack")
    made = []
    for threshold in THRESHOLDS:
        lines = []
        for method in METHODS:
            some = among(rows, method=method, threshold=threshold)
            paper = f"{PAPER[method]:.3f}" if threshold == "intermodes" and method in PAPER else "–"
            spread = [mean_and_spread(some, c, d) for c, d in (("seg", 3), ("f1", 3), ("found", 0))]
            lines.append([method + mark(some), paper, *spread, mean_and_spread(some, "nuclei", 0)])
        made.append(
            Table(
                f"SEG against the nuclei that were placed, threshold after {threshold}; {count}, "
                "mean ± standard deviation. F1: of nuclei found with an intersection over union of "
                "at least 0.5.",
                ("volume", "SEG in the paper", "SEG", "F1", "found", "nuclei"),
                lines,
            )
        )
    return made


def notes(rows: list[Row]) -> list[str]:
    """How far from the truth's."""
    said = []
    for threshold in THRESHOLDS:
        for method in NETWORKS:
            here = among(rows, threshold=threshold)
            pair = among(here, method=method), among(here, method=TRUTH)
            said.append(
                f"SEG of {method} against that of the isotropic truth, {threshold}: "
                + paired(*pair, "seg", "", on="seed", digits=3)
            )
    return [
        *said,
        "All volumes are segmented alike, with nothing to choose: a threshold, holes filled, "
        "watershed of the distance to the background. The paper's threshold is intermodes, which "
        "lies between two modes of the histogram; blur can leave one, and then nothing is found.",
        "One network of each kind is trained on all stacks together, and restores them.",
    ]


def draw(rows: list[Row]) -> bytes:
    """A section of each volume, over the objects that each threshold finds in it."""
    shown = [row for row in rows if "_found" in row]
    first, second = ([r for r in shown if r["threshold"] == name] for name in THRESHOLDS)
    grey = {"phantom": first[0]["_phantom"]} | {row["method"]: row["_volume"] for row in first}
    groups = [grey]
    for some in (first, second):
        found = {f"placed; {some[0]['threshold']}": some[0]["_labels"]}
        groups.append(found | {f"{r['method']} · {r['seg']:.3f}": r["_found"] for r in some})
    return pictures.side_by_side(
        groups, [MICROSCOPE.pixel_um] * len(groups), columns=1 + len(first)
    )


EXPERIMENT = Experiment(
    name="isonet-seg",
    title="Can nuclei be segmented as well after restoration as in the isotropic truth?",
    source="IsoNet, section 3, simple 3D segmentation "
    "(Weigert et al., MICCAI 2017, doi:10.1007/978-3-319-66185-8_15)",
    cases=cases,
    measure=measure,
    tables=tables,
    draw=draw,
    notes=notes,
)
