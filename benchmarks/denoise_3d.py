"""Denoising stacks of 60-fold less light, and a widefield stack to a confocal one.

    CARESCOPE_DATA=... python benchmarks/denoise_3d.py --minutes 2 --csv denoise_3d.csv

Each stack of `neubias_3d` is darkened by simulated photon loss: its brightest 0.2 % are taken for
600 photons, of which 10 are left, with a read noise of half an electron. Its left 60 % train, with
a few exposures of them, a network of its own; baselines are tuned there; the right 40 % test.
`xyzc_16bit__dna_conf_wf` is a real pair: one nucleus in widefield and confocal, registered first.
"""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path

import numpy as np

import carescope as cs
from carescope import baselines, metrics, pairs, train
from carescope.jobs.registered import registered
from carescope.physics.camera import Noise, expose

STACKS = (
    "xyz_16bit__spots",
    "xyz_8bit__chromosomes",
    "xyz_8bit__nuclei_autothresh",
    "xyz_calibrated_16bit__golgi_bfa",
    "xyz_nuclear_envelope_drosophila",
)
REAL = "xyzc_16bit__dna_conf_wf"
METHODS = ("low-pass", "median", "non-local means", "total variation")
PHOTONS, READ_NOISE_ELECTRONS, TRAINING_SHARE = 10, 0.5, 0.6
SCORES = ("nrmse", "ssim", "psnr_db")


def stack(name: str) -> cs.Image:
    return cs.open(Path(os.environ["CARESCOPE_DATA"], "neubias_3d", f"{name}.tif"))


def darkened(clean: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """The same with 60-fold fewer photons, in its own grey levels."""
    dark, bright = np.percentile(clean, (2, 99.8))
    gain = (bright - dark) / PHOTONS
    return expose(clean, Noise(gain, dark, READ_NOISE_ELECTRONS * gain), draw)


def simulated(name: str, exposures: int) -> tuple[list, tuple]:
    """Training pairs and the test pair of a darkened stack, arrays (Z, Y, X)."""
    clean = stack(name).arranged("ZYX").array().astype(np.float32)
    at = int(TRAINING_SHARE * clean.shape[2])
    draw = np.random.default_rng(STACKS.index(name))
    made = [(darkened(clean, draw)[..., :at], clean[..., :at]) for _ in range(exposures)]
    return made, (darkened(clean, draw)[..., at:], clean[..., at:])


def widefield_to_confocal() -> tuple[list, tuple]:
    """The same of the real pair, whole planes shifted onto one another."""
    both = stack(REAL).arranged("CZYX")
    confocal, widefield = (
        cs.Image(both.array()[c], axes="ZYX", voxel_um=both.voxel_um, source=REAL) for c in (0, 1)
    )
    [(low, high)], moved, doubts = registered([(widefield, confocal)], correct=True)
    print(*moved, *doubts, sep="\n")
    wide, sharp = (image.arranged("ZYX").array().astype(np.float32) for image in (low, high))
    at = int(TRAINING_SHARE * wide.shape[2])
    return [(wide[..., :at], sharp[..., :at])], (wide[..., at:], sharp[..., at:])


def restored(made: list, low: np.ndarray, recipe: cs.Recipe) -> dict[str, np.ndarray]:
    """What a network that learnt from the pairs makes of a stack, once and as a mean of mirrors."""
    images = [tuple(cs.Image(one, axes="ZYX") for one in pair) for pair in made]
    model = train.fit(pairs.from_pairs(images, recipe), device="cpu")
    print(f"{model.facts['steps']} steps", flush=True)
    image = cs.Image(low, axes="ZYX")
    return {
        "carescope": cs.restore(model, image).mean.array(),
        "carescope --tta": cs.restore(model, image, tta=True).mean.array(),
    }


def main() -> None:
    """Print a table and write the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--steps", type=int, help="instead of minutes")
    parser.add_argument("--exposures", type=int, default=4)
    parser.add_argument("--stacks", nargs="+", default=[*STACKS, REAL])
    parser.add_argument("--csv", type=Path, default=Path("denoise_3d.csv"))
    given = parser.parse_args()
    recipe = cs.Recipe(**({"steps": given.steps} if given.steps else {"minutes": given.minutes}))
    rows = []
    print("| stack | method | NRMSE | SSIM | PSNR (dB) |\n|---|---|---|---|---|")
    for name in given.stacks:
        made, (low, high) = (
            widefield_to_confocal() if name == REAL else simulated(name, given.exposures)
        )
        found = {"input": low}
        for method in METHODS:
            found[method] = baselines.apply(method, low, baselines.tune(method, made[:1]))
        found |= restored(made, low, recipe)
        for method, image in found.items():
            scores = metrics.evaluate(high, image)
            rows.append({"stack": name, "method": method} | {s: scores[s] for s in SCORES})
            said = " | ".join(f"{scores[s]:.{n}f}" for s, n in zip(SCORES, (4, 3, 2), strict=True))
            print(f"| {name} | {method} | {said} |", flush=True)
    with given.csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
