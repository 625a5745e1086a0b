"""carescope on W2S: trained on fields 1-14, tested on 15-20, a channel at a time.

    CARESCOPE_DATA=... python benchmarks/denoise_w2s.py --minutes 10 --csv w2s.csv
    CARESCOPE_DATA=... python benchmarks/denoise_w2s.py --patches patches.npz --channels 0
    CARESCOPE_DATA=... python benchmarks/denoise_w2s.py --model models/w2s-0 --channels 0

Rows are appended to the CSV (method, setting, field, channel, nrmse, ssim, psnr_db), as
benchmarks/baselines_w2s.py and benchmarks/denoise_w2s_csbdeep.py write them, so that methods can be
compared image by image: python benchmarks/denoise_w2s.py --table w2s.csv. With --patches the
training patches that a peer is given are written instead: 4,000 of the batches that the training
here would see, augmented as here, and the validation patches. With --model a model that was
trained before is scored.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import time
from pathlib import Path

import numpy as np

import carescope as cs
from carescope import metrics, pairs, train
from carescope.model import load

TRAINING, TEST = range(1, 15), range(15, 21)
COLUMNS = ("method", "setting", "field", "channel", "nrmse", "ssim", "psnr_db")


def image(kind: str, field: int, channel: int) -> cs.Image:
    path = Path(os.environ["CARESCOPE_DATA"], "paired_w2s", kind, f"{field:03}_{channel}.tif")
    return cs.open(path, axes="YX")


def pairs_of(channel: int, recipe: cs.Recipe) -> pairs.AcquiredPairs:
    images = [(image("avg1", f, channel), image("avg400", f, channel)) for f in TRAINING]
    return pairs.from_pairs(images, recipe)


def one(channel: int, recipe: cs.Recipe, setting: str) -> list[dict]:
    """Train, restore the test fields as they are and with mirror images, and score them."""
    return both(train.fit(pairs_of(channel, recipe), device="cpu"), channel, setting)


def both(model: cs.Model, channel: int, setting: str) -> list[dict]:
    """Score a model as it is and with mirror images."""
    return scored(model, channel, setting) + scored(model, channel, f"{setting}, tta", tta=True)


def scored(model: cs.Model, channel: int, setting: str, *, tta: bool = False) -> list[dict]:
    """Restore the test fields and score them."""
    rows = []
    began = time.perf_counter()
    for field in TEST:
        restored = cs.restore(model, image("avg1", field, channel), tta=tta).mean.array()
        scores = metrics.evaluate(image("avg400", field, channel).array(), restored)
        kept = {name: scores[name] for name in ("nrmse", "ssim", "psnr_db")}
        rows.append({"method": "carescope", "setting": setting, "field": field, "channel": channel}
                    | kept)  # fmt: skip
    seconds = (time.perf_counter() - began) / len(TEST)
    print(f"channel {channel}, {setting}: {model.facts['steps']} steps, restoring {seconds:.2f} s, "
          f"NRMSE {statistics.mean(r['nrmse'] for r in rows):.4f}", flush=True)  # fmt: skip
    return rows


def export(path: Path, channel: int, recipe: cs.Recipe) -> None:
    """What a peer trains on: inputs and targets (N, 128, 128, 1), and those that validate."""
    made = pairs_of(channel, recipe)
    batches = [made.batch(n) for n in range(4000 // recipe.batch_size)]
    held = made.validation()
    arrays = {}
    for name, part in (("train", batches), ("validation", held)):
        for side, key in ((0, "low"), (1, "high")):
            together = np.concatenate([b[side] for b in part])
            arrays[f"{name}_{key}"] = np.moveaxis(together, 1, -1)
    np.savez(path, **arrays)
    print({name: array.shape for name, array in arrays.items()})


def table(rows: list[dict]) -> str:
    """Means over the test fields, and against each other image by image."""
    from scipy.stats import wilcoxon

    key = lambda r: (r["method"], r["setting"], int(r["channel"]))  # noqa: E731
    lines = [
        "| channel | method | setting | NRMSE | SSIM | PSNR (dB) |",
        "|---|---|---|---|---|---|",
    ]
    for cell in sorted(dict.fromkeys(map(key, rows)), key=lambda k: (k[2], k[0], k[1])):
        mine = [r for r in rows if key(r) == cell]
        means = [
            f"{statistics.mean(float(r[c]) for r in mine):.{n}f} ± "
            f"{statistics.stdev(float(r[c]) for r in mine):.{n}f}"
            for c, n in (("nrmse", 4), ("ssim", 3), ("psnr_db", 2))
        ]
        lines.append(f"| {cell[2]} | {cell[0]} | {cell[1]} | {' | '.join(means)} |")
    ours = {k for k in map(key, rows) if k[0] == "carescope"}
    for cell in sorted(ours):
        for peer in sorted({k for k in map(key, rows) if k[2] == cell[2] and k[0] != "carescope"}):
            by = [{int(r["field"]): float(r["nrmse"]) for r in rows if key(r) == k}
                  for k in (cell, peer)]  # fmt: skip
            both = sorted(set(by[0]) & set(by[1]))
            less = [by[0][f] - by[1][f] for f in both]
            lines.append(
                f"channel {cell[2]}, {cell[1]} against {peer[0]} {peer[1]}: lower NRMSE in "
                f"{sum(d < 0 for d in less)} of {len(less)} images, p = {wilcoxon(less).pvalue:.2g}"
            )
    return "\n".join(lines)


def main() -> None:
    """Train and score, export patches, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--steps", type=int, help="instead of minutes")
    parser.add_argument("--network", default="auto")
    parser.add_argument("--loss", default="mse")
    parser.add_argument("--channels", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--csv", type=Path, default=Path("w2s.csv"))
    parser.add_argument("--patches", type=Path)
    parser.add_argument("--model", type=Path, help="of the one channel that is named")
    parser.add_argument("--table", type=Path, nargs="+")
    given = parser.parse_args()
    if given.table:
        print(table([row for path in given.table for row in csv.DictReader(path.open())]))
        return
    budget = {"steps": given.steps} if given.steps else {"minutes": given.minutes}
    recipe = cs.Recipe(network=given.network, loss=given.loss, **budget)
    if given.patches:
        export(given.patches, given.channels[0], recipe)
        return
    new = not given.csv.exists()
    with given.csv.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        for channel in given.channels:
            said = f"{given.steps} steps" if given.steps else f"{given.minutes:g} min"
            if given.model:
                rows = both(load(given.model), channel, given.model.name)
            else:
                rows = one(channel, recipe, f"{given.network}, {given.loss}, {said}")
            writer.writerows(rows)
            file.flush()


if __name__ == "__main__":
    main()
