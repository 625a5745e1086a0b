"""What it costs to know where members disagree, over what it costs to have them restore.

    OMP_NUM_THREADS=2 python benchmarks/disagreement_cost.py

`trust.disagreement` on the predictions of M members, against M passes of the default networks
by the fastest engine, for planes and for stacks, with as many threads. Predictions are drawn: means
that scatter by a share of their scales, scales that scatter by a factor. The more narrow ones meet
wide ones the finer the integral has to be; a trained ensemble is like the first rows.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from carescope import engine, net, trust
from carescope.engine.names import candidates
from carescope.experiments.peers.carescope_peer import random_model
from carescope.task import Task

#: What is drawn: the scatter of means in scales, and that of scales as a logarithm.
KINDS = {
    "alike": (0.3, 0.1),
    "usual": (0.7, 0.3),
    "far apart": (5.0, 0.3),
    "scales off by factors": (1.0, 1.5),
}
SHAPES = {"YX": (1024, 1024), "ZYX": (32, 256, 256)}


def seconds(work: Callable[[], object], repeats: int) -> float:
    """The median time, the first run not counted."""
    taken = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def a_pass(axes: str, repeats: int) -> tuple[str, float]:
    """The fastest engine for the network of `auto` with scales, and its seconds."""
    task = Task(kind="denoise", axes=axes)
    model = random_model(net.resolve("auto", task, planes=16, scales=True))
    image = np.random.default_rng(0).random((1, 1, *SHAPES[axes]), np.float32)
    found = {}
    for name in candidates("auto"):
        run = engine.accelerated(model, name)
        found[name] = seconds(partial(run.apply, image), repeats)
    best = min(found, key=found.__getitem__)
    return best, found[best]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, nargs="+", default=[2, 5])
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    print("| axes | engine | members | predictions | all passes (s) | D (s) | D / passes |")
    print("|---|---|---|---|---|---|---|")
    for axes, shape in SHAPES.items():
        by, once = a_pass(axes, given.repeats)
        for count in given.members:
            for kind, (apart, uneven) in KINDS.items():
                draw = np.random.default_rng(0)
                normal = draw.standard_normal((2, count, *shape))
                scales = np.exp(uneven * normal[0]).astype(np.float32) / 20
                means = (apart / 20 * normal[1]).astype(np.float32)
                threads = torch.get_num_threads()
                find = partial(trust.disagreement, means, scales, threads=threads)
                taken = seconds(find, given.repeats)
                every = count * once
                print(
                    f"| {axes} | {by} | {count} | {kind} | {every:.3f} | {taken:.3f} "
                    f"| {taken / every:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
