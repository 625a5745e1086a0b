"""Tubes and granules in recorded widefield images: networks that saw simulated ones alone.

    CARESCOPE_DATA=... python benchmarks/resolve_real.py --steps 1500 --picture real.png

Microtubules of a cell (`neubias_mt`, pixels of 132 nm) and telomeres (`gran_telomeres`, 110 nm,
means of ten consecutive frames). The files do not name the optics; a widefield microscope of NA 1.3
at 520 nm in oil is assumed. There is no truth. Printed are RSE, in percent of the image's range,
and RSP of SQUIRREL, which say whether structures of the recorded image are missing or others were
invented; and for telomeres how far two restorations agree that have no frame in common, the even
and the odd ones of twenty.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

import carescope as cs
from carescope import baselines, metrics, pairs
from carescope.baselines.deconvolution import deconvolution
from carescope.jobs.simulated import learn_scene
from carescope.physics import exposure

Plane = npt.NDArray[np.float32]

DATA = Path(os.environ.get("CARESCOPE_DATA", "."))
MICROTUBULES = DATA / "neubias_mt/xyc_16bit__cell_dna_mts_actin.tif"
TELOMERES = DATA / "gran_telomeres/timelapse_telomeres_2d.tif"
OPTICS = {"psf": "widefield", "na": 1.3, "refractive_index": 1.518, "wavelength_um": 0.52}
FRAMES, ITERATIONS = 10, 20


def scenes() -> dict[str, pairs.Scene]:
    """What each network learns: tubes as thin as pixels show, and points and small discs."""
    tubes = {"phantom": "tubes", "settings": {"width_px": 2, "persistence_px": 60}}
    dots = {"phantom": "granules", "settings": {"diameters_px": (0, 3)}, "frames": FRAMES}
    return {
        "microtubules": pairs.Scene.of(tubes | OPTICS | {"voxel_um": 0.1325, "frames": 1}),
        "telomeres": pairs.Scene.of(dots | OPTICS | {"voxel_um": 0.11}),
    }


def recorded() -> dict[str, list[Plane]]:
    """Images of each structure; of telomeres a second one of other frames of the same time."""
    cell = cs.open(MICROTUBULES).select("C", 1).array().astype(np.float32)
    film = cs.open(TELOMERES).array()[: 2 * FRAMES].astype(np.float32)
    return {"microtubules": [cell], "telomeres": [film[::2].mean(0), film[1::2].mean(0)]}


def restored(scene: pairs.Scene, model: cs.Model, image: Plane) -> dict[str, Plane]:
    """By each method; Richardson-Lucy has the assumed PSF and a usual number of iterations."""
    lucy = deconvolution(exposure.in_focus(scene.point_spread))
    made = cs.restore(model, cs.Image(image, "YX", scene.spacing_um))
    return {
        "input": image,
        "Richardson-Lucy": baselines.apply(lucy, image, {"iterations": ITERATIONS}),
        "carescope": made.mean.array(),
    }


def draw(shown: dict[str, dict[str, Plane]], path: Path) -> None:
    """Images of each structure side by side, each between its own percentiles."""
    from PIL import Image

    def grey(plane: Plane) -> npt.NDArray[np.uint8]:
        low, high = np.percentile(plane, (1, 99.8))
        middle = plane[: 2 * (min(plane.shape) // 2), : 2 * (min(plane.shape) // 2)]
        scaled = np.clip((middle - low) / (high - low), 0, 1)
        return np.asarray(Image.fromarray((255 * scaled).astype(np.uint8)).resize((480, 480)))

    rows = [np.hstack([grey(plane) for plane in images.values()]) for images in shown.values()]
    Image.fromarray(np.vstack(rows)).save(path)


def main() -> None:
    """Train, restore, print a table, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    images, shown = recorded(), {}
    print("| image | method | two halves agree to (nm) | RSE (%) | RSP |\n|---|---|---|---|---|")
    for name, scene in scenes().items():
        model = learn_scene(scene, cs.Recipe(steps=given.steps))
        made = [restored(scene, model, image) for image in images[name]]
        for method, found in made[0].items():
            scaled = metrics.resolution_scaled_error(images[name][0], found)
            agree = "–"
            if len(made) > 1:
                ring = metrics.fourier_ring_correlation(found, made[1][method], scene.spacing_um[2])
                below = np.flatnonzero(ring.correlation < 1 / 7)
                agree = f"{1000 / ring.frequency_per_um[below[0]]:.0f}" if len(below) else "all"
            rse = 100 * scaled.rse / np.ptp(images[name][0])
            print(f"| {name} | {method} | {agree} | {rse:.2f} | {scaled.rsp:.3f} |", flush=True)
        shown[name] = made[0]
    if given.picture:
        draw(shown, given.picture)


if __name__ == "__main__":
    main()
