"""Does a restoration help to find nuclei: SEG of threshold and connected components, in 3D.

    CARESCOPE_DATA=... python benchmarks/segmentation_bbbc050.py --minutes 30 --csv seg_bbbc050.csv

The check of CARE's Tribolium figure, on the mouse embryos of `iso_bbbc050`: their volumes stand for
what enough light shows, and simulated photon loss (60-fold) makes the noisy ones. A network is
trained on pairs of embryos 1 to 3; settings of the classical methods are chosen on every third of
these pairs by NRMSE; and for each method one threshold, by SEG, on the same volumes. All are scored
on embryo 4: SEG against the set's own instance labels, and NRMSE, SSIM and PSNR against the volumes
before the loss. SEG is the mean over volumes, and beside it that over all nuclei, most of which lie
in the last volume, where they touch; a watershed of the same thresholded image cuts these.

The labels were not made by a threshold, so the clean volumes' own SEG is far from 1. They are
recordings with some noise of their own: what is smoother may do better.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import carescope as cs
from carescope import baselines, metrics, normalize, pairs, rng, train
from carescope.physics import camera

DATA = Path(os.environ.get("CARESCOPE_DATA", "."), "iso_bbbc050")
EMBRYOS, TEST_EMBRYO = (1, 2, 3, 4), 4
MOMENTS = ("051", "201", "351", "501")
VOXEL_UM = (2.0, 0.8, 0.8)
SPACING = (2.5, 1.0, 1.0)
METHODS = ("low-pass", "median", "non-local means", "total variation")
# The 99.9th percentile of a clean volume is taken to be as many photo-electrons in each voxel, a
# usual picture of a spinning disk microscope; the darkened volume has 60-fold fewer.
CLEAN_ELECTRONS, LOSS = 600.0, 60.0
READ_NOISE_ELECTRONS = 1.5
LEAST_VOXELS = 20
SCORES = ("seg", "nrmse", "ssim", "psnr_db")
POOLED = ("seg", "seg_watershed")
COUNTS = ("objects", "found", "matched")
COLUMNS = ("method", "volume", *SCORES, "seg_watershed", *COUNTS, "threshold", "setting")
Array = np.ndarray


class Volume:
    """One volume: clean, darkened, and its labels."""

    def __init__(self, embryo: int, moment: str) -> None:
        self.name = f"Emb{embryo:02d}_t{moment}"
        self.clean = cs.open(DATA / "raw" / f"{self.name}.tif", axes="ZYX").array()
        self.clean = self.clean.astype(np.float32)
        self.labels = cs.open(DATA / "gt_instances" / f"{self.name}.tif", axes="ZYX").array()
        offset, bright = np.percentile(self.clean, (1, 99.9))
        gain = (bright - offset) / (CLEAN_ELECTRONS / LOSS)  # grey levels an electron
        noise = camera.Noise(gain, offset, READ_NOISE_ELECTRONS * gain)
        self.dark = camera.expose(self.clean, noise, rng.generator(embryo, "dark " + moment))

    def image(self, kind: str) -> cs.Image:
        return cs.Image(getattr(self, kind), "ZYX", VOXEL_UM, (), f"{self.name} {kind}")


def normalised(volume: Array) -> Array:
    """One scale for all volumes of a method, so that one threshold serves them."""
    return normalize.fit(cs.Image(volume, "ZYX"))[0].apply(volume)


def restorer(learnt_on: list[Volume], recipe: cs.Recipe) -> Callable[[Volume], Array]:
    images = [(v.image("dark"), v.image("clean")) for v in learnt_on]
    model = train.fit(pairs.from_pairs(images, recipe), device="cpu")
    print(f"\ntrained {model.facts['steps']} steps", flush=True)
    return lambda v: cs.restore(model, v.image("dark")).mean.array()


def classical(name: str, setting: dict[str, float]) -> Callable[[Volume], Array]:
    return lambda v: baselines.apply(name, v.dark, setting)


def rows_of(
    name: str,
    made: Callable[[Volume], Array],
    learnt_on: list[Volume],
    tested_on: list[Volume],
    setting: str = "",
) -> list[dict]:
    """A threshold on the training volumes, and the scores it gives on the test volumes."""
    began = time.perf_counter()
    threshold = metrics.best_threshold(
        [normalised(made(v)) for v in learnt_on],
        [v.labels for v in learnt_on],
        least_px=LEAST_VOXELS,
    )
    rows = []
    for volume in tested_on:
        image = made(volume)
        scaled = normalised(image)
        found = metrics.components(scaled, threshold, least_px=LEAST_VOXELS)
        cut = metrics.watershed(
            scaled, threshold, spacing=SPACING, depth=1.0, least_px=LEAST_VOXELS
        )
        counts = metrics.matching(volume.labels, found)
        row = {"method": name, "volume": volume.name, "seg": metrics.seg(volume.labels, found)}
        row["seg_watershed"] = metrics.seg(volume.labels, cut)
        # The clean volume beside itself has no error to report.
        row |= (
            {"nrmse": 0.0, "ssim": 1.0, "psnr_db": float("inf")}
            if name == "clean"
            else metrics.evaluate(volume.clean, image)
        )
        row |= {"objects": counts.truth_objects, "found": counts.objects}
        row |= {"matched": counts.matched, "threshold": threshold, "setting": setting}
        rows.append(row)
    print(table_row(name, rows), f"  {time.perf_counter() - began:.0f} s", flush=True)
    return rows


def table_row(name: str, rows: list[dict]) -> str:
    """Mean over the test volumes and their standard deviation; nuclei in all."""
    parts = []
    for score, digits in zip(SCORES, (3, 4, 3, 2), strict=True):
        values = [row[score] for row in rows]
        if score == "seg":
            parts.append(f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}")
        else:
            parts.append("–" if name == "clean" else f"{np.mean(values):.{digits}f}")
    objects, found, matched = (sum(row[count] for row in rows) for count in COUNTS)
    weights = [row["objects"] for row in rows]
    pooled = (f"{np.average([r[k] for r in rows], weights=weights):.3f}" for k in POOLED)
    return f"| {name} | {' | '.join([*parts, *pooled])} | {found} | {matched} of {objects} |"


def main() -> None:
    """Print a table and write the volumes' scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, help="of training; 30 without --steps")
    parser.add_argument("--steps", type=int, help="of training, instead of minutes")
    parser.add_argument("--network", default="auto")
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--moments", nargs="+", default=list(MOMENTS))
    parser.add_argument("--csv", type=Path, default=Path("segmentation_bbbc050.csv"))
    given = parser.parse_args()
    minutes = 30.0 if given.minutes is None and given.steps is None else given.minutes
    recipe = cs.Recipe(
        minutes=minutes, steps=given.steps, network=given.network, patch_px=64, batch_size=4
    )
    volumes = {e: [Volume(e, m) for m in given.moments] for e in EMBRYOS}
    tested_on = volumes.pop(TEST_EMBRYO)
    learnt_on = [volume for several in volumes.values() for volume in several]
    print(
        "| method | SEG | NRMSE | SSIM | PSNR (dB) | SEG over nuclei | with watershed | found "
        "| matched |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    everything = rows_of("noisy", lambda v: v.dark, learnt_on, tested_on)
    for name in given.methods:
        setting = baselines.tune(name, [(v.dark, v.clean) for v in learnt_on[::3]])
        said = ", ".join(f"{key} {value:g}" for key, value in setting.items())
        everything += rows_of(name, classical(name, setting), learnt_on, tested_on, said)
    words = f"{given.network}, {given.steps} steps" if given.steps else f"{minutes:g} minutes"
    everything += rows_of("carescope", restorer(learnt_on, recipe), learnt_on, tested_on, words)
    everything += rows_of("clean", lambda v: v.clean, learnt_on, tested_on)
    with given.csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(everything)


if __name__ == "__main__":
    main()
