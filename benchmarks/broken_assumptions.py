"""What isotropic restoration makes of stacks for which its assumptions do not hold.

    python benchmarks/broken_assumptions.py --out docs/images

Draws a picture for each case, of the isotropic truth, the recorded planes interpolated, and the
restoration, and prints a markdown table of PSNR after affine matching.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.ndimage import zoom

import carescope as cs
from carescope import metrics, phantoms, rng
from carescope.grid import Grid
from carescope.jobs.inputs import Optics
from carescope.jobs.learning import learn
from carescope.physics import blur, camera, psf, sampling

SIDE, PIXEL_UM, PHOTONS = 160, 0.1, 400.0
ONE = (1.0, 1.0, 1.0)
Volume = np.ndarray


class Case(NamedTuple):
    """A structure, what blurs it, and how many planes lie between recorded ones."""

    title: str
    density: Callable[[], Volume]
    sigma_z: tuple[float, float]  # at the first and the last plane, in voxels; learnt with the mean
    every: int


def nuclei() -> Volume:
    """Round nuclei."""
    return phantoms.nuclei((SIDE,) * 3, 21)[0]


def flat() -> Volume:
    """The same, four times as thin along z as across."""
    return zoom(phantoms.nuclei((4 * SIDE, SIDE, SIDE), 21)[0], (0.25, 1, 1), order=1)


def columns() -> Volume:
    """Cells four times as tall along z as they are wide."""
    walls = phantoms.membranes((SIDE // 4, SIDE, SIDE), 21)[0]
    return zoom(walls, (4, 1, 1), order=1, mode="nearest")


def tubes() -> Volume:
    """Thin tubes."""
    return phantoms.tubes((SIDE,) * 3, 21)[0]


CASES = {
    "holds": Case("round nuclei, one PSF", nuclei, (8, 8), 8),
    "flat": Case("nuclei that are flat along z", flat, (8, 8), 8),
    "columns": Case("cells that are tall along z", columns, (8, 8), 8),
    "depth": Case("a PSF that widens with depth", nuclei, (4, 14), 8),
    "sampling": Case("tubes thinner than the plane distance", tubes, (4, 4), 16),
}


def blurred(density: Volume, sigma_z: tuple[float, float]) -> Volume:
    """Blur by 2 voxels across and along z by what changes from the first plane to the last."""
    first, last = sigma_z
    stations = np.linspace(first, last, 1 if first == last else 6)
    seen = np.stack([blur.blur(density, psf.gaussian((s, 2.0, 2.0), ONE).values) for s in stations])
    at = np.linspace(0, len(stations) - 1, len(density))
    lower = np.minimum(at.astype(int), max(len(stations) - 2, 0))
    share = (at - lower)[:, None, None]
    planes = np.arange(len(density))
    upper = np.minimum(lower + 1, len(stations) - 1)
    return (1 - share) * seen[lower, planes] + share * seen[upper, planes]


def run(case: Case, steps: int) -> tuple[Volume, Volume, Volume]:
    """The isotropic truth, the interpolated and the restored volume."""
    density = case.density()
    truth = blur.blur(density, psf.gaussian((2.0,) * 3, ONE).values)
    planes = sampling.sample(blurred(density, case.sigma_z), case.every)
    noise = camera.Noise(gain=1.0, offset=100.0, read_noise=2.0)
    grey = camera.expose(
        noise.offset + PHOTONS * np.maximum(planes, 0), noise, rng.generator(21, "camera")
    )
    stack = cs.Image(grey, "ZYX", (case.every * PIXEL_UM, PIXEL_UM, PIXEL_UM))
    sigma = PIXEL_UM * np.mean(case.sigma_z)
    optics = Optics(psf="gaussian", sigma_um=(sigma, 2 * PIXEL_UM, 2 * PIXEL_UM))
    model = learn(stack, optics, cs.Recipe.of(steps=steps, seed=1)).model
    restored = cs.restore(model, stack).mean.array()
    bicubic = sampling.upsample(stack.array(), Grid.of(stack))
    return truth[: len(restored)], bicubic, restored


def draw(path: Path, volumes: tuple[Volume, Volume, Volume]) -> None:
    """One xz section of each, side by side, in the contrast of its own range."""
    from matplotlib.figure import Figure

    y = int(np.argmax(volumes[0].var(axis=(0, 2))))
    figure = Figure(figsize=(9, 3.2), layout="constrained", dpi=110)
    names = ("isotropic truth", "recorded, interpolated", "restored")
    for axes, name, volume in zip(figure.subplots(1, 3), names, volumes, strict=True):
        section = volume[:, y]
        axes.imshow(
            section,
            cmap="gray",
            vmin=np.percentile(section, 1),
            vmax=np.percentile(section, 99.7),
            interpolation="nearest",
        )
        axes.set_title(name, fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
    figure.savefig(path)


def main() -> None:
    """Draw every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--cases", nargs="+", default=list(CASES))
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    print("| case | interpolated (dB) | restored (dB) | first third | last third |")
    print("|---|---|---|---|---|")
    for name in given.cases:
        truth, bicubic, restored = volumes = run(CASES[name], given.steps)
        draw(given.out / f"broken_{name}.png", volumes)
        third = len(truth) // 3
        parts = [
            " → ".join(f"{metrics.psnr(truth[p], v[p]):.2f}" for v in (bicubic, restored))
            for p in (slice(third), slice(-third, None))
        ]
        print(
            f"| {CASES[name].title} | {metrics.psnr(truth, bicubic):.2f} "
            f"| {metrics.psnr(truth, restored):.2f} | {parts[0]} | {parts[1]} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
