"""Isotropic restoration of real stacks, scored on planes that were never seen.

    CARESCOPE_DATA=... python benchmarks/isotropic_real.py --minutes 2

Each stack is thinned to every n-th plane and restored with ``--psf none``, since the hidden planes
keep the microscope's blur; bicubic interpolation and the restoration are compared with them.
The spectral isotropy ratio is that of the restoration of the thinned stack.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import carescope as cs
from carescope import metrics, read, train
from carescope.physics import sampling

# file, axes, voxel size (z, y, x) in um where the file has none, every n-th plane
STACKS: list[tuple[str, tuple[float, float, float] | None, int]] = [
    ("iso_cells3d_nuclei/nuclei.tif", (0.29, 0.26, 0.26), 4),
    ("iso_flybrain/flybrain.tif", None, 2),
    ("iso_bbbc050/raw/Emb01_t051.tif", (2.0, 0.8, 0.8), 2),
    ("iso_bbbc050/raw/Emb04_t501.tif", (2.0, 0.8, 0.8), 2),
    ("iso_iitgoa_nuclei/Series006.tif", (1.0, 0.25, 0.25), 2),
    ("iso_iitgoa_nuclei/Series008.tif", (1.0, 0.25, 0.25), 2),
]


def one(
    path: Path, voxel_um: tuple[float, float, float] | None, every: int, minutes: float
) -> dict[str, Any]:
    """Thin, train, restore and score one stack."""
    whole = read.open(path, axes="ZYX", voxel_um=voxel_um)
    step, y, x = whole.voxel()
    thin = cs.Image(whole.array()[::every], "ZYX", (step * every, y, x), source=str(path))
    scope = cs.Microscope(factor=float(every))
    recipe = cs.Recipe(minutes=minutes)
    model = train.fit(cs.pairs.from_volume(thin, scope, recipe), recipe)
    restored = cs.restore(model, thin)
    grid = restored.grid
    truth = whole.array()[: grid.restored_planes]
    unseen = ~grid.is_recorded()
    bicubic = sampling.upsample(thin.array().astype("float32"), grid)
    after = restored.mean.array()
    scores = {
        name: metrics.evaluate(truth[unseen], values[unseen], planewise=True)
        for name, values in (("bicubic", bicubic), ("restored", after))
    }
    spacing = restored.mean.voxel()
    return {
        "shape": " x ".join(map(str, whole.shape)),
        "steps": model.facts["steps"],
        "before": metrics.spectral_isotropy(bicubic, spacing),
        "after": metrics.spectral_isotropy(after, spacing),
        "whole": metrics.spectral_isotropy(truth, spacing),
        **scores,
    }


def main() -> None:
    """Print a markdown table, a row a stack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    given = parser.parse_args()
    data = Path(os.environ["CARESCOPE_DATA"])
    print(
        "| stack | planes x rows x columns | every | PSNR (dB) | NRMSE | SSIM | isotropy | steps |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, voxel_um, every in STACKS:
        row = one(data / name, voxel_um, every, given.minutes)
        pair = [row["bicubic"], row["restored"]]
        cells = [
            f"{name.split('/', 1)[0].removeprefix('iso_')} {Path(name).stem}",
            row["shape"],
            str(every),
            " → ".join(f"{p['psnr_db']:.2f}" for p in pair),
            " → ".join(f"{p['nrmse']:.4f}" for p in pair),
            " → ".join(f"{p['ssim']:.3f}" for p in pair),
            f"{row['before']:.2f} → {row['after']:.2f} ({row['whole']:.2f})",
            str(row["steps"]),
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
