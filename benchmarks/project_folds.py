"""Joint projection and denoising of simulated folded epithelia, against the baselines.

    python benchmarks/project_folds.py --minutes 10 --photons 10 --csv folds.csv

Stacks of 48 x 160 x 160 voxels hold a folded sheet of cells, a weaker sheet below and blobs above,
seen with a Gaussian PSF (2, 1, 1 voxels) and `--photons` in the brightest voxel. Truth is the stack
without noise along the true height map. The baselines are tuned, each with and without non-local
means after it, on training stacks; the network is that of `carescope train project`. Means and
standard deviations over the test stacks; height in planes.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np

import carescope as cs
from carescope import baselines, metrics, pairs, phantoms, predict, train
from carescope.physics import camera, exposure, psf

SHAPE, TRAINING, TEST, TUNED_ON = (48, 160, 160), range(16), range(100, 106), 3
CAMERA = camera.Noise(gain=5.0, offset=100.0, read_noise=5.0)
OPTICS = psf.gaussian((2, 1, 1), (1, 1, 1))
PICTURE = Path(__file__).resolve().parent.parent / "docs/images/projection.png"


def fold(seed: int, photons: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A noisy stack, the clean image along its sheet, and the height of the sheet."""
    sheet = phantoms.epithelium(SHAPE, seed, debris=1.0)
    clean = exposure.expected(sheet.density, CAMERA, photons=photons, psf=OPTICS)
    noisy = camera.expose(clean, CAMERA, np.random.default_rng(seed))
    stack = np.clip(np.rint(noisy), 0, 65535).astype(np.uint16)
    return stack, baselines.sample(clean, sheet.height, depth_planes=0), sheet.height


def learnt(recipe: cs.Recipe, photons: float) -> cs.Model:
    """The network after training on the training stacks."""
    images = []
    for seed in TRAINING:
        stack, surface, _ = fold(seed, photons)
        images.append((cs.Image(stack, axes="ZYX"), cs.Image(surface, axes="YX")))
    return train.fit(pairs.from_pairs(images, recipe, kind="project"), device="cpu")


def draw(stack: np.ndarray, truth: np.ndarray, shown: dict[str, np.ndarray]) -> None:
    """One test stack: a section, its maximum, and what methods make of it."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    panels = {"section x-z": stack[:, 80], **shown, "truth": truth}
    figure, axes = plt.subplots(1, len(panels), figsize=(3 * len(panels), 3.3), dpi=110)
    for axis, (name, image) in zip(axes, panels.items(), strict=True):
        axis.imshow(
            image, cmap="gray", vmin=np.quantile(image, 0.01), vmax=np.quantile(image, 0.997)
        )
        axis.set_title(name, fontsize=10)
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(PICTURE)


def main() -> None:
    """Print a table, write the scores of each stack, and draw one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--steps", type=int, help="instead of minutes")
    parser.add_argument("--photons", type=float, default=10)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--csv", type=Path, default=Path("folds.csv"))
    given = parser.parse_args()
    budget = {"steps": given.steps} if given.steps else {"minutes": given.minutes}
    recipe = cs.Recipe(patch_px=64, batch_size=given.batch_size, **budget)
    rows: list[dict] = []

    def add(method: str, seed: int, image: np.ndarray, height: np.ndarray | None) -> None:
        _, truth, true_height = fold(seed, given.photons)
        off = np.nan if height is None else float(np.abs(height - true_height).mean())
        rows.append({"method": method, "stack": seed, "nrmse": metrics.nrmse(truth, image),
                     "ssim": metrics.ssim(truth, image), "height_error_planes": off})  # fmt: skip

    shown = {}
    tuning = [fold(seed, given.photons)[:2] for seed in TRAINING[:TUNED_ON]]
    for method in baselines.PROJECTORS:
        setting, denoiser = baselines.tune_projection(method, tuning, denoised=True)
        print(f"{method}: {setting}, then {denoiser}", flush=True)
        for seed in TEST:
            stack, _, _ = fold(seed, given.photons)
            for name, after in ((method, None), (f"{method} + non-local means", denoiser)):
                made = baselines.project(method, stack, setting, denoiser=after)
                add(name, seed, made.image, made.height)
                if seed == TEST[0] and (after or method == "maximum"):
                    shown[name] = made.image
    began = time.perf_counter()
    model = learnt(recipe, given.photons)
    print(f"{model.facts['steps']} steps in {time.perf_counter() - began:.0f} s", flush=True)
    for seed in TEST:
        stack = cs.Image(fold(seed, given.photons)[0], axes="ZYX")
        image = cs.restore(model, stack).mean.array()
        add("carescope", seed, image, predict.heights(model, stack).array())
        if seed == TEST[0]:
            shown["carescope"] = image
    draw(*fold(TEST[0], given.photons)[:2], shown)

    print("| method | NRMSE | SSIM | height error (planes) |\n|---|---|---|---|")
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == method]
        said = []
        for column, digits in (("nrmse", 4), ("ssim", 3), ("height_error_planes", 2)):
            values = [row[column] for row in mine]
            said.append(f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}")
        print(f"| {method} | {' | '.join(said).replace('nan ± nan', '–')} |")
    with given.csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
