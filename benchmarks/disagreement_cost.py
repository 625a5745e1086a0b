"""What it costs to know where members disagree, over what it costs to have them restore.

    OMP_NUM_THREADS=2 python benchmarks/disagreement_cost.py

`trust.disagreement` on the predictions of M members, against M forward passes of the default
networks on two cores, for planes and for stacks. Predictions are drawn: means that scatter by a
share of their scales, scales that scatter by a factor. The more narrow ones meet wide ones the
finer the integral has to be; a trained ensemble is like the first rows.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from carescope import net, trust
from carescope.task import Task

#: What is drawn: the scatter of means in scales, and that of scales as a logarithm.
KINDS = {
    "alike": (0.3, 0.1),
    "usual": (0.7, 0.3),
    "far apart": (5.0, 0.3),
    "scales off by factors": (1.0, 1.5),
}
SHAPES = {"YX": (512, 512), "ZYX": (16, 128, 128)}


def seconds(work: Callable[[], object], repeats: int) -> float:
    """The median time, the first run not counted."""
    taken = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def network(axes: str) -> torch.nn.Module:
    """The network of `auto` with scales."""
    task = Task(kind="denoise", axes=axes)
    return net.build(**net.resolve("auto", task, planes=16, scales=True)).eval()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, nargs="+", default=[2, 5])
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    print("| axes | members | predictions | a pass (s) | all passes (s) | D (s) | D / passes |")
    print("|---|---|---|---|---|---|---|")
    for axes, shape in SHAPES.items():
        model, image = network(axes), torch.zeros(1, 1, *shape)
        with torch.inference_mode():
            once = seconds(lambda m=model, i=image: m(i), given.repeats)
        for count in given.members:
            for kind, (apart, uneven) in KINDS.items():
                draw = np.random.default_rng(0)
                normal = draw.standard_normal((2, count, *shape))
                scales = np.exp(uneven * normal[0]).astype(np.float32) / 20
                means = (apart / 20 * normal[1]).astype(np.float32)
                taken = seconds(lambda m=means, s=scales: trust.disagreement(m, s), given.repeats)
                every = count * once
                print(
                    f"| {axes} | {count} | {kind} | {once:.3f} | {every:.3f} | {taken:.3f} "
                    f"| {taken / every:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
