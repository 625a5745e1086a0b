"""Denoising at three doses of light, beside tuned classical methods, and finding nuclei in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from carescope import baselines, metrics, normalize, phantoms, predict, rng
from carescope.baselines import Method
from carescope.experiments.experiment import Case, Experiment, Row, Table, Watch, mark
from carescope.experiments.learnt import converged, learnt
from carescope.experiments.numbers import among, mean_and_spread, paired, several, values
from carescope.image import Image
from carescope.jobs.denoise import PAPER, learn_pairs
from carescope.model import Ensemble, Model
from carescope.physics import camera, exposure, psf
from carescope.recipe import Recipe
from carescope.report.boxes import Boxes, boxes

Volume = npt.NDArray[Any]
Restorer = Callable[[Volume], Volume]

CAMERA = camera.Noise(gain=5.0, offset=100.0, read_noise=5.0)
OPTICS = psf.gaussian((2.0, 1.0, 1.0), (1.0, 1.0, 1.0))
NUCLEI: dict[str, Any] = {"radius_px": (6, 10), "volume_per_nucleus_px3": 8000}
ENOUGH_PHOTONS = 600.0  # in the brightest voxel of what training aims at
#: Of the planarian conditions C1 to C3: 2.31 mW and 30 ms to 0.12 mW and 20 or 10 ms, or 0.05 mW.
LESS_LIGHT = {"C1": 28.9, "C2": 57.8, "C3": 138.6}
LEAST_VOXELS = 50
INPUT, OURS, TRUTH = "input", "carescope", "truth"
SHOWN = (INPUT, "non-local means", "bm4d", OURS, TRUTH)
SCORES = (("nrmse", 4), ("ssim", 3), ("psnr_db", 2), ("seg", 3))


class Pair(NamedTuple):
    """A volume with little light, with enough, without noise; and where its nuclei are."""

    low: Volume
    high: Volume
    clean: Volume
    labels: Volume


def cases(full: bool, seed: int) -> list[Case]:
    """One for each dose, with a network of its own."""
    small = {"shape": [24, 96, 96], "volumes": [8, 2, 8], "pixels": 2**15}
    small |= {"recipe": {"steps": 1000, "batch_size": 4, "patch_px": 64}, "skip": ["bm3d"]}
    paper = {"shape": [50, 512, 512], "volumes": [26, 2, 20], "pixels": 2**18}
    paper |= {"recipe": PAPER | {"patch_px": 64}, "skip": []}
    size = paper if full else small
    return [
        {"name": name, "seed": seed, "less_light": less} | size for name, less in LESS_LIGHT.items()
    ]


def measure(case: Case, folder: Path, watch: Watch) -> list[Row]:
    """Tune and train for one dose, choose thresholds, and score volumes that nobody saw."""
    training, validating, _ = case["volumes"]
    recipe = Recipe.of(**case["recipe"], seed=case["seed"])
    made = learnt(folder / "network", partial(_learn, case, recipe, watch))
    known = list(_pairs(case, training, training + validating))
    methods: dict[str, tuple[str, Restorer]] = {INPUT: ("", lambda low: low)}
    for name, method in _classical(case["skip"]).items():
        watch.say(f"tuning {name}")
        seen = [(pair.low, pair.clean) for pair in known]
        setting = baselines.tune(method, seen, pixels=case["pixels"])
        said = ", ".join(f"{key} {value:g}" for key, value in setting.items())
        methods[name] = said, partial(_apply, method, setting)
    methods[OURS] = (f"{made.members[0].facts['steps']} steps", partial(_restore, made))
    thresholds = {
        name: _threshold([f(p.low) for p in known], known) for name, (_, f) in methods.items()
    }
    thresholds[TRUTH] = _threshold([pair.clean for pair in known], known)
    rows: list[Row] = []
    for number, pair in enumerate(_pairs(case, training + validating, sum(case["volumes"]))):
        images = {name: (said, restore(pair.low)) for name, (said, restore) in methods.items()}
        for name, (said, image) in (images | {TRUTH: ("without noise", pair.clean)}).items():
            row = {"condition": case["name"], "less_light": case["less_light"], "method": name}
            row |= {"volume": number, "setting": said, "threshold": thresholds[name]}
            if name != TRUTH:
                row |= metrics.evaluate(pair.clean, image)
            found = metrics.components(_scaled(image), thresholds[name], least_px=LEAST_VOXELS)
            row["seg"] = metrics.seg(pair.labels, found)
            rows.append(row | ({"converged": converged(made)} if name == OURS else {}))
    return rows


def _pairs(case: Case, first: int, stop: int) -> Iterator[Pair]:
    """Volumes by their number: the same nuclei at every dose, in pictures of their own."""
    for number in range(first, stop):
        seed = 1000 * case["seed"] + number
        density, labels = phantoms.nuclei(case["shape"], seed, **NUCLEI)
        clean = exposure.expected(density, CAMERA, photons=ENOUGH_PHOTONS, psf=OPTICS)
        dark = CAMERA.offset + (clean - CAMERA.offset) / case["less_light"]
        low = camera.expose(
            dark, CAMERA, rng.generator(seed, "low", round(10 * case["less_light"]))
        )
        high = camera.expose(clean, CAMERA, rng.generator(seed, "high"))
        yield Pair(low, high, clean, labels)


def _learn(case: Case, recipe: Recipe, watch: Watch, folder: Path) -> Model | Ensemble:
    images = [
        (Image(pair.low, "ZYX"), Image(pair.high, "ZYX"))
        for pair in _pairs(case, 0, case["volumes"][0])
    ]
    return learn_pairs(images, recipe, folder=folder, watch=watch.training).model


def _classical(skip: list[str]) -> dict[str, Method]:
    """What is installed and filters volumes; and BM3D plane by plane."""
    found = baselines.named(3)
    planes = baselines.named(2)
    if "bm3d" in planes:
        found["bm3d"] = replace(planes["bm3d"], volumes=(True,))
    return {name: method for name, method in found.items() if name not in skip}


def _apply(method: Method, setting: dict[str, float], low: Volume) -> Volume:
    return baselines.apply(method, low, setting)


def _restore(made: Model | Ensemble, low: Volume) -> Volume:
    return predict.restore(made, Image(low, "ZYX")).mean.array()


def _scaled(image: Volume) -> Volume:
    """One scale for all volumes of a method, so that one threshold serves them."""
    return normalize.fit(Image(image, "ZYX"))[0].apply(image)


def _threshold(images: list[Volume], known: list[Pair]) -> float:
    """The threshold of the highest SEG on the volumes on which methods are tuned."""
    return metrics.best_threshold(
        [_scaled(image) for image in images], [p.labels for p in known], least_px=LEAST_VOXELS
    )


def tables(rows: list[Row]) -> list[Table]:
    """Scores of every method at each dose."""
    lines = []
    for name, less in LESS_LIGHT.items():
        here = among(rows, condition=name)
        for method in dict.fromkeys(row["method"] for row in here):
            some = among(here, method=method)
            spread = [mean_and_spread(some, key, digits) for key, digits in SCORES]
            label = f"{name}: {ENOUGH_PHOTONS / less:.1f}, {less:.0f}-fold less"
            lines.append([label, method + mark(some), *spread])
    count = several(len({row["volume"] for row in rows}), "volume")
    return [
        Table(
            f"Mean ± standard deviation over {count} that took no part in training or tuning, "
            "against the volumes without noise. The doses are those of the planarian images. SEG "
            "is that of a threshold and connected components, as for Tribolium, against the true "
            "nuclei.",
            ("photo-electrons where brightest", "method", "NRMSE", "SSIM", "PSNR (dB)", "SEG"),
            lines,
        )
    ]


def draw(rows: list[Row]) -> bytes:
    """Box plots by dose, as in the paper's figure 1d."""
    shown = [m for m in SHOWN if among(rows, method=m)]
    plots = []
    for key, label in (("nrmse", "NRMSE"), ("ssim", "SSIM"), ("seg", "SEG")):
        groups = {
            f"{name}\n{less:.0f}-fold less": {
                method: values(among(rows, condition=name, method=method), key) for method in shown
            }
            for name, less in LESS_LIGHT.items()
            if among(rows, condition=name)
        }
        plots.append(Boxes(label, label, groups))
    return boxes(plots, ours=[OURS], width_in=11.0)


def notes(rows: list[Row]) -> list[str]:
    """What is restored beside the best classical method of each dose, by error and by SEG."""
    said = []
    for name in dict.fromkeys(row["condition"] for row in rows):
        here = among(rows, condition=name)
        classical = {row["method"] for row in here} - {INPUT, OURS, TRUTH}
        for key, least in (("nrmse", True), ("seg", False)):
            means = {m: sum(values(among(here, method=m), key)) for m in sorted(classical)}
            if not means:
                continue
            best = (min if least else max)(means, key=lambda m: means[m])
            ours, theirs = (among(here, method=m) for m in (OURS, best))
            difference = paired(ours, theirs, key, "", on="volume", digits=4)
            words = f"{name}, {key.upper()}, carescope less {best} (the best of the others)"
            said.append(f"{words}: {difference}")
    return said


EXPERIMENT = Experiment(
    name="dose",
    title="How far can light be reduced: error and segmentation against the photon dose?",
    source="CARE, figure 1c to 1e and supplementary figures 3 and 8, planaria and Tribolium "
    "(Weigert et al., Nature Methods 2018, doi:10.1038/s41592-018-0216-7)",
    cases=cases,
    measure=measure,
    tables=tables,
    draw=draw,
    notes=notes,
)
