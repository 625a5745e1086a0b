"""Isotropic restoration from Python, every stage alone.

    python examples/isotropic.py [STACK] [--steps N] [--out FOLDER]

Without STACK, nuclei and a microscope are simulated, so that there is a truth to compare with.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import carescope as cs
from carescope.physics import blur, camera, psf, sampling


def simulate() -> tuple[cs.Image, cs.Microscope, np.ndarray]:
    """A stack of nuclei, the microscope that took it, and what one as sharp along z would see."""
    fine_um, step_um = (0.2, 0.2, 0.2), 0.8
    density, _ = cs.phantoms.nuclei((61, 96, 128), seed=1, volume_per_nucleus_px3=15_000)
    optics = psf.gaussian((0.8, 0.2, 0.2), fine_um)  # standard deviations along z, y, x in um
    truth = blur.blur(density, psf.gaussian((0.2, 0.2, 0.2), fine_um).values)
    planes = sampling.sample(blur.blur(density, optics.values), factor=4)
    noise = camera.Noise(gain=1.0, offset=100.0, read_noise=2.0)
    grey = camera.expose(noise.offset + 400 * planes, noise, np.random.default_rng(0))
    stack = cs.Image(grey, "ZYX", voxel_um=(step_um, *fine_um[1:]), source="simulated nuclei")
    return stack, cs.Microscope(optics), truth


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("stack", nargs="?", help="a TIFF with axes ZYX that says its voxel size")
parser.add_argument("--steps", type=int, default=100, help="a useful network takes minutes")
parser.add_argument("--out", type=Path, help="folder for the model and the restored stack")
given = parser.parse_args()
out = given.out or Path(tempfile.mkdtemp(prefix="carescope-"))

if given.stack:  # no optics are known: undo the sampling alone
    stack, scope, truth = cs.open(given.stack), cs.Microscope(), None
else:
    stack, scope, truth = simulate()

recipe = cs.Recipe(steps=given.steps, batch_size=8, patch_px=64)
pairs = cs.pairs.from_volume(stack, scope, recipe)  # lateral slices, and the same made axial
print("task      ", pairs.task)
axial, lateral = pairs.batch(0)  # each (batch, channel, Z, X), normalised
model = cs.fit(pairs, out=out / "model")  # saved there, with the history of its training
error = [float(((image - lateral) ** 2).mean()) for image in (axial, model.apply(axial))]
print(f"a batch    mean squared error {error[0]:.4f}, and {error[1]:.4f} through the network")

restored = cs.restore(cs.load_model(out / "model"), stack)
bicubic = sampling.upsample(stack.array(), restored.grid)
for name, volume in (("bicubic", bicubic), ("restored", restored.mean.array())):
    ratio = cs.metrics.spectral_isotropy(volume, restored.mean.voxel())
    against = "" if truth is None else f", PSNR {cs.metrics.psnr(truth, volume):.1f} dB"
    print(f"{name:<10} {volume.shape}, spectral isotropy {ratio:.3f}{against}")
cs.save(out / "restored.ome.tif", restored.mean, provenance=restored.provenance)
print("written to", out)
