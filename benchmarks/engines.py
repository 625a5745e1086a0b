"""How long a tile takes by each engine, and how far it lies from float32: a table in markdown.

Engines take turns, so that what else the machine does strikes all alike; times are medians, and
what counts are their ratios. Weights are drawn at random, which is harder on bfloat16 than most
trained networks are.

    python benchmarks/engines.py --threads 2 --csbdeep ~/tfenv/bin/python --out engines.md

--csbdeep names the Python of an environment with csbdeep==0.8.2 and tensorflow-cpu==2.19.1, to time
its CARE network beside ours, on the same tile.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
import torch

from carescope import Recipe, engine, net
from carescope.engine.check import difference
from carescope.engine.choose import operations
from carescope.engine.names import candidates
from carescope.files.processor import processor_name
from carescope.model import Model
from carescope.task import Task

CASES = {
    "CARE, 3D": ({"name": "care", "ndim": 3}, (32, 128, 128)),
    "auto, 3D": ({"name": "shuffle", "ndim": 3, "cell": [1, 2, 2]}, (32, 128, 128)),
    "CARE, 2D": ({"name": "care", "ndim": 2}, (512, 512)),
    "auto, 2D": ({"name": "shuffle", "ndim": 2, "cell": [2, 2]}, (512, 512)),
    "auto, isotropic": ({"name": "shuffle", "ndim": 2, "cell": [4, 2]}, (512, 512)),
}
PEER = """
import os, sys, tempfile, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
threads, *shape = map(int, sys.argv[1:])
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(1)
from csbdeep.models import CARE, Config
axes = "ZYX"[-len(shape):]
kernel = 3 if len(shape) == 3 else 5
config = Config(axes, 1, 1, unet_n_depth=2, unet_n_first=32, unet_kern_size=kernel)
with tempfile.TemporaryDirectory() as folder:
    network = CARE(config, "m", basedir=folder).keras_model
seen = np.random.rand(1, *shape, 1).astype("float32")
network.predict(seen, verbose=0)
print("ready", flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    network.predict(seen, verbose=0)
    print(time.perf_counter() - began, flush=True)
"""


class Peer:
    """CSBDeep's network of the same shape in a process of its own, timed when asked."""

    def __init__(self, python: str, threads: int, shape: tuple[int, ...]) -> None:
        self._process = subprocess.Popen(
            [python, "-c", PEER, str(threads), *map(str, shape)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        while (line := self._process.stdout.readline()) and "ready" not in line:
            pass

    def seconds(self) -> float:
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def end(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def made(architecture: dict[str, object]) -> Model:
    network = net.build(**architecture, seed=0)
    for weights in network.parameters():
        if weights.ndim > 1 and not weights.any():
            torch.nn.init.normal_(weights, std=0.05, generator=torch.manual_seed(0))
    axes = "ZYX" if architecture["ndim"] == 3 else "YX"
    return Model(network, architecture, Recipe(), Task(kind="denoise", axes=axes))


def measured(name: str, rounds: int, threads: int, python: str | None) -> list[list[str]]:
    architecture, shape = CASES[name]
    model, seen = made(architecture), np.random.default_rng(0).random((1, 1, *shape), np.float32)
    wanted = {*candidates("auto"), *candidates("openvino"), "torch float32"}
    runs = {by: engine.accelerated(model, by) for by in sorted(wanted)}
    right = model.apply(seen)
    errors = {by: difference([right], [run.apply(seen)], scales=False) for by, run in runs.items()}
    peer = Peer(python, threads, shape) if python and "CARE" in name else None
    times: dict[str, list[float]] = {by: [] for by in [*runs, *(["csbdeep"] if peer else [])]}
    for _ in range(rounds):
        for by, taken in times.items():
            if peer and by == "csbdeep":
                taken.append(peer.seconds())
                continue
            began = time.perf_counter()
            runs[by].apply(seen)
            taken.append(time.perf_counter() - began)
    if peer:
        peer.end()
    medians = {by: statistics.median(taken) for by, taken in times.items()}
    work = operations(model) * seen.size
    rows = []
    for by, seconds in sorted(medians.items(), key=lambda item: -item[1]):
        spread = f"{min(times[by]):.3f} to {max(times[by]):.3f}"
        beside = f"{medians['csbdeep'] / seconds:.1f}" if peer else ""
        rms = f"{errors[by]:.1e}" if by in errors else ""
        rate = f"{work / seconds / 1e9:.0f}"
        speed = f"{medians['torch float32'] / seconds:.1f}"
        rows.append([name, by, f"{seconds:.3f}", spread, speed, beside, rate, rms])
    return rows


def product_rate(dtype: torch.dtype, size: int = 2048) -> float:
    """Operations a second of a matrix product, the best of some: what the machine can do."""
    one = torch.ones(size, size, dtype=dtype)
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        one @ one
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--csbdeep", metavar="PYTHON")
    parser.add_argument("--only", action="append", choices=list(CASES))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    columns = ["network", "engine", "s", "range", "x torch float32", "x csbdeep"]
    columns += ["GFLOP/s", "RMS / range"]
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for name in given.only or CASES:
        for row in measured(name, given.rounds, given.threads, given.csbdeep):
            lines.append(f"| {' | '.join(row)} |")
    rates = {t: product_rate(getattr(torch, t)) / 1e9 for t in ("float32", "bfloat16")}
    lines += [
        "",
        f"{processor_name()}, {given.threads} threads, Python {platform.python_version()}, torch "
        f"{torch.__version__}, OpenVINO {engine.version('openvino')}; matrix products of 2048: "
        + ", ".join(f"{name} {rate:.0f} GFLOP/s" for name, rate in rates.items()),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if given.out:
        given.out.write_text(text)


if __name__ == "__main__":
    main()
