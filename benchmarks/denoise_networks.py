"""Which network and loss should `--network auto` stand for, to denoise planes: chosen on W2S.

    CARESCOPE_DATA=... python benchmarks/denoise_networks.py --networks cells full --losses mse mae

Trained on fields 1-10 and chosen by the NRMSE on fields 11-14, so that fields 15-20, on which
carescope is compared with others, have no part in it; they are printed all the same. Steps are as
many as take about as long. One thread, so that two can run side by side.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from denoise_w2s import image

import carescope as cs
from carescope import metrics, net, pairs, train
from carescope.model import Model

TRAINING, CHOICE, TEST = range(1, 11), range(11, 15), range(15, 21)
#: What each is called: its architecture, its learning rate, and steps of about six minutes.
NETWORKS = {
    "cells": ({"name": "shuffle", "cell": [2, 2]}, 2e-3, 2200),
    "cells at full resolution": (
        {"name": "shuffle", "cell": [1, 1], "depth": 3, "first_filters": 16},
        2e-3,
        1700,
    ),
    "full": ({"name": "care", "depth": 3, "first_filters": 16, "kernel": 3}, 2e-3, 1850),
}


def trained(name: str, loss: str, channel: int) -> Model:
    """A network of that architecture, from fresh weights."""
    architecture, rate, steps = NETWORKS[name]
    recipe = cs.Recipe(loss=loss, steps=steps, learning_rate=rate)
    made = pairs.from_pairs(
        [(image("avg1", f, channel), image("avg400", f, channel)) for f in TRAINING], recipe
    )
    return learnt(made, architecture | {"ndim": 2}, recipe)


def learnt(made: pairs.AcquiredPairs, architecture: dict, recipe: cs.Recipe) -> Model:
    """What a network of an architecture, which need not be one that a recipe names, learns."""
    said = {"channels": 1} | architecture
    start = Model(net.build(**said, seed=recipe.seed), said, recipe, made.task)
    return train.fit(made, start=start, device="cpu", workers=0)


def error(model: Model, channel: int, fields: range) -> float:
    """Mean NRMSE of restored fields."""
    return statistics.mean(
        metrics.nrmse(
            image("avg400", f, channel).array(),
            cs.restore(model, image("avg1", f, channel)).mean.array(),
        )
        for f in fields
    )


def main() -> None:
    """Print a table, a training a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--losses", nargs="+", default=["mse", "mae"])
    parser.add_argument("--channels", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| channel | network | loss | steps | seconds | NRMSE, 11-14 | 15-20 |\n" + "|---" * 7 + "|"
    )
    for channel in given.channels:
        for name in given.networks:
            for loss in given.losses:
                began = time.monotonic()
                model = trained(name, loss, channel)
                spent = time.monotonic() - began
                chosen, test = (error(model, channel, fields) for fields in (CHOICE, TEST))
                steps = model.facts["steps"]
                print(
                    f"| {channel} | {name} | {loss} | {steps} | {spent:.0f} | {chosen:.4f} | "
                    f"{test:.4f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
