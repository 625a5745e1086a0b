"""What ``--psf auto`` finds: nine phantoms whose blur is known, and real stacks.

    python benchmarks/psf_auto.py --seeds 1 2 3
    CARESCOPE_DATA=... python benchmarks/psf_auto.py --real

Phantoms of 192^3 voxels of 0.1 um are blurred by a PSF, every 4th, 6th or 8th plane is kept, and a
camera adds photon and read noise. For a PSF that is no Gaussian, the true sigma_split is that of
the Gaussian g which comes closest to h_split by its definition: it minimises the squared difference
between the transfer functions of h_iso (*) g and of h_rot, over all lateral frequencies and axial
ones up to the Nyquist frequency of the planes. The true sigma_xy is that of the Gaussian closest to
h_iso, and sigma_z^2 = sigma_split^2 + sigma_xy^2. Nothing of this knows of the phantom.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar

import carescope as cs
from carescope import phantoms, read, rng
from carescope.physics import blind, blur, camera, kernel, psf, sampling

SIDE, VOXEL_UM, PHOTONS = 192, 0.1, 400.0
CUBE = (VOXEL_UM,) * 3
PHANTOMS = {
    "nuclei": phantoms.nuclei,
    "membranes": phantoms.membranes,
    "tubes": phantoms.tubes,
}
# PSF, and how many fine planes lie between recorded ones.
OPTICS = {
    "Gaussian 0.2 / 0.8 um": (psf.gaussian((0.8, 0.2, 0.2), CUBE), 8),
    "confocal NA 1.1": (psf.confocal(1.1, 0.52, 1.33, CUBE), 4),
    "light sheet NA 0.8 / 0.1": (psf.lightsheet(0.8, 0.1, 0.52, 1.33, CUBE), 6),
}
# file, channel, voxel size (z, y, x) in um where the file has none.
REAL: list[tuple[str, int | None, tuple[float, float, float] | None]] = [
    ("iso_cells3d_nuclei/nuclei.tif", None, (0.29, 0.26, 0.26)),
    ("iso_flybrain/flybrain.tif", None, None),
    ("iso_bbbc050/raw/Emb01_t501.tif", None, (2.0, 0.8, 0.8)),
    ("iso_bbbc050/raw/Emb02_t501.tif", None, (2.0, 0.8, 0.8)),
    ("iso_bbbc050/raw/Emb04_t501.tif", None, (2.0, 0.8, 0.8)),
    ("iso_iitgoa_nuclei/Series006.tif", None, (1.0, 0.25, 0.25)),
    ("iso_iitgoa_nuclei/Series008.tif", None, (1.0, 0.25, 0.25)),
    ("neubias_3d/xyzc_16bit__dna_conf_wf.tif", 0, None),
    ("neubias_3d/xyzc_16bit__dna_conf_wf.tif", 1, None),
    ("neubias_3d/xyz_8bit__chromosomes.tif", None, None),
    ("neubias_3d/xyz_8bit__nuclei_autothresh.tif", None, None),
    ("neubias_3d/xyz_calibrated_16bit__golgi_bfa.tif", None, None),
    ("neubias_3d/xyz_nuclear_envelope_drosophila.tif", None, None),
    ("neubias_3d/xyzc_16bit__spots.tif", 0, None),
    ("neubias_3d/xyz_16bit__spots.tif", None, None),
]
THINNED = ("iso_cells3d_nuclei/nuclei.tif", "iso_bbbc050/raw/Emb04_t501.tif")


def truth_um(optics: psf.PSF, every: int) -> tuple[float, float]:
    """The true sigma_split and sigma_xy of a PSF, in micrometres."""
    size = 512
    rotated, lateral = (
        np.abs(np.fft.rfft2(k, (size, size)))
        for k in (kernel.full(optics), kernel.isotropic(optics))
    )
    kz, kx = np.abs(np.fft.fftfreq(size))[:, None], np.fft.rfftfreq(size)
    sampled = (kz <= 0.5 / every)[:, 0]

    def split(sigma: float) -> float:
        model = lateral * np.exp(-2 * (np.pi * kz * sigma) ** 2)
        return float(np.square(rotated - model)[sampled].sum())

    def across(sigma: float) -> float:
        return float(np.square(lateral - np.exp(-2 * np.pi**2 * (kz**2 + kx**2) * sigma**2)).sum())

    found = (minimize_scalar(f, bounds=(0.01, 30), method="bounded").x for f in (split, across))
    sigma_split, sigma_xy = (float(s) * VOXEL_UM for s in found)
    return sigma_split, sigma_xy


def stack_of(density: np.ndarray, optics: psf.PSF, every: int, seed: int) -> cs.Image:
    """What a microscope records of a phantom."""
    seen = np.maximum(blur.blur(density, optics.values), 0)
    noise = camera.Noise(gain=1.0, offset=100.0, read_noise=2.0)
    light = noise.offset + PHOTONS * sampling.sample(seen, every)
    planes = camera.expose(light, noise, rng.generator(seed, "camera"))
    return cs.Image(planes, "ZYX", (every * VOXEL_UM, VOXEL_UM, VOXEL_UM))


def shown(found: blind.AxialBlur) -> str:
    """An estimate and its interval, or the reason against it."""
    if found.sigma_split_um is None or found.interval_um is None:
        return f"not identifiable: {found.reason}"
    low, high = found.interval_um
    return f"{found.sigma_split_um:.3g} ({low:.3g} to {high:.3g})"


def simulated(seeds: list[int]) -> None:
    """Print nine rows, an estimate for each seed."""
    print(
        "| phantom | PSF | every | true σ_split (µm) | found, a seed each | ratio "
        "| true σ_z (µm) | found σ_z | ratio |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for phantom, make in PHANTOMS.items():
        densities = {seed: make((SIDE,) * 3, seed)[0] for seed in seeds}
        for name, (optics, every) in OPTICS.items():
            stacks = [stack_of(densities[seed], optics, every, seed) for seed in seeds]
            found = [blind.estimate(stack) for stack in stacks]
            sigma_split, sigma_xy = truth_um(optics, every)
            sigma_z = math.hypot(sigma_split, sigma_xy)
            split = [f.sigma_split_um for f in found]
            whole = [f.sigma_z_um for f in found]
            ratios = [
                ", ".join("–" if v is None else f"{v / true:.2f}" for v in values)
                for values, true in ((split, sigma_split), (whole, sigma_z))
            ]
            print(
                f"| {phantom} | {name} | {every} | {sigma_split:.3f} "
                f"| {'; '.join(map(shown, found))} | {ratios[0]} | {sigma_z:.3f} "
                f"| {', '.join('–' if v is None else f'{v:.3f}' for v in whole)} | {ratios[1]} |",
                flush=True,
            )


def real(data: Path) -> None:
    """Print what was found of each real stack, and of some with planes left out."""
    print(
        "| stack | voxel (µm) | every | σ_split (µm), two standard errors | σ_z (µm) | misfit | s |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, channel, voxel_um in REAL:
        axes = None if voxel_um is None else "ZYX"
        stack = read.open(data / name, axes=axes, voxel_um=voxel_um)
        if channel is not None:
            stack = stack.select("C", channel)
        for every in (1, 2, 3) if name in THINNED else (1,):
            z, y, x = stack.voxel()
            thin = cs.Image(stack.array()[::every], "ZYX", (every * z, y, x))
            began = time.perf_counter()
            found = blind.estimate(thin)
            seconds = time.perf_counter() - began
            whole = "–" if found.sigma_z_um is None else f"{found.sigma_z_um:.3g}"
            misfit = "–" if found.misfit is None else f"{found.misfit:.0%}"
            title = Path(name).stem + ("" if channel is None else f", channel {channel}")
            print(
                f"| {title} | {z * every:.3g}, {y:.3g}, {x:.3g} | {every} | {shown(found)} "
                f"| {whole} | {misfit} | {seconds:.1f} |",
                flush=True,
            )


def main() -> None:
    """Print a markdown table, a row a phantom and PSF, or a row a real stack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--real", action="store_true")
    given = parser.parse_args()
    if given.real:
        real(Path(os.environ["CARESCOPE_DATA"]))
    else:
        simulated(given.seeds)


if __name__ == "__main__":
    main()
