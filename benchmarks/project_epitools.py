"""Projection of a real epithelium, darkened: against surfaces of a baseline on the clean stacks.

    CARESCOPE_DATA=... python benchmarks/project_epitools.py --minutes 20 --csv epitools.csv

`proj_epitools_4d` is a fly's epithelium, five time points of 54 x 400 x 350 voxels, with no
surfaces of its own. The reference is the smooth height map of each recorded stack, read as the mean
of three planes, with settings fixed by eye. Inputs are the same stacks after simulated photon loss:
the 99.9th percentile of all is `--photons` electrons, with a read noise of one. The left part of
time points 0 to 3 trains the network and tunes the baselines; the right part of the last one, which
shares neither cells nor time with them, is scored; a gap lies between.

Mind what this can say: the reference is no truth but what one baseline makes of more light. That
baseline has its own mistakes in it, and is favoured by it; a network that comes closer has learnt
to do in little light what the baseline does in much, mistakes included. There is one test field,
so there is no spread. `project_folds.py` and `project_movie.py` have the truth.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path

import numpy as np

import carescope as cs
from carescope import baselines, metrics, pairs, predict, rng, train
from carescope.physics import camera

DATA = Path(os.environ.get("CARESCOPE_DATA", "."), "proj_epitools_4d")
TRAINING, TEST = range(4), 4
LEFT, RIGHT = slice(0, 200), slice(216, 350)
REFERENCE = {"sigma_px": 2, "stiffness": 1, "depth_planes": 1, "brightest": False}
TUNED_ON = (0, 2)
COLUMNS = ("method", "nrmse", "ssim", "height_difference_planes", "setting")
Array = np.ndarray


class Field:
    """A part of one time point: recorded, darkened, and its reference."""

    def __init__(self, film: Array, moment: int, columns: slice, photons: float) -> None:
        bright = np.percentile(film, 99.9)
        noise = camera.Noise(gain=bright / photons, offset=0.0, read_noise=bright / photons)
        self.clean = film[moment][..., columns].astype(np.float32)
        self.reference = baselines.project("smooth height map", self.clean, REFERENCE)
        dark = camera.expose(self.clean, noise, rng.generator(moment, "dark"))
        self.dark = dark.astype(np.float32)


def learnt(fields: list[Field], recipe: cs.Recipe) -> cs.Model:
    images = [
        (cs.Image(f.dark, axes="ZYX"), cs.Image(f.reference.image, axes="YX")) for f in fields
    ]
    return train.fit(pairs.from_pairs(images, recipe, kind="project"), device="cpu")


def draw(place: Path, images: dict[str, Array]) -> None:
    """Projections side by side."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, (len(images) + 1) // 2, figsize=(16, 19), dpi=60)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (name, image) in zip(axes.flat, images.items(), strict=False):
        axis.imshow(image, cmap="gray", vmin=0, vmax=np.quantile(image, 0.995))
        axis.set_title(name)
    figure.tight_layout()
    figure.savefig(place)


def main() -> None:
    """Print a table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="of training")
    parser.add_argument("--steps", type=int, help="of training, instead of minutes")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--photons", type=float, default=5)
    parser.add_argument("--csv", type=Path, default=Path("epitools.csv"))
    parser.add_argument("--picture", type=Path, help="a PNG of the projections, for your eyes")
    given = parser.parse_args()
    (file,) = DATA.glob("*.tif")
    film = cs.open(file, axes="TZYX").array()
    fields = [Field(film, moment, LEFT, given.photons) for moment in TRAINING]
    test = Field(film, TEST, RIGHT, given.photons)
    rows: list[dict] = []
    shown = {"reference": test.reference.image}

    def add(method: str, made: baselines.Projection, setting: str) -> None:
        off = None
        if made.height is not None:
            off = float(np.abs(made.height - test.reference.height).mean())
        scores = (metrics.nrmse(test.reference.image, made.image),
                  metrics.ssim(test.reference.image, made.image))  # fmt: skip
        rows.append(dict(zip(COLUMNS, (method, *scores, off, setting), strict=True)))
        shown[method] = made.image

    tuning = [(fields[moment].dark, fields[moment].reference.image) for moment in TUNED_ON]
    for method in baselines.PROJECTORS:
        setting, denoiser = baselines.tune_projection(method, tuning, denoised=True)
        for name, after in ((method, None), (f"{method} + non-local means", denoiser)):
            made = baselines.project(method, test.dark, setting, denoiser=after)
            add(name, made, f"{setting} {after or ''}".strip())
            print(f"{name}: {rows[-1]['setting']}", flush=True)
    budget = {"steps": given.steps} if given.steps else {"minutes": given.minutes}
    recipe = cs.Recipe(patch_px=64, batch_size=given.batch_size, **budget)
    began = time.perf_counter()
    model = learnt(fields, recipe)
    print(f"{model.facts['steps']} steps in {time.perf_counter() - began:.0f} s", flush=True)
    stack = cs.Image(test.dark, axes="ZYX")
    height = predict.heights(model, stack).array()
    restored = baselines.Projection(cs.restore(model, stack).mean.array(), height)
    add("carescope", restored, f"{model.facts['steps']} steps")

    print("\n| method | NRMSE | SSIM | height against the reference (planes) |\n|---|---|---|---|")
    for row in rows:
        off = row["height_difference_planes"]
        said = "–" if off is None else f"{off:.2f}"
        print(f"| {row['method']} | {row['nrmse']:.4f} | {row['ssim']:.3f} | {said} |")
    with given.csv.open("w", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    if given.picture:
        draw(given.picture, shown)


if __name__ == "__main__":
    main()
