"""CSBDeep on the patches and fields of benchmarks/denoise_w2s.py, in an environment of its own.

    pip install csbdeep==0.8.2 tensorflow-cpu==2.19.1 tifffile scikit-image
    CARESCOPE_DATA=... python benchmarks/denoise_w2s_csbdeep.py --patches patches.npz --channel 0 \
        --minutes 10 --csv w2s.csv

Its default network and loss (CARE, mean absolute error), batches of 16, learning rate 4e-4 halved
on a plateau; it is stopped when the minutes are over, and the best weights are used. Measures are
computed as in carescope.metrics, after the best gain and offset.
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


class Clock(Callback):
    """Ends the training when its minutes are over."""

    def __init__(self, minutes):
        super().__init__()
        self.ends = time.monotonic() + 60 * minutes
        self.steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if time.monotonic() > self.ends:
            self.model.stop_training = True


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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=Path, required=True)
    parser.add_argument("--channel", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--csv", type=Path, default=Path("w2s.csv"))
    given = parser.parse_args()
    held = np.load(given.patches)
    config = Config(
        "YXC", 1, 1, train_batch_size=16, train_epochs=10_000, train_steps_per_epoch=50,
        train_checkpoint_epoch=None,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        model = CARE(config, "w2s", basedir=folder)
        model.prepare_for_training()
        clock = Clock(given.minutes)
        model.callbacks.append(clock)
        model.train(
            held["train_low"],
            held["train_high"],
            validation_data=(held["validation_low"], held["validation_high"]),
        )
        data = Path(os.environ["CARESCOPE_DATA"], "paired_w2s")
        rows, began = [], time.perf_counter()
        for field in TEST:
            name = f"{field:03}_{given.channel}.tif"
            restored = model.predict(
                tifffile.imread(data / "avg1" / name).astype(np.float32),
                "YX",
                normalizer=PercentileNormalizer(2, 99.8),
            )
            found = scores(tifffile.imread(data / "avg400" / name), restored)
            setting = f"{given.minutes:g} min"
            row = {
                "method": "csbdeep",
                "setting": setting,
                "field": field,
                "channel": given.channel,
            }
            rows.append(row | found)
    seconds = (time.perf_counter() - began) / len(TEST)
    mean = np.mean([row["nrmse"] for row in rows])
    print(f"{clock.steps} steps, restoring {seconds:.2f} s, NRMSE {mean:.4f}")
    new = not given.csv.exists()
    with given.csv.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
