"""Isotropic restoration of simulated nuclei within minutes on two cores, against the truth.

    python benchmarks/isotropic_nuclei.py --minutes 2 --seeds 1 2 3 --networks auto care isonet2

Nuclei of 192^3 voxels under a Gaussian blur of sigma 2 (lateral) and 8 (axial) voxels, every
8th plane, Poisson and read noise. Scored against the same phantom blurred by sigma 2 in all
directions, without noise: PSNR after affine matching, peak = maximum of that truth.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import time
from pathlib import Path

import numpy as np

import carescope as cs
from carescope import metrics, phantoms, rng
from carescope.grid import Grid
from carescope.jobs.inputs import Optics
from carescope.jobs.learning import learn
from carescope.physics import blur, camera, psf, sampling

SIDE, FACTOR, SIGMA_PX, VOXEL_UM = 192, 8, (8.0, 2.0, 2.0), 0.1


def simulate(seed: int, photons: float) -> tuple[np.ndarray, cs.Image]:
    """The isotropic truth, and the stack a microscope would record of it."""
    density, _ = phantoms.nuclei((SIDE, SIDE, SIDE), seed)
    one = (1.0, 1.0, 1.0)
    truth = blur.blur(density, psf.gaussian((SIGMA_PX[1],) * 3, one).values)
    seen = blur.blur(density, psf.gaussian(SIGMA_PX, one).values)
    noise = camera.Noise(gain=1.0, offset=100.0, read_noise=2.0)
    planes = camera.expose(
        noise.offset + photons * np.maximum(sampling.sample(seen, FACTOR), 0),
        noise,
        rng.generator(seed, "camera"),
    )
    voxel = (FACTOR * VOXEL_UM, VOXEL_UM, VOXEL_UM)
    return truth, cs.Image(planes, "ZYX", voxel, source=f"simulated nuclei {seed}")


def one(seed: int, network: str, minutes: float, photons: float, passes: int) -> dict[str, object]:
    """Train, restore and score once."""
    truth, stack = simulate(seed, photons)
    optics = Optics(psf="gaussian", sigma_um=(0.8, 0.2, 0.2))
    recipe = cs.Recipe.of(network=network, minutes=minutes, seed=seed, passes=passes)
    model = learn(stack, optics, recipe).model
    began = time.perf_counter()
    restored = cs.restore(model, stack)
    seconds = time.perf_counter() - began
    truth = truth[: restored.grid.restored_planes]
    bicubic = sampling.upsample(stack.array(), Grid.of(stack))
    return {
        "network": network,
        "seed": seed,
        "steps": model.facts["steps"],
        "weights": model.facts["weights"],
        "bicubic": metrics.psnr(truth, bicubic),
        "restored": metrics.psnr(truth, restored.mean.array()),
        "seconds": seconds,
    }


def main() -> None:
    """Print a markdown table, a row a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--networks", nargs="+", default=["auto"])
    parser.add_argument("--photons", type=float, default=400.0, help="at density 1")
    parser.add_argument("--passes", type=int, default=2, choices=[1, 2])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    lines = [
        f"commit {commit}, {os.cpu_count()} cores, {platform.machine()}, "
        f"{given.minutes:g} minutes of training, {given.photons:g} photons, "
        f"{given.passes} passes",
        "",
        "| network | seed | weights | steps | bicubic | restored (dB) | gain | restored in (s) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for network in given.networks:
        for seed in given.seeds:
            row = one(seed, network, given.minutes, photons=given.photons, passes=given.passes)
            gain = row["restored"] - row["bicubic"]
            lines.append(
                f"| {network} | {seed} | {row['weights']:,} | {row['steps']} "
                f"| {row['bicubic']:.2f} | {row['restored']:.2f} | {gain:.2f} "
                f"| {row['seconds']:.1f} |"
            )
            print(lines[-1], flush=True)
    text = "\n".join([*lines, ""])
    print(text)
    if given.out:
        given.out.write_text(text)


if __name__ == "__main__":
    main()
