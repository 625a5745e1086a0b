"""Cells segmented and followed on projections of a simulated movie, before and after restoration.

    python benchmarks/project_movie.py --minutes 20 --csv movie.csv
    python benchmarks/project_movie.py --model models/folds --csv movie.csv

The check of CARE's fly wing film, with truth: movies of a folded epithelium grow, fold and jitter
(`phantoms.Epithelium`, every 4th of its frames), seen as in project_folds.py: a weaker sheet below,
blobs above, and `--photons` in the brightest voxel. The network is trained on other, unrelated
stacks; with `--model` it is read from that folder, or kept there where the folder is new. Baselines
are tuned on three stacks that are neither trained nor tested on, each with and without non-local
means after it.

Every projection is segmented by the same watershed (`metrics.cells`), its two numbers chosen for
each method by SEG on those three stacks, and cells are linked by overlap (`metrics.track`). Scored
against the phantom's own cells: SEG, the share of cells without a match at an IoU of 0.5, and
links, a cell in a frame and in the next (`metrics.tracking`). "Clean" is the stack without noise
along the true height: what the segmentation itself costs. Means and standard deviations are over
movies.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import carescope as cs
from carescope import baselines, metrics, pairs, phantoms, rng, train
from carescope.physics import camera, exposure, psf

SHAPE, EVERY = (48, 160, 160), 4
TRAINING, TUNED_ON, MOVIES = range(16), range(50, 53), range(100, 103)
CAMERA = camera.Noise(gain=5.0, offset=100.0, read_noise=5.0)
OPTICS = psf.gaussian((2, 1, 1), (1, 1, 1))
COUNTS = ("cells", "found", "matched", "links", "links_found", "links_matched")
COLUMNS = ("method", "movie", "frame", "nrmse", "ssim", "seg", *COUNTS, "sigma_px", "depth")
SHARES = ("NRMSE", "SSIM", "SEG", "cells missed", "links: recall", "precision", "F1")
Array = np.ndarray


class Frame(NamedTuple):
    """A noisy stack, the clean image along its sheet, and the cells of the sheet."""

    stack: Array
    surface: Array
    labels: Array


def frame(seed: int, moment: float, photons: float) -> Frame:
    sheet = phantoms.epithelium(SHAPE, seed, debris=1.0, time=moment)
    clean = exposure.expected(sheet.density, CAMERA, photons=photons, psf=OPTICS)
    noisy = camera.expose(clean, CAMERA, rng.generator(seed, f"frame {moment:g}"))
    stack = np.clip(np.rint(noisy), 0, 65535).astype(np.uint16)
    return Frame(stack, baselines.sample(clean, sheet.height, depth_planes=0), sheet.labels)


def learnt(folder: Path | None, recipe: cs.Recipe, photons: float) -> cs.Model:
    """The network of a folder, or one trained now, and kept there."""
    if folder is not None and folder.exists():
        return cs.load_model(folder)
    images = []
    for seed in TRAINING:
        made = frame(seed, 0, photons)
        images.append((cs.Image(made.stack, axes="ZYX"), cs.Image(made.surface, axes="YX")))
    model = train.fit(pairs.from_pairs(images, recipe, kind="project"), device="cpu")
    if folder is not None:
        cs.save_model(model, folder)
    return model


def classical(tuned_on: list[Frame]) -> dict[str, Callable[[Frame], Array]]:
    """The baselines, tuned, without and with non-local means."""

    def projector(method: str, setting: dict, denoiser: dict | None) -> Callable[[Frame], Array]:
        return lambda f: baselines.project(method, f.stack, setting, denoiser=denoiser).image

    made = {}
    for method in baselines.PROJECTORS:
        setting, denoiser = baselines.tune_projection(
            method, [(f.stack, f.surface) for f in tuned_on], denoised=True
        )
        print(f"{method}: {setting}, then {denoiser}", flush=True)
        made[method] = projector(method, setting, None)
        made[f"{method} + non-local means"] = projector(method, setting, denoiser)
    return made


def scored(
    name: str,
    project: Callable[[Frame], Array],
    tuned_on: list[Frame],
    movies: dict[int, list[Frame]],
) -> list[dict]:
    """A segmentation chosen on the stacks to tune on, and what it gives frame by frame."""
    setting = metrics.best_cells([project(f) for f in tuned_on], [f.labels for f in tuned_on])
    rows = []
    for movie, frames in movies.items():
        images = [project(f) for f in frames]
        found = metrics.track([metrics.cells(image, **setting) for image in images])
        for number, (true, image) in enumerate(zip(frames, images, strict=True)):
            row = {"method": name, "movie": movie, "frame": number} | setting
            row |= {"nrmse": 0.0, "ssim": 1.0}
            if name != "clean":
                row["nrmse"] = metrics.nrmse(true.surface, image)
                row["ssim"] = metrics.ssim(true.surface, image)
            cells = metrics.matching(true.labels, found[number])
            row["seg"] = metrics.seg(true.labels, found[number])
            # Of this frame and the next; none of the last.
            step = slice(number, number + 2)
            links = metrics.tracking([f.labels for f in frames[step]], found[step])
            counts = (cells.truth_objects, cells.objects, cells.matched)
            counts += (links.truth_links, links.links, links.matched)
            rows.append(row | dict(zip(COUNTS, counts, strict=True)))
    print(f"{name}: {setting}", flush=True)
    return rows


def table_row(name: str, rows: list[dict]) -> str:
    """Mean and standard deviation over movies; cells and links are pooled over a movie's frames."""
    values = []
    for movie in MOVIES:
        mine = [row for row in rows if row["movie"] == movie]
        cells, _, matched, true, found, right = (sum(row[c] for row in mine) for c in COUNTS)
        errors = [np.mean([row[score] for row in mine]) for score in ("nrmse", "ssim")]
        seg = np.average([row["seg"] for row in mine], weights=[row["cells"] for row in mine])
        links = (right / true, right / found, 2 * right / (true + found))
        values.append([*errors, seg, 1 - matched / cells, *links])
    said = [
        f"{mean:.3f} ± {std:.3f}"
        for mean, std in zip(np.mean(values, 0), np.std(values, 0, ddof=1), strict=True)
    ]
    return f"| {name} | {' | '.join(['–', '–', *said[2:]] if name == 'clean' else said)} |"


def main() -> None:
    """Print a table, and write the scores of each frame."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="folder of a model; made where it is not there")
    parser.add_argument("--minutes", type=float, default=20, help="of training")
    parser.add_argument("--steps", type=int, help="of training, instead of minutes")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--photons", type=float, default=10)
    parser.add_argument("--frames", type=int, default=8, help="of each movie")
    parser.add_argument("--csv", type=Path, default=Path("movie.csv"))
    given = parser.parse_args()
    budget = {"steps": given.steps} if given.steps else {"minutes": given.minutes}
    recipe = cs.Recipe(patch_px=64, batch_size=given.batch_size, **budget)
    tuned_on = [frame(seed, 0, given.photons) for seed in TUNED_ON]
    movies = {
        seed: [frame(seed, EVERY * n, given.photons) for n in range(given.frames)]
        for seed in MOVIES
    }
    methods = classical(tuned_on)
    began = time.perf_counter()
    model = learnt(given.model, recipe, given.photons)
    print(f"{model.facts['steps']} steps, {time.perf_counter() - began:.0f} s", flush=True)
    methods["carescope"] = lambda f: cs.restore(model, cs.Image(f.stack, "ZYX")).mean.array()
    methods["clean"] = lambda f: f.surface
    rows, table = [], []
    for name, project in methods.items():
        found = scored(name, project, tuned_on, movies)
        rows += found
        table.append(table_row(name, found))
    print(f"\n| method | {' | '.join(SHARES)} |\n|{'---|' * (1 + len(SHARES))}")
    print("\n".join(table))
    with given.csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
