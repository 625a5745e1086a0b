"""Two related channels, restored together and each alone, within the same number of steps.

    python benchmarks/channels.py --steps 600 --seeds 1 2 3

Channel 0 shows simulated nuclei at 400 photons, channel 1 their envelopes at 60; Gaussian blur of 2
and 8 voxels, every 8th plane. PSNR against the isotropic truth of each channel, after affine
matching.
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

SIDE, EVERY, PIXEL_UM, ONE = 144, 8, 0.1, (1.0, 1.0, 1.0)
PHOTONS = (400.0, 60.0)


def simulate(seed: int) -> tuple[list[np.ndarray], cs.Image]:
    """The isotropic truth of both channels, and the stack."""
    density, labels = phantoms.nuclei((SIDE,) * 3, seed)
    inside = blur.blur((labels > 0).astype(np.float32), psf.gaussian((1.5,) * 3, ONE).values)
    envelope = np.clip(4 * inside * (1 - inside), 0, 1).astype(np.float32)
    noise = camera.Noise(gain=1.0, offset=100.0, read_noise=2.0)
    truths, planes = [], []
    for number, (channel, photons) in enumerate(zip((density, envelope), PHOTONS, strict=True)):
        truths.append(blur.blur(channel, psf.gaussian((2.0,) * 3, ONE).values))
        seen = blur.blur(channel, psf.gaussian((8.0, 2.0, 2.0), ONE).values)
        light = noise.offset + photons * np.maximum(sampling.sample(seen, EVERY), 0)
        planes.append(camera.expose(light, noise, rng.generator(seed, "camera", number)))
    voxel = (EVERY * PIXEL_UM, PIXEL_UM, PIXEL_UM)
    return truths, cs.Image(np.stack(planes), "CZYX", voxel, ("nuclei", "envelopes"))


def main() -> None:
    """Print a row a seed and channel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    given = parser.parse_args()
    optics = Optics(psf="gaussian", sigma_um=(0.8, 0.2, 0.2))
    print("| seed | channel | interpolated (dB) | together | each alone |\n|---|---|---|---|---|")
    for seed in given.seeds:
        truths, stack = simulate(seed)
        restored = []
        for alone in (False, True):
            recipe = cs.Recipe.of(steps=given.steps, seed=seed, per_channel=alone)
            restored.append(cs.restore(learn(stack, optics, recipe).model, stack).mean.array())
        for number, truth in enumerate(truths):
            bicubic = sampling.upsample(stack.array()[number], Grid.of(stack))
            values = [metrics.psnr(truth[: len(r[number])], r[number]) for r in restored]
            base = metrics.psnr(truth[: len(bicubic)], bicubic)
            print(
                f"| {seed} | {stack.channel_names[number]} | {base:.2f} "
                f"| {values[0]:.2f} | {values[1]:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
