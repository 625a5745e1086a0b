"""Two related channels, restored together and each alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import metrics, phantoms, rng
from carescope.experiments.experiment import Case, Experiment, Row, Table, Watch, mark
from carescope.experiments.numbers import among, mean_and_spread, paired, several
from carescope.experiments.restored import restorations, trained
from carescope.grid import Grid
from carescope.image import Image
from carescope.jobs.denoise import PAPER
from carescope.jobs.inputs import Optics
from carescope.physics import blur, camera, psf, sampling
from carescope.recipe import Recipe
from carescope.report.boxes import Boxes, boxes

Volume = npt.NDArray[Any]

PIXEL_UM, ONE = 0.1, (1.0, 1.0, 1.0)
SIGMA_PX = (8.0, 2.0, 2.0)
PHOTONS = {"nuclei": 400.0, "envelopes": 60.0}
CAMERA = camera.Noise(gain=1.0, offset=100.0, read_noise=2.0)
METHODS = ("interpolated", "together", "alone")


def cases(full: bool, seed: int) -> list[Case]:
    """One stack each, with two trainings."""
    small = {"side": 144, "every": 8.0, "recipe": {"steps": 600}}
    paper = {"side": 512, "every": 10.2, "recipe": dict(PAPER)}  # that of the retina
    size, count = (paper, 8) if full else (small, 3)
    return [{"name": f"seed {s}", "seed": s} | size for s in range(seed + 1, seed + 1 + count)]


def measure(case: Case, folder: Path, watch: Watch) -> list[Row]:
    """Restore a stack by one network of both channels, and by one for each."""
    truths, stack = simulate(case["side"], case["every"], case["seed"])
    found: dict[str, list[Volume]] = {}
    grid = Grid.of(stack)
    found["interpolated"] = [sampling.upsample(one, grid) for one in stack.array()]
    done: dict[str, Row] = {"interpolated": {}}
    optics = Optics(psf="gaussian", sigma_um=tuple(PIXEL_UM * s for s in SIGMA_PX))  # type: ignore[arg-type]
    for method in METHODS[1:]:
        recipe = Recipe.of(**case["recipe"], seed=case["seed"], per_channel=method == "alone")
        made, done[method] = trained([stack], optics, recipe, folder / method, watch)
        found[method] = list(*restorations(made, [stack], watch))
    return [
        {"seed": case["seed"], "channel": name, "method": method}
        | metrics.evaluate(truth[: len(volumes[number])], volumes[number])
        | done[method]
        for number, (name, truth) in enumerate(zip(PHOTONS, truths, strict=True))
        for method, volumes in found.items()
    ]


def simulate(side: int, every: float, seed: int) -> tuple[list[Volume], Image]:
    """Both channels blurred alike in all directions, without noise; and the stack."""
    density, labels = phantoms.nuclei((side,) * 3, seed)
    inside = blur.blur((labels > 0).astype(np.float32), psf.gaussian((1.5,) * 3, ONE).values)
    envelope = np.clip(4 * inside * (1 - inside), 0, 1).astype(np.float32)
    truths, planes = [], []
    for number, (light, photons) in enumerate(
        zip((density, envelope), PHOTONS.values(), strict=True)
    ):
        truths.append(blur.blur(light, psf.gaussian((SIGMA_PX[1],) * 3, ONE).values))
        seen = sampling.sample(blur.blur(light, psf.gaussian(SIGMA_PX, ONE).values), every)
        grey = CAMERA.offset + photons * np.maximum(seen, 0)
        planes.append(camera.expose(grey, CAMERA, rng.generator(seed, "camera", number)))
    voxel_um = (every * PIXEL_UM, PIXEL_UM, PIXEL_UM)
    return truths, Image(np.stack(planes), "CZYX", voxel_um, tuple(PHOTONS))


def tables(rows: list[Row]) -> list[Table]:
    """Mean over stacks of each channel and method."""
    lines = []
    for channel in PHOTONS:
        for method in METHODS:
            some = among(rows, channel=channel, method=method)
            spread = [
                mean_and_spread(some, key, digits)
                for key, digits in (("psnr_db", 2), ("nrmse", 4), ("ssim", 3))
            ]
            lines.append([channel, method + mark(some), *spread])
    count = several(len({row["seed"] for row in rows}), "stack")
    return [
        Table(
            f"Against the channel blurred alike in all directions, without noise; {count}, "
            "mean ± standard deviation.",
            ("channel", "restored", "PSNR (dB)", "NRMSE", "SSIM"),
            lines,
        )
    ]


def draw(rows: list[Row]) -> bytes:
    """PSNR and SSIM of both channels."""
    plots = []
    for title, key, label in (
        ("against the truth", "psnr_db", "PSNR (dB)"),
        ("similarity", "ssim", "SSIM"),
    ):
        groups = {
            f"{channel}\n{photons:g} photons": {
                method: [row[key] for row in among(rows, channel=channel, method=method)]
                for method in METHODS
            }
            for channel, photons in PHOTONS.items()
        }
        plots.append(Boxes(title, label, groups))
    return boxes(plots, ours=["together"])


def notes(rows: list[Row]) -> list[str]:
    """What being restored together gives each channel."""
    return [
        f"The channel of {channel} ({photons:g} photo-electrons where it is brightest), together "
        "rather than alone: "
        + paired(
            among(rows, channel=channel, method="together"),
            among(rows, channel=channel, method="alone"),
            "psnr_db",
            "dB",
            on="seed",
        )
        for channel, photons in PHOTONS.items()
    ]


EXPERIMENT = Experiment(
    name="channels",
    title="Are two related channels restored better together than each alone?",
    source="CARE, supplementary figure 15, two channels of a zebrafish retina "
    "(Weigert et al., Nature Methods 2018, doi:10.1038/s41592-018-0216-7)",
    cases=cases,
    measure=measure,
    tables=tables,
    draw=draw,
    notes=notes,
)
