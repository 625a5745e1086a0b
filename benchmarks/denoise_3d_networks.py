"""Which network should `--network auto` stand for, to denoise stacks.

    CARESCOPE_DATA=... python benchmarks/denoise_3d_networks.py --stacks xyz_8bit__nuclei_autothresh

Stacks and photon loss are those of denoise_3d.py. Here the left 45 % of each train and the next
15 % choose, so that the right 40 %, on which carescope is compared with others, have no part in it;
they are printed all the same. One thread, so that two can run side by side.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from denoise_3d import STACKS, simulated
from denoise_networks import learnt

import carescope as cs
from carescope import metrics, pairs
from carescope.model import Model
from carescope.pairs.regions import POOLED_PLANES

#: What each is called, its pooling along z where there is room for it left out.
NETWORKS = {
    "cells": {"name": "shuffle", "cell": [1, 2, 2], "depth": 2, "first_filters": 32},
    "full": {"name": "care", "kernel": 3, "depth": 2, "first_filters": 16},
}
CHOSEN = 3 / 4  # of what denoise_3d.py trains on


def trained(name: str, made: list, steps: int) -> Model:
    """A network of that architecture, from fresh weights."""
    recipe = cs.Recipe(steps=steps)
    images = [tuple(cs.Image(one, axes="ZYX") for one in pair) for pair in made]
    source = pairs.from_pairs(images, recipe)
    deep = len(made[0][0]) >= POOLED_PLANES
    return learnt(source, NETWORKS[name] | {"ndim": 3, "pool": [2 if deep else 1, 2, 2]}, recipe)


def error(model: Model, low: np.ndarray, high: np.ndarray) -> float:
    """NRMSE of a restored stack."""
    return metrics.nrmse(high, cs.restore(model, cs.Image(low, axes="ZYX")).mean.array())


def main() -> None:
    """Print a table, a training a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--stacks", nargs="+", default=list(STACKS[1:3]), choices=STACKS)
    parser.add_argument("--exposures", type=int, default=4)
    parser.add_argument("--steps", type=int, default=500)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| stack | network | steps | seconds | NRMSE, choice | test |\n" + "|---" * 6 + "|")
    for name in given.stacks:
        made, test = simulated(name, given.exposures)
        at = int(CHOSEN * made[0][0].shape[2])
        fitted = [tuple(image[..., :at] for image in pair) for pair in made]
        chosen = tuple(image[..., at:] for image in made[0])
        for network in given.networks:
            began = time.monotonic()
            model = trained(network, fitted, given.steps)
            spent = time.monotonic() - began
            print(
                f"| {name} | {network} | {given.steps} | {spent:.0f} | "
                f"{error(model, *chosen):.4f} | {error(model, *test):.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
