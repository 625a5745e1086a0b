"""Whether intervals hold what they promise on unseen images, before and after rescaling.

    CARESCOPE_DATA=... python benchmarks/calibration.py --minutes 10 --members 4 --models models

Laplace ensembles learn from fields 1-10 of `paired_w2s`, one for each channel; fields 11-14 say how
their scales are to be read, as `carescope trust` finds it; fields 15-20 judge. Printed are the
share of true pixels in the 50, 80, 90 and 95 % intervals and the expected calibration error, with
95 % intervals from 2,000 resamples of whole fields. Models are kept in --models, and taken from
there by a second call.
"""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path

import numpy as np

import carescope as cs
from carescope import metrics, model, normalize, predict, trust
from carescope.jobs.denoise import learn_pairs
from carescope.jobs.judging import Judged
from carescope.jobs.trust import calibrated, uncalibrated

TRAINING, CALIBRATING, TEST = range(1, 11), range(11, 15), range(15, 21)
LEVELS = (0.5, 0.8, 0.9, 0.95)
RESAMPLES = 2000


def image(kind: str, field: int, channel: int) -> cs.Image:
    path = Path(os.environ["CARESCOPE_DATA"], "paired_w2s", kind, f"{field:03}_{channel}.tif")
    return cs.open(path, axes="YX")


def learnt(channel: int, recipe: cs.Recipe, members: int, folder: Path) -> model.Ensemble:
    """The ensemble in a folder, or a new one that is kept there."""
    if not (folder / model.DESCRIPTION).exists():
        images = [(image("avg1", f, channel), image("avg400", f, channel)) for f in TRAINING]
        learn_pairs(images, recipe, members=members, folder=folder)
    return uncalibrated(model.load(folder))


def tallies(judged: model.Ensemble, channel: int, fields: range) -> Judged:
    """How often the truth of each field lies where the model says, and the field's noise."""
    found, noise = [], []
    for field in fields:
        low = image("avg1", field, channel)
        noise += predict.noise_seen(judged, low, normalize.fit(low, judged.recipe.percentiles))
        restored = cs.restore(judged, low)
        mean, scale = restored.mean.array(), restored.scale.array()
        truth = metrics.match_truth(image("avg400", field, channel).array(), mean)
        found.append(trust.tally(truth.astype(np.float32), mean, scale))
    return Judged([found], noise=[noise])


def error_bounds(counted: list[trust.Tally], scales: list[trust.Rescaling]) -> tuple[float, float]:
    """The 95 % interval of the expected calibration error, from resampled fields."""
    draw = np.random.default_rng(0).integers(len(counted), size=(RESAMPLES, len(counted)))
    errors = [
        trust.combined([counted[i] for i in some], [scales[i] for i in some]).error for some in draw
    ]
    low, high = np.percentile(errors, (2.5, 97.5))
    return float(low), float(high)


def row(counted: list[trust.Tally], scales: list[trust.Rescaling]) -> dict[str, float | str]:
    """Coverage and calibration error with their bounds."""
    held = trust.coverage(counted, scales, levels=LEVELS)
    numbers: dict[str, float | str] = {"family": scales[0].family}
    for level, *values in zip(held.levels, held.covered, held.low, held.high, strict=True):
        names = (f"c{level:.0%}", f"c{level:.0%} low", f"c{level:.0%} high")
        numbers |= dict(zip(names, map(float, values), strict=True))
    numbers["ece"] = trust.combined(counted, scales).error
    numbers["ece low"], numbers["ece high"] = error_bounds(counted, scales)
    return numbers


def cells(numbers: dict[str, float | str]) -> str:
    """A row of the table, in per cent."""
    names = [*(f"c{level:.0%}" for level in LEVELS), "ece"]
    return " | ".join(
        f"{100 * numbers[n]:.1f} ({100 * numbers[f'{n} low']:.1f}–{100 * numbers[f'{n} high']:.1f})"
        for n in names
    )


def main() -> None:
    """Train, calibrate, test, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="of all members together")
    parser.add_argument("--steps", type=int, help="of each member, instead of minutes")
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--channels", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", type=Path, default=Path("calibration-models"))
    parser.add_argument("--csv", type=Path, default=Path("calibration.csv"))
    given = parser.parse_args()
    budget = {"steps": given.steps} if given.steps else {"minutes": given.minutes}
    rows = []
    print("| channel | scales | read as | 50 % | 80 % | 90 % | 95 % | calibration error |")
    print("|---|---|---|---|---|---|---|---|")
    for channel in given.channels:
        recipe = cs.Recipe(loss="laplace", **budget)
        ensemble = learnt(channel, recipe, given.members, given.models / str(channel))
        known = tallies(ensemble, channel, CALIBRATING)
        scales = calibrated(known)
        constant = trust.rescaling(known.tallies[0])
        unseen = tallies(ensemble, channel, TEST)
        counted, slope = unseen.tallies[0], scales.trends[0].slope
        for name, how, said in (
            ("as predicted", [trust.Rescaling("laplace")] * len(TEST), "laplace"),
            ("one factor", [constant] * len(TEST), f"{constant.family} × {constant.factor:.3g}"),
            (
                "rescaled",
                [scales.rescaling(0, level) for level in unseen.noise[0]],
                f"{scales.family} × {scales.factors[0]:.3g}, noise to the power {slope:.2f}",
            ),
        ):
            numbers = row(counted, how)
            rows.append({"channel": channel, "scales": name, "read as": said} | numbers)
            print(f"| {channel} | {name} | {said} | {cells(numbers)} |", flush=True)
    with given.csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
