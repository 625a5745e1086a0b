"""How much a network could gain on axial slices if it were shown what is true.

    python benchmarks/isotropic_ceiling.py
    python benchmarks/isotropic_ceiling.py --network isonet2 --loss psnr --steps 700

The nuclei of `carescope bench isonet-table1`, blurred by its Gaussian. The networks there learn
without truth, from lateral slices; here the same networks learn from axial slices, recorded and
true, of three other phantoms, and restore the three stacks of that table from both sides. What is
missing to a network that learnt without truth, and is gained here, is the price of not knowing it.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np

import carescope as cs
from carescope import metrics, pairs, train
from carescope.app.progress import Watch
from carescope.experiments.deconvolved import interpolated
from carescope.experiments.scenes import MICROSCOPES, record, simulate

SIDES = (1, 2)  # slices across Y, and across X
TRAINING, TEST = (101, 102, 103), (1, 2, 3)


def phantom(structure: str, optics: str, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What is recorded, interpolated, and what is true, (Z, Y, X) each."""
    microscope = MICROSCOPES[optics]
    scene = simulate(structure, microscope, (side,) * 3, seed)
    image = interpolated(record(scene, microscope, seed))
    return image, scene.truth[: len(image)]


def slices(volume: np.ndarray, across: int) -> cs.Image:
    """Axial slices, one after the other like the frames of a film."""
    return cs.Image(np.ascontiguousarray(np.moveaxis(volume, across, 0)), axes="TYX")


def restored(model: cs.Model, volume: np.ndarray) -> np.ndarray:
    """The mean of what the slices from either side become."""
    views = [cs.restore(model, slices(volume, across)).mean.array() for across in SIDES]
    return np.mean([np.moveaxis(v, 0, a) for v, a in zip(views, SIDES, strict=True)], axis=0)


def main() -> None:
    """Train with truths, and print what it comes to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--structure", default="nuclei")
    parser.add_argument("--optics", default="gaussian")
    parser.add_argument("--side", type=int, default=160)
    parser.add_argument("--network", default="auto")
    parser.add_argument("--loss", default="mse")
    parser.add_argument("--steps", type=int, default=2500)
    given = parser.parse_args()
    what = given.structure, given.optics, given.side
    shown = [phantom(*what, seed) for seed in TRAINING]
    films = [tuple(slices(one, across) for one in both) for both in shown for across in SIDES]
    recipe = cs.Recipe(network=given.network, loss=given.loss, steps=given.steps)
    with Watch() as watch:
        model = train.fit(pairs.from_pairs(films, recipe), device="cpu", watch=watch.training)
    scores = []
    for seed in TEST:
        image, truth = phantom(*what, seed)
        scores.append((metrics.psnr(truth, image), metrics.psnr(truth, restored(model, image))))
    blurred, found = (statistics.mean(column) for column in zip(*scores, strict=True))
    print("| network | steps | seconds | blurred (dB) | shown the truth (dB) |")
    print("|---|---|---|---|---|")
    print(f"| {given.network} | {given.steps} | {model.facts['seconds']:.0f} "
          f"| {blurred:.2f} | {found:.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
