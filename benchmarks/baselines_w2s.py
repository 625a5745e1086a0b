"""Classical denoisers on real widefield pairs: what a network has to be better than.

    CARESCOPE_DATA=... python benchmarks/baselines_w2s.py --csv baselines_w2s.csv

Of `paired_w2s` (one exposure; the mean of 400), settings are chosen on every other field of
001-014, for each channel, and applied to fields 015-020. A row is the mean ± standard deviation
over these six. The CSV has a row an image, so that others can be compared with these image by
image. BM3D is among the methods where it is installed, and takes most of the time;
`--methods low-pass median` takes only those.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from carescope import baselines, metrics, read

TUNED_ON, TESTED_ON, CHANNELS = range(2, 15, 2), range(15, 21), range(3)
SCORES = ("nrmse", "ssim", "psnr_db")


def pair(data: Path, field: int, channel: int) -> tuple[np.ndarray, np.ndarray]:
    """One exposure and the mean of 400 of them, both (Y, X) uint8."""
    low, high = (
        read.open(data / folder / f"{field:03d}_{channel}.tif").array()
        for folder in ("avg1", "avg400")
    )
    return low, high


def rows_of(data: Path, channel: int, name: str, setting: dict[str, float]) -> list[dict]:
    """Scores of one method on the test fields; of the input itself where there is no setting."""
    rows = []
    for field in TESTED_ON:
        low, high = pair(data, field, channel)
        began = time.perf_counter()
        found = baselines.apply(name, low, setting) if setting else low
        seconds = time.perf_counter() - began
        row = {"method": name, "setting": json.dumps(setting), "field": f"{field:03d}"}
        scores = metrics.evaluate(high, found)
        row |= {"channel": channel} | {score: scores[score] for score in SCORES}
        rows.append(row | {"seconds": seconds if setting else 0.0})
    return rows


def at_an_end(name: str, setting: dict[str, float]) -> list[str]:
    """The entries of a setting that are the first or last of a range of more than three."""
    choices = baselines.METHODS[name].choices
    ends = {key: (values[0], values[-1]) for key, values in choices.items() if len(values) > 3}
    return [key for key, value in setting.items() if key in ends and value in ends[key]]


def cells(rows: list[dict]) -> str:
    """Mean ± standard deviation of each score, and the mean time."""
    texts = []
    for score, digits in zip(SCORES, (4, 3, 2), strict=True):
        values = [row[score] for row in rows]
        texts.append(f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}")
    return " | ".join([*texts, f"{np.mean([row['seconds'] for row in rows]):.2g}"])


def main() -> None:
    """Print a table and write the images' scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path, default=Path("baselines_w2s.csv"))
    parser.add_argument("--methods", nargs="+", default=list(baselines.named(2)))
    given = parser.parse_args()
    data = Path(os.environ["CARESCOPE_DATA"]) / "paired_w2s"
    everything = []
    print("| channel | method | NRMSE | SSIM | PSNR (dB) | s an image | setting |")
    print("|---|---|---|---|---|---|---|")
    for channel in CHANNELS:
        tuning = [pair(data, field, channel) for field in TUNED_ON]
        for name in ["input", *given.methods]:
            setting = {} if name == "input" else baselines.tune(name, tuning)
            if setting and (ends := at_an_end(name, setting)):
                print(f"{name}: {', '.join(ends)} at the end of its range", file=sys.stderr)
            rows = rows_of(data, channel, name, setting)
            everything += rows
            said = ", ".join(f"{key} {value:g}" for key, value in setting.items())
            print(f"| {channel} | {name} | {cells(rows)} | {said or '–'} |", flush=True)
    for name in ["input", *given.methods]:
        rows = [row for row in everything if row["method"] == name]
        print(f"| all | {name} | {cells(rows)} | |")
    with given.csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(everything[0]))
        writer.writeheader()
        writer.writerows(everything)


if __name__ == "__main__":
    main()
