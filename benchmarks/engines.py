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
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

from carescope import engine, net
from carescope.engine.check import difference
from carescope.engine.choose import operations
from carescope.engine.names import candidates
from carescope.experiments.peers import Contestant
from carescope.experiments.peers.carescope_peer import random_model
from carescope.experiments.races import TASKS
from carescope.files.processor import processor_name

CASES = {
    "CARE, 3D": ({"name": "care", "ndim": 3}, (32, 128, 128)),
    "auto, 3D": (net.resolve("auto", TASKS["3D"], planes=32), (32, 128, 128)),
    "CARE, 2D": ({"name": "care", "ndim": 2}, (512, 512)),
    "auto, 2D": (net.resolve("auto", TASKS["2D"]), (512, 512)),
    "auto, isotropic": (net.resolve("auto", TASKS["isotropic"]), (512, 512)),
}


def measured(name: str, rounds: int, peer: Contestant | None) -> list[list[str]]:
    architecture, shape = CASES[name]
    model = random_model(architecture)
    seen = np.random.default_rng(0).random((1, 1, *shape), np.float32)
    wanted = {*candidates("auto"), *candidates("openvino"), *candidates("compile"), "torch float32"}
    runs = {by: engine.accelerated(model, by) for by in sorted(wanted)}
    right = model.apply(seen)
    errors = {by: difference([right], [run.apply(seen)], scales=False) for by, run in runs.items()}
    times: dict[str, list[float]] = {by: [] for by in [*runs, *(["csbdeep"] if peer else [])]}
    for _ in range(rounds):
        for by, taken in times.items():
            if peer and by == "csbdeep":
                taken.append(peer.turn())
                continue
            began = time.perf_counter()
            runs[by].apply(seen)
            taken.append(time.perf_counter() - began)
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
    parser.add_argument("--csbdeep", metavar="PYTHON", type=Path)
    parser.add_argument("--only", action="append", choices=list(CASES))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    columns = ["network", "engine", "s", "range", "x torch float32", "x csbdeep"]
    columns += ["GFLOP/s", "RMS / range"]
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for name in given.only or CASES:
        with ExitStack() as ending:
            peer = None
            if given.csbdeep and "CARE" in name:
                job = {"work": "tile", "shape": CASES[name][1], "threads": given.threads}
                job |= {"batch": 1, "turns": 1, "warm_up": 1}
                there = Path(ending.enter_context(tempfile.TemporaryDirectory()))
                peer = ending.enter_context(Contestant("csbdeep", given.csbdeep, job, there))
            for row in measured(name, given.rounds, peer):
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
