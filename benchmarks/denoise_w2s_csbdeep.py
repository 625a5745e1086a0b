"""CSBDeep on the patches and fields of benchmarks/denoise_w2s.py, in an environment of its own.

    pip install csbdeep==0.8.2 tensorflow-cpu==2.19.1 tifffile scikit-image
    CARESCOPE_DATA=... python benchmarks/denoise_w2s_csbdeep.py --patches patches.npz --channel 0 \
        --minutes 10 30 --csv w2s.csv

Its default network and loss (CARE, mean absolute error), batches of 16, learning rate 4e-4 halved
on a plateau. After each of the minutes, or of the --steps, the best weights so far restore the test
fields; the minutes are those that all cores spent on it, whatever else ran, validation included and
scoring not. Measures are computed as in carescope.metrics, after the best gain and offset.
"""

import argparse
import csv
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from csbdeep.data import PercentileNormalizer
from csbdeep.models import CARE, Config
from skimage.metrics import structural_similarity
from tensorflow.keras.callbacks import Callback

TEST = range(15, 21)
COLUMNS = ("method", "setting", "field", "channel", "nrmse", "ssim", "psnr_db")


class Marks(Callback):
    """Scores the best weights at certain minutes or steps, and ends the training at the last."""

    def __init__(self, marks, unit, score):
        super().__init__()
        self.marks, self.unit, self.score = sorted(marks), unit, score
        self.steps, self.idle, self.began = 0, 0.0, time.process_time()
        self.least, self.best = float("inf"), None

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_loss"] < self.least:
            self.least, self.best = logs["val_loss"], self.model.get_weights()

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        minutes = (time.process_time() - self.began - self.idle) / 60 / os.cpu_count()
        if (minutes if self.unit == "min" else self.steps) < self.marks[0]:
            return
        paused = time.process_time()
        now = self.model.get_weights()
        self.model.set_weights(self.best or now)
        self.score(f"{self.marks.pop(0):g} {self.unit}", self.steps, minutes)
        self.model.set_weights(now)
        self.idle += time.process_time() - paused
        self.model.stop_training = not self.marks


def scores(truth, restored):
    """NRMSE and SSIM of the truth normalised by percentiles 0.1 and 99.9, PSNR of the raw one."""
    truth, restored = truth.astype(np.float64), restored.astype(np.float64)
    gain = np.cov(restored.ravel(), truth.ravel(), bias=True)[0, 1] / restored.var()
    matched = gain * (restored - restored.mean()) + truth.mean()
    low, high = np.percentile(truth, (0.1, 99.9))
    error = np.sqrt(np.mean((matched - truth) ** 2))
    one, other = ((v - low) / (high - low) for v in (truth, matched))
    return {
        "nrmse": error / (high - low),
        "ssim": structural_similarity(one, other, data_range=1.0),
        "psnr_db": 20 * np.log10(truth.max() / error),
    }


def scored(model, channel, setting, steps, minutes):
    """Restore the test fields; a row for each."""
    data = Path(os.environ["CARESCOPE_DATA"], "paired_w2s")
    rows, began = [], time.perf_counter()
    for field in TEST:
        name = f"{field:03}_{channel}.tif"
        restored = model.predict(
            tifffile.imread(data / "avg1" / name).astype(np.float32),
            "YX",
            normalizer=PercentileNormalizer(2, 99.8),
        )
        found = scores(tifffile.imread(data / "avg400" / name), restored)
        rows.append(
            {"method": "csbdeep", "setting": setting, "field": field, "channel": channel} | found
        )
    seconds = (time.perf_counter() - began) / len(TEST)
    mean = np.mean([row["nrmse"] for row in rows])
    print(
        f"channel {channel}, {setting}: {steps} steps, {minutes:.1f} minutes, restoring "
        f"{seconds:.2f} s, NRMSE {mean:.4f}",
        flush=True,
    )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=Path, required=True)
    parser.add_argument("--channel", type=int, default=0)
    parser.add_argument("--minutes", type=float, nargs="+", default=[10])
    parser.add_argument("--steps", type=int, nargs="+")
    parser.add_argument("--csv", type=Path, default=Path("w2s.csv"))
    given = parser.parse_args()
    held = np.load(given.patches)
    config = Config(
        "YXC", 1, 1, train_batch_size=16, train_epochs=10_000, train_steps_per_epoch=50,
        train_checkpoint=None,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        model = CARE(config, "w2s", basedir=folder)
        model.prepare_for_training()

        def score(setting, steps, minutes):
            rows = scored(model, given.channel, setting, steps, minutes)
            new = not given.csv.exists()
            with given.csv.open("a", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                if new:
                    writer.writeheader()
                writer.writerows(rows)

        marks, unit = (given.steps, "steps") if given.steps else (given.minutes, "min")
        model.callbacks.append(Marks(marks, unit, score))
        model.train(
            held["train_low"],
            held["train_high"],
            validation_data=(held["validation_low"], held["validation_high"]),
            epochs=10_000,
        )


if __name__ == "__main__":
    main()
