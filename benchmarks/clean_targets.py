"""What --noise clean does to noise and to details, beside --noise match.

    python benchmarks/clean_targets.py --steps 500

Simulated nuclei, every 4th plane, at several doses; PSNR against what a microscope without noise
would have recorded at every plane (psf none) or with isotropic blur (split), after affine matching.
Detail is the correlation with the truth between 0.05 and 0.15 cycles per voxel; noise is the
spread of second differences along x in the background, over that of the recorded planes.
"""

from __future__ import annotations

import argparse

import numpy as np

import carescope as cs
from carescope import metrics, phantoms, rng
from carescope.grid import Grid
from carescope.jobs.inputs import Optics
from carescope.jobs.learning import learn
from carescope.physics import blur, camera, psf, sampling

SIDE, EVERY, PIXEL_UM, ONE = 144, 4, 0.1, (1.0, 1.0, 1.0)
SIGMA_PX = (4.0, 1.5, 1.5)


def band(volume: np.ndarray, low: float, high: float) -> np.ndarray:
    """The part of a volume between two frequencies in cycles per voxel."""
    frequency = [np.fft.fftfreq(n) for n in volume.shape[:2]] + [np.fft.rfftfreq(volume.shape[2])]
    radius = np.sqrt(sum(f**2 for f in np.meshgrid(*frequency, indexing="ij", sparse=True)))
    kept = np.fft.rfftn(volume) * ((radius > low) & (radius < high))
    return np.fft.irfftn(kept, s=volume.shape, axes=(0, 1, 2))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--photons", type=float, nargs="+", default=[30.0, 200.0, 3000.0])
    parser.add_argument("--seed", type=int, default=31)
    given = parser.parse_args()
    density, labels = phantoms.nuclei((SIDE,) * 3, given.seed)
    seen = blur.blur(density, psf.gaussian(SIGMA_PX, ONE).values)
    even = blur.blur(density, psf.gaussian((SIGMA_PX[1],) * 3, ONE).values)
    optics = Optics(psf="gaussian", sigma_um=tuple(PIXEL_UM * s for s in SIGMA_PX))
    print("| photons | psf | interpolated (dB) | match | clean | detail match | clean "
          "| noise match | clean |\n|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    for photons in given.photons:
        noise = camera.Noise(gain=1.0, offset=100.0, read_noise=2.0)
        light = photons * np.maximum(sampling.sample(seen, EVERY), 0)
        grey = camera.expose(noise.offset + light, noise, rng.generator(given.seed, "camera"))
        stack = cs.Image(grey, "ZYX", (EVERY * PIXEL_UM, PIXEL_UM, PIXEL_UM))
        bicubic = sampling.upsample(grey, Grid.of(stack))
        for name, optic, truth in (("none", Optics(), seen), ("split", optics, even)):
            truth, empty = truth[: len(bicubic)], labels[: len(bicubic)] == 0
            rows = []
            for mode in ("match", "clean"):
                recipe = cs.Recipe.of(steps=given.steps, seed=1, noise=mode)
                restored = cs.restore(learn(stack, optic, recipe).model, stack).mean.array()
                fine = [band(v, 0.05, 0.15).ravel() for v in (truth, restored)]
                # Noise within planes: what differs from one pixel to the next but one.
                flat = (np.diff(restored, 2, axis=2)[:, :, 1:-1])[empty[:, :, 2:-2]]
                rough = (np.diff(grey, 2, axis=2)[:, :, 1:-1])[empty[::EVERY, :, 2:-2]]
                detail = np.corrcoef(*fine)[0, 1]
                rows.append((metrics.psnr(truth, restored), detail, flat.std() / rough.std()))
            cells = [f"{a:.2f} | {b:.2f}" for a, b in zip(*rows, strict=True)]
            base = metrics.psnr(truth, bicubic)
            print(f"| {photons:g} | {name} | {base:.2f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
