"""Split, full and no point-spread function on three phantoms under three microscopes.

    python benchmarks/isotropic_modes.py --seeds 1 2 3 --out modes.csv
    python benchmarks/isotropic_modes.py --table modes.csv

Each run trains `--steps` steps (repeatable), restores, and is scored against the isotropic truth
(the phantom blurred by h_iso, as sharp along z as across) and against the phantom itself: PSNR
after affine matching, peak = maximum of the truth. The spectral isotropy ratio (energy along z
over that across, noise floor subtracted, Hann window, means removed) is that of the band that
the microscope loses along z and keeps across: from where the transfer function along z falls to
one half to where the one across does; and of the lower part of it, which is weakened rather than
lost: to where the one along z falls to one tenth. Lateral gain is the regression of the
restoration's z projection on the truth's (Hann window) over lateral frequencies from two cycles
per volume to the end of the band, grey levels matched by their known scale: 1 where the lateral
frequencies that every microscope keeps are unchanged. Runs that are in the file already are
skipped, so that an interrupted benchmark goes on.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import statistics
import subprocess
from pathlib import Path

import numpy as np

import carescope as cs
from carescope import metrics, phantoms, rng
from carescope.grid import Grid
from carescope.jobs.inputs import Optics
from carescope.jobs.learning import learn
from carescope.metrics.spectrum import isotropy_ratio, power_spectrum_axes
from carescope.physics import blur, camera, kernel, sampling
from carescope.physics.isotropic import isotropic_blur

VOXEL_UM, PHOTONS = 0.1, 400.0
PHANTOMS = {
    "nuclei": lambda side, seed: phantoms.nuclei((side,) * 3, seed)[0],
    "membranes": lambda side, seed: phantoms.membranes((side,) * 3, seed)[0],
    "tubes": lambda side, seed: phantoms.tubes((side,) * 3, seed)[0],
}
# Optics, and how many planes lie from one recorded plane to the next.
MICROSCOPES = {
    "gaussian 2/8": (Optics(psf="gaussian", sigma_um=(0.8, 0.2, 0.2)), 8),
    "confocal 1.1": (Optics(psf="confocal", na=1.1, wavelength_um=0.52, refractive_index=1.33), 4),
    "light sheet 0.8/0.1": (
        Optics(psf="lightsheet", na=0.8, na_illum=0.1, wavelength_um=0.52, refractive_index=1.33),
        8,
    ),
}
MODES = {"none": {}, "full": {"psf_mode": "full"}, "split": {"psf_mode": "split"}}
COLUMNS = (
    "phantom", "microscope", "seed", "mode", "steps", "bicubic_db", "restored_db",
    "bicubic_phantom_db", "restored_phantom_db", "ratio_before", "ratio_after", "ratio_truth",
    "weakened_before", "weakened_after", "weakened_truth",
    "lateral_gain", "lateral_gain_before",
)  # fmt: skip


def simulate(name: str, optics: Optics, every: int, side: int, seed: int) -> tuple:
    """The phantom, the isotropic truth, and the stack a microscope would record."""
    density = PHANTOMS[name](side, seed)
    psf = optics.point_spread((VOXEL_UM,) * 3)
    lateral = kernel.isotropic(psf)
    seen = blur.blur(density, psf.values)
    truth = isotropic_blur(density, psf)
    noise = camera.Noise(gain=1.0, offset=100.0, read_noise=2.0)
    planes = camera.expose(
        noise.offset + PHOTONS * np.maximum(sampling.sample(seen, every), 0),
        noise,
        rng.generator(seed, "camera"),
    )
    stack = cs.Image(planes, "ZYX", (every * VOXEL_UM, VOXEL_UM, VOXEL_UM), source=name)
    along = kernel.full(psf).sum(1)
    low, high = falls_to(0.5, along), falls_to(0.5, lateral.sum(0))
    return density, truth, stack, (low, falls_to(0.1, along), max(high, low + 0.02))


def one(name: str, microscope: str, mode: str, seed: int, side: int, steps: int) -> dict:
    """Simulate, train, restore and score once."""
    optics, every = MICROSCOPES[microscope]
    density, truth, stack, (low, faint, high) = simulate(name, optics, every, side, seed)
    recipe = cs.Recipe.of(steps=steps, seed=seed, **MODES[mode])
    model = learn(stack, Optics() if mode == "none" else optics, recipe).model
    restored = cs.restore(model, stack).mean.array()
    planes = len(restored)
    truth, density = truth[:planes], density[:planes]
    bicubic = sampling.upsample(stack.array(), Grid.of(stack))
    start = 2 / min(restored.shape)
    spectra = {
        label: power_spectrum_axes(volume, (1.0, 1.0, 1.0), subtract_floor=True)
        for label, volume in (("before", bicubic), ("after", restored), ("truth", truth))
    }
    ratios = {f"ratio_{label}": isotropy_ratio(s, (low, high)) for label, s in spectra.items()}
    ratios |= {f"weakened_{label}": isotropy_ratio(s, (low, faint)) for label, s in spectra.items()}
    return {
        "phantom": name,
        "microscope": microscope,
        "seed": seed,
        "mode": mode,
        "steps": model.facts["steps"],
        "bicubic_db": metrics.psnr(truth, bicubic),
        "restored_db": metrics.psnr(truth, restored),
        "bicubic_phantom_db": metrics.psnr(density, bicubic),
        "restored_phantom_db": metrics.psnr(density, restored),
        **ratios,
        "lateral_gain": lateral_gain(restored, truth, start, high),
        "lateral_gain_before": lateral_gain(bicubic, truth, start, high),
    }


def lateral_gain(volume: np.ndarray, truth: np.ndarray, low: float, high: float) -> float:
    """How strongly lateral structure of a truth appears in the z projection of a volume."""
    z, y, x = (np.hanning(n + 2)[1:-1] for n in truth.shape)
    seen, true = (
        np.fft.fft2((np.tensordot(z, v - v.mean(), 1)) * y[:, None] * x) for v in (volume, truth)
    )
    radius = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, true.shape), indexing="ij"))
    band = (radius >= low) & (radius <= high)
    gain = (seen[band] * true[band].conj()).real.sum() / (np.abs(true[band]) ** 2).sum()
    return float(gain) / PHOTONS


def falls_to(share: float, profile: np.ndarray) -> float:
    """Where the transfer function of a blur falls to a share, in cycles per voxel."""
    x = np.arange(len(profile)) - len(profile) // 2
    fine = np.linspace(0, 0.45, 2000)
    transfer = np.cos(2 * np.pi * np.outer(fine, x)) @ profile
    below = np.flatnonzero(transfer < share)
    return float(fine[below[0]]) if len(below) else 0.45


def table(rows: list[dict]) -> str:
    """Means over seeds, a line for each phantom and microscope; and tests over all runs."""
    measures = ("ratio", "weakened")
    header = ["phantom", "microscope", "bicubic (dB)", *MODES]
    for measure in measures:
        header += [f"{measure} before", "full", "split", "truth"]
    header += ["lateral gain, split"]
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    key = lambda r: (r["phantom"], r["microscope"])  # noqa: E731
    for cell in dict.fromkeys(map(key, rows)):
        by = {m: [r for r in rows if key(r) == cell and r["mode"] == m] for m in MODES}
        if not all(by.values()):
            continue
        mean = lambda m, c: statistics.mean(float(r[c]) for r in by[m])  # noqa: E731, B023
        values = [mean(m, "restored_db") for m in MODES]
        spread = [np.std([float(r["restored_db"]) for r in by[m]], ddof=0) for m in MODES]
        cells = [f"{v:.2f} ± {s:.2f}" for v, s in zip(values, spread, strict=True)]
        for measure in measures:
            cells += [f"{mean('split', f'{measure}_before'):.2f}"]
            cells += [f"{mean(mode, f'{measure}_after'):.2f}" for mode in ("full", "split")]
            cells += [f"{mean('split', f'{measure}_truth'):.2f}"]
        cells += [f"{mean('split', 'lateral_gain'):.3f}"]
        first = [*cell, f"{mean('split', 'bicubic_db'):.2f}"]
        lines.append(f"| {' | '.join([*first, *cells])} |")
    return "\n".join([*lines, "", *tests(rows)])


def tests(rows: list[dict]) -> list[str]:
    """Wilcoxon signed-rank tests over all pairs of runs that differ in the mode alone."""
    from scipy.stats import wilcoxon

    key = lambda r: (r["phantom"], r["microscope"], r["seed"])  # noqa: E731
    by = {m: {key(r): float(r["restored_db"]) for r in rows if r["mode"] == m} for m in MODES}
    said = []
    for better, worse in (("split", "full"), ("split", "none"), ("full", "none")):
        same = sorted(set(by[better]) & set(by[worse]))
        if len(same) < 6:
            continue
        apart = [by[better][k] - by[worse][k] for k in same]
        p = wilcoxon(apart).pvalue
        said.append(
            f"{better} over {worse}: median {np.median(apart):+.2f} dB, better in "
            f"{sum(d > 0 for d in apart)} of {len(apart)} runs, Wilcoxon p = {p:.2g}"
        )
    return said


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--phantoms", nargs="+", default=list(PHANTOMS))
    parser.add_argument("--modes", nargs="+", default=list(MODES))
    parser.add_argument("--side", type=int, default=160)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path("modes.csv"))
    parser.add_argument("--table", type=Path, nargs="+", help="print the table of these files")
    given = parser.parse_args()
    if given.table:
        rows = [row for path in given.table for row in csv.DictReader(path.open())]
        print(table(rows))
        return
    new = not given.out.exists()
    done = set()
    if not new:
        with given.out.open() as file:
            done = {
                (r["phantom"], r["microscope"], r["mode"], int(r["seed"]))
                for r in csv.DictReader(file)
            }
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    print(f"commit {commit}, {os.cpu_count()} cores, {platform.machine()}", flush=True)
    with given.out.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        for seed in given.seeds:
            for name in given.phantoms:
                for microscope in MICROSCOPES:
                    for mode in given.modes:
                        if (name, microscope, mode, seed) in done:
                            continue
                        row = one(name, microscope, mode, seed, given.side, given.steps)
                        writer.writerow(
                            {
                                k: v if isinstance(v, str | int) else f"{v:.4f}"
                                for k, v in row.items()
                            }
                        )
                        file.flush()
                        print(row, flush=True)


if __name__ == "__main__":
    main()
