"""Finer than a widefield microscope shows: simulated tubes and granules, restored, against truth.

    python benchmarks/resolve_tubes.py --steps 3000 --photons 20 100 --frames 1 10

Networks learn from the scene of examples/microtubules.yaml, and from one of granules under the same
microscope (NA 1.4, 520 nm, pixels of 40 nm). All methods get the same test images, fields of other
seeds: means of `--frames` frames with `--photons` photo-electrons in the brightest pixel of each,
for as many numbers as are given. Richardson-Lucy has the true PSF, and its iterations are chosen on
fields of their own, once by NRMSE and once by resolution.

Pairs are two parallel tubes, or two points, 0.6 times 0.61 wavelength / NA apart, amid others. The
dip is 1 - valley / mean of the two peaks of the profile across, above what lies beside them; a pair
is resolved where it exceeds 0.1, and a single tube in its place is split where it does. Ring
correlation with the truth, which has no noise, counts down to 1/2, that of two exposures to 1/7,
which stands for the same ratio of signal to noise (P. Rosenthal, R. Henderson, J. Mol. Biol. 333,
2003, doi:10.1016/j.jmb.2003.07.013). RSE is given in percent of the brightest pixel.

`--blinking` adds a table of emitters that blink, seen for 200 frames of the last number of photons,
of which radial fluctuations (eSRRF, where nanopyx is installed; minutes a field) use all and others
the mean of the first few.
"""

from __future__ import annotations

import argparse
import csv
import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import carescope as cs
from carescope import baselines, metrics, pairs, phantoms, rng
from carescope.baselines.deconvolution import deconvolution
from carescope.jobs.simulated import learn_scene, open_scene
from carescope.phantoms.profile import bump
from carescope.physics import blur, camera, exposure

Plane = npt.NDArray[np.float32]
Methods = dict[str, Callable[[Plane], Plane]]

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs/images/resolve.png"
HAZE = (0.1, 0.1)
TUNED_ON, TEST, PAIRS = range(3), range(3, 9), 8
APART, CLEARED_PX, LINE_PX, SIDE_PX = 0.6, 30, 60, 14
BLINKING, BLINKING_PX, EMITTERS, LIT = 200, 128, 20, 0.1
ITERATIONS = (5, 10, 20, 40, 80, 160, 320)
LUCY, FINEST = "Richardson-Lucy", "Richardson-Lucy by resolution"
SEED = 1000  # of all that is tested; networks learn from seed 0
COLUMNS = {"dip": 2, "resolved": 2, "split": 2, "frc_truth_nm": 0, "frc_two_nm": 0,
           "nrmse": 4, "ssim": 3, "rse_percent": 2, "rsp": 4}  # fmt: skip


class Dose(NamedTuple):
    """Photo-electrons in the brightest pixel of a frame, and of how many frames the mean is."""

    photons: float
    frames: int


def scenes() -> dict[str, pairs.Scene]:
    """What is learnt: tubes, and granules in the same microscope."""
    tubes = open_scene(ROOT / "examples/microtubules.yaml")
    dots = {"phantom": "granules", "settings": {"diameters_px": (0, 3, 6)}}
    return {"tubes": tubes, "granules": pairs.Scene.of(tubes.model_dump() | dots)}


def seen(scene: pairs.Scene, dose: Dose) -> tuple[float, camera.Noise]:
    """Grey levels of the brightest pixel, and the noise of the mean of frames."""
    read_noise = scene.read_noise / np.sqrt(dose.frames)
    noise = camera.Noise(scene.gain / dose.frames, scene.offset, read_noise)
    return scene.gain * dose.photons, noise


def taken(scene: pairs.Scene, light: Plane, dose: Dose, *draw: int) -> Plane:
    """A mean of frames of the light of a field."""
    grey, noise = seen(scene, dose)
    return camera.expose(noise.offset + grey * light, noise, np.random.default_rng(draw))


def with_pair(
    scene: pairs.Scene, number: int, apart: float = 1.0
) -> tuple[Plane, Plane, float, float]:
    """A field with two tubes or points in its cleared middle: truth, light, angle and offset.

    Their distance is `apart` times that of pairs; one alone where that is 0.
    """
    draw = rng.generator(SEED, "pair", number)
    angle, offset = draw.uniform(0, np.pi), draw.uniform(-0.5, 0.5)
    density, _ = scene.world(SEED + number).whole()
    rows, columns = np.indices(density.shape) - np.array(density.shape).reshape(2, 1, 1) / 2
    along = columns * np.cos(angle) + rows * np.sin(angle)
    across = rows * np.cos(angle) - columns * np.sin(angle) - offset
    density[np.hypot(rows, columns) < CLEARED_PX] = 0.02
    half = LINE_PX / 2 if scene.phantom == "tubes" else 0
    beyond = np.maximum(np.abs(along) - half, 0)
    width_px = float(scene.settings.get("width_px", 2))
    for side in (-0.5, 0.5):
        away = np.hypot(beyond, across - side * apart * apart_px(scene)).astype(np.float32)
        density = np.maximum(density, bump(away, width_px))
    haze = phantoms.autofluorescence(density.shape, SEED + number, strength=HAZE[0])
    light = np.maximum(blur.blur(density + haze, exposure.in_focus(scene.point_spread)), 0)
    return density / light.max(), light / light.max(), angle, offset


def apart_px(scene: pairs.Scene) -> float:
    """The distance within a pair."""
    return APART * 0.61 * (scene.wavelength_um or 0) / (scene.na or 1) / scene.spacing_um[2]


def profile(scene: pairs.Scene, image: Plane, angle: float, offset: float) -> Plane:
    """Grey levels across a pair, the mean along it, every tenth of a pixel."""
    from scipy.ndimage import map_coordinates

    reach = LINE_PX / 4 if scene.phantom == "tubes" else 0.5
    along, across = np.meshgrid(
        np.linspace(-reach, reach, 31), np.arange(-SIDE_PX, SIDE_PX + 0.05, 0.1) + offset
    )
    rows = across * np.cos(angle) + along * np.sin(angle) + image.shape[0] / 2
    columns = along * np.cos(angle) - across * np.sin(angle) + image.shape[1] / 2
    return np.asarray(map_coordinates(image, [rows, columns], order=3).mean(axis=1))


def dip(scene: pairs.Scene, line: Plane) -> float:
    """How deep a profile falls between its two peaks; 0 where it has one."""
    middle, apart = len(line) // 2, round(10 * apart_px(scene))
    ground = np.median(np.r_[line[: 10 * SIDE_PX // 3], line[-10 * SIDE_PX // 3 :]])
    near = line[middle - apart : middle + apart + 1]
    left, right = near[: apart + 1], near[apart:]
    peaks = int(left.argmax()), apart + int(right.argmax())
    height = (near[peaks[0]] + near[peaks[1]]) / 2 - ground
    valley = near[peaks[0] : peaks[1] + 1].min() - ground
    return float(1 - valley / height) if height > 0 else 0.0


def frc_nm(first: Plane, second: Plane, pixel_um: float, level: float = 1 / 7) -> float:
    """Below what size the ring correlation, as a mean of three rings, falls below a level.

    That of the pixels where it never does. Structures above a micrometre are left out: there the
    autofluorescence lies, which is no part of the truth.
    """
    found = metrics.fourier_ring_correlation(first, second, pixel_um)
    mean = np.convolve(np.pad(found.correlation, 1, mode="edge"), np.full(3, 1 / 3), mode="valid")
    below = np.flatnonzero((mean < level) & (found.frequency_per_um > 1))
    return float(1000 / found.frequency_per_um[below[0]] if len(below) else 2000 * pixel_um)


def scored(
    scene: pairs.Scene, truth: Plane, found: Plane, other: Plane, image: Plane, grey: float
) -> dict[str, float]:
    """What a method made of one of two exposures (and of the other), against truth and image."""
    pixel_um, scaled = scene.spacing_um[2], metrics.resolution_scaled_error(image, found)
    return {
        "frc_truth_nm": frc_nm(truth, found, pixel_um, 0.5),
        "frc_two_nm": frc_nm(found, other, pixel_um),
        "nrmse": metrics.nrmse(truth, found),
        "ssim": metrics.ssim(truth, found),
        "rse_percent": 100 * scaled.rse / grey,
        "rsp": scaled.rsp,
    }


def deconvolutions(scene: pairs.Scene, dose: Dose) -> Methods:
    """Richardson-Lucy with the iterations that are best on fields of their own, by two measures."""
    fields = [(number, scene.field(SEED, number)) for number in TUNED_ON]
    images = [(taken(scene, field.light, dose, n, 0), field.sharp) for n, field in fields]
    psf = deconvolution(exposure.in_focus(scene.point_spread))
    lucy = {
        n: functools.partial(baselines.apply, psf, setting={"iterations": n}) for n in ITERATIONS
    }
    scores = []
    for n in ITERATIONS:
        made = [(truth, lucy[n](image)) for image, truth in images]
        error = np.mean([metrics.nrmse(*two) for two in made])
        scores.append((error, np.mean([frc_nm(*two, scene.spacing_um[2], 0.5) for two in made])))
    told = [f"{n}: {error:.4f}, {nm:.0f} nm" for n, (error, nm) in zip(lucy, scores, strict=True)]
    print("Richardson-Lucy:", "; ".join(told), flush=True)
    by_error, by_resolution = np.argmin(scores, axis=0)
    return {LUCY: lucy[ITERATIONS[by_error]], FINEST: lucy[ITERATIONS[by_resolution]]}


def methods(scene: pairs.Scene, model: cs.Model, dose: Dose) -> Methods:
    """All that need one image, by name; Richardson-Lucy tuned."""

    def network(image: Plane) -> Plane:
        return cs.restore(model, cs.Image(image, "YX", scene.spacing_um)).mean.array()

    return {
        "input": lambda image: image,
        **deconvolutions(scene, dose),
        "carescope": network,
    }


def still(scene: pairs.Scene, by: Methods, dose: Dose) -> tuple[list[dict], dict]:
    """Scores of methods on still fields and on pairs; images and profiles of the first pair."""
    rows, shown = [], {}
    grey, _ = seen(scene, dose)
    for number in TEST:
        field = scene.field(SEED, number)
        images = [taken(scene, field.light, dose, number, n) for n in range(2)]
        for name, method in by.items():
            found, other = (method(image) for image in images)
            scores = scored(scene, field.sharp, found, other, images[0], grey)
            rows.append({"method": name, "field": number, **scores})
        perfect = scored(scene, field.sharp, field.sharp, field.sharp, images[0], grey)
        kept = {name: perfect[name] for name in ("rse_percent", "rsp")}
        rows.append({"method": "truth", "field": number, **kept})
    for number in range(PAIRS):
        truth, light, angle, offset = with_pair(scene, number)
        image = taken(scene, light, dose, number, 2)
        made = {name: method(image) for name, method in by.items()} | {"truth": truth}
        lines = {name: profile(scene, one, angle, offset) for name, one in made.items()}
        for name, line in lines.items():
            depth = dip(scene, line)
            rows.append({"method": name, "field": f"pair {number}", "dip": depth,
                         "resolved": float(depth > 0.1)})  # fmt: skip
        if number == 0:
            shown = {"images": made, "lines": lines, "pixel_nm": 1000 * scene.spacing_um[2]}
            del made[FINEST], lines[FINEST]
        truth, light, angle, offset = with_pair(scene, number, 0)
        image = taken(scene, light, dose, number, 3)
        made = {name: method(image) for name, method in by.items()} | {"truth": truth}
        for name, one in made.items():
            split = float(dip(scene, profile(scene, one, angle, offset)) > 0.1)
            rows.append({"method": name, "field": f"single {number}", "split": split})
    return rows, shown


def blinking(scene: pairs.Scene, number: int, dose: Dose) -> tuple[Plane, Plane, float]:
    """Frames of emitters that blink, the truth in their grey levels, and the brightest's."""
    draw = rng.generator(SEED, "blinking", number)
    density, _ = scene.world(SEED + 100 + number).whole()
    density = density[:BLINKING_PX, :BLINKING_PX]
    haze = phantoms.autofluorescence(density.shape, SEED + number, strength=HAZE[0])
    psf, emitters = exposure.in_focus(scene.point_spread), draw.poisson(EMITTERS * density)
    steady = blur.blur(haze, psf)
    brightest = float((blur.blur(density, psf) + steady).max())
    grey, noise = seen(scene, Dose(dose.photons, 1))
    frames = np.empty((BLINKING, *density.shape), np.float32)
    for frame in frames:
        lit = draw.binomial(emitters, LIT) / (EMITTERS * LIT)
        light = np.maximum(blur.blur(lit.astype(np.float32), psf) + steady, 0) / brightest
        frame[:] = camera.expose(noise.offset + grey * light, noise, draw)
    return frames, density / np.float32(brightest), grey


def fluctuations(frames: Plane, radius: float, sensitivity: float) -> Plane:
    """Their image by radial fluctuations, on the pixels of the frames."""
    from nanopyx.methods import eSRRF
    from scipy.ndimage import shift
    from skimage.registration import phase_cross_correlation

    made = eSRRF(frames, magnification=2, radius=radius, sensitivity=sensitivity, pad_edges=True)
    image = np.squeeze(np.asarray(made[0] if isinstance(made, tuple) else made))
    image = image.reshape(frames.shape[1], 2, frames.shape[2], 2).mean(axis=(1, 3))
    away, *_ = phase_cross_correlation(frames.mean(axis=0), image, upsample_factor=20)
    return np.asarray(shift(image, away, order=3, mode="nearest"), np.float32)


def tuned_fluctuations(scene: pairs.Scene, dose: Dose) -> Callable[[Plane], Plane] | None:
    """Radial fluctuations with the best of four settings on a field of their own."""
    try:
        import nanopyx  # noqa: F401
    except ImportError:
        print("eSRRF is left out: nanopyx is not installed")
        return None
    frames, truth, _ = blinking(scene, 0, dose)
    tried = {
        setting: metrics.nrmse(truth, fluctuations(frames, *setting))
        for setting in [(r, s) for r in (1.5, 3.0) for s in (1, 2)]
    }
    print("eSRRF (radius, sensitivity):", {k: round(v, 4) for k, v in tried.items()}, flush=True)
    best = min(tried, key=lambda setting: tried[setting])
    return lambda frames: fluctuations(frames, *best)


def flickering(scene: pairs.Scene, by: Methods, dose: Dose) -> list[dict]:
    """Scores of methods on the mean of ten of 200 blinking frames, and of eSRRF on all."""
    rows, radial = [], tuned_fluctuations(scene, dose)
    for number in range(1, 4):
        frames, truth, grey = blinking(scene, number, dose)
        image = frames[: dose.frames].mean(axis=0)
        other, whole = frames[dose.frames : 2 * dose.frames].mean(axis=0), frames.mean(axis=0)
        made = {f"{name}, {dose.frames} frames": [f(image), f(other)] for name, f in by.items()}
        lucy = by[LUCY]
        parts = [frames[::2], frames[1::2]]
        halves = [part.mean(axis=0) for part in parts]
        made[f"{LUCY}, {BLINKING} frames"] = [lucy(whole), *[lucy(half) for half in halves]]
        if radial:
            made[f"eSRRF, {BLINKING} frames"] = [radial(frames), *[radial(part) for part in parts]]
        for name, found in made.items():
            scores = scored(scene, truth, found[0], found[-1], whole, grey)
            scores["frc_two_nm"] = frc_nm(found[-2], found[-1], scene.spacing_um[2])
            rows.append({"method": name, "field": f"blinking {number}", **scores})
        perfect = metrics.resolution_scaled_error(whole, truth)
        kept = {"rse_percent": 100 * perfect.rse / grey, "rsp": perfect.rsp}
        rows.append({"method": "truth", "field": f"blinking {number}", **kept})
    return rows


def table(rows: list[dict], columns: dict[str, int]) -> None:
    """Print means, with standard deviations where several fields differ."""
    print(f"| method | {' | '.join(columns)} |\n|{'---|' * (1 + len(columns))}")
    for method in dict.fromkeys(row["method"] for row in rows):
        said = []
        for column, digits in columns.items():
            values = [r[column] for r in rows if r["method"] == method and column in r]
            said.append(f"{np.mean(values):.{digits}f}" if values else "–")
            if len(values) > 1 and column not in ("resolved", "split"):
                said[-1] += f" ± {np.std(values, ddof=1):.{digits}f}"
        print(f"| {method} | {' | '.join(said)} |", flush=True)


def draw(shown: dict[str, dict]) -> None:
    """Input, methods and truth around the first pair of each kind, and its profiles."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(shown), 5, figsize=(16, 3.5 * len(shown)), squeeze=False)
    for row, (kind, found) in zip(axes, shown.items(), strict=True):
        for axis, (name, image) in zip(row[:-1], found["images"].items(), strict=True):
            part = image[64:-64, 64:-64]
            axis.imshow(part, cmap="gray", vmin=np.quantile(part, 0.02), vmax=part.max())
            axis.set_title(f"{kind}: {name}" if name == "input" else name)
            axis.axis("off")
        for name, line in found["lines"].items():
            at = found["pixel_nm"] * np.linspace(-SIDE_PX, SIDE_PX, len(line))
            scaled = (line - np.quantile(line, 0.1)) / np.ptp(line)
            row[4].plot(at, scaled, "k:" if name == "truth" else "-", label=name)
        row[4].set(title="across the pair in the middle", xlabel="nm")
        row[4].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=75)


def main() -> None:
    """Train, compare, print tables, write the scores and draw a picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--steps", type=int, help="instead of minutes")
    parser.add_argument("--photons", type=float, nargs="+", default=[20.0, 100.0])
    parser.add_argument("--frames", type=int, nargs="+", default=[10, 10])
    parser.add_argument("--kinds", nargs="+", default=["tubes", "granules"])
    parser.add_argument("--blinking", action="store_true")
    parser.add_argument("--models", type=Path, help="folder in which networks are kept")
    parser.add_argument("--csv", type=Path, default=Path("resolve.csv"))
    given = parser.parse_args()
    budget = {"steps": given.steps} if given.steps else {"minutes": given.minutes}
    rows, shown = [], {}
    for kind in given.kinds:
        scene = scenes()[kind]
        kept = given.models / kind if given.models else None
        model = cs.load_model(kept) if kept and kept.exists() else learn_scene(
            scene, cs.Recipe.of(**budget), folder=kept
        )  # fmt: skip
        print(f"\n{kind}, {model.facts['steps']} steps in {model.facts['seconds']:.0f} s")
        test = scene.model_copy(update={"autofluorescence": HAZE})
        for dose in map(Dose._make, zip(given.photons, given.frames, strict=True)):
            print(f"\n{kind}, mean of {dose.frames} frames of {dose.photons:g} photo-electrons")
            by = methods(test, model, dose)
            found, shown[kind] = still(test, by, dose)
            table(found, COLUMNS)
            last = (given.photons[-1], given.frames[-1])
            if given.blinking and kind == "tubes" and dose == last:
                moving = flickering(test, by, dose)
                table(moving, {name: n for name, n in COLUMNS.items() if name in moving[0]})
                found += moving
            rows += [{"kind": kind, **dose._asdict(), **row} for row in found]
    draw(shown)
    with given.csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["kind", *Dose._fields, "method", "field", *COLUMNS])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
