"""Whether restoration makes the power spectrum isotropic, and leaves lateral detail alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import metrics
from carescope.experiments.deconvolved import interpolated
from carescope.experiments.experiment import Case, Experiment, Row, Table, Watch, mark
from carescope.experiments.numbers import among, mean_and_spread, several
from carescope.experiments.restored import restorations, trained
from carescope.experiments.scenes import MICROSCOPES, Volume, record, simulate
from carescope.metrics.spectrum import Spectra, common_band, isotropy_ratio, power_spectrum_axes
from carescope.recipe import Recipe
from carescope.report import plots
from carescope.report.figures import WIDE_IN
from carescope.report.panels import POINTS, png

VOLUMES = ("interpolated", "restored", "isotropic truth")


def cases(full: bool, seed: int) -> list[Case]:
    """One network for all stacks: 15 of them in the paper."""
    size: Case = {"shape": [161, 192, 192], "count": 3, "recipe": {"steps": 2000}}
    paper: Case = {"shape": [256, 512, 512], "count": 15, "recipe": {"steps": 40_000}}
    size = paper if full else size
    return [{"name": "nuclei under a light sheet", "structure": "embryo", "seed": seed} | size]


def measure(case: Case, folder: Path, watch: Watch) -> list[Row]:
    """Restore all stacks by one network, and take the spectra."""
    microscope = MICROSCOPES["drosophila"]
    seeds = [case["seed"] + n for n in range(1, case["count"] + 1)]
    scenes = (simulate(case["structure"], microscope, case["shape"], s) for s in seeds)
    pairs = [
        (scene.truth, record(scene, microscope, s)) for s, scene in zip(seeds, scenes, strict=True)
    ]
    stacks = [stack for _, stack in pairs]
    recipe = Recipe.of(**case["recipe"], seed=case["seed"])
    model, facts = trained(stacks, microscope.optics, recipe, folder / "model", watch)
    rows = []
    restored = restorations(model, stacks, watch)
    for seed, (truth, stack), volume in zip(seeds, pairs, restored, strict=True):
        truth = truth[: len(volume)]
        found = dict(zip(VOLUMES, (interpolated(stack), volume, truth), strict=True))
        of_this = _rows(found, truth, microscope.pixel_um, microscope.every)
        rows += [{"seed": seed} | row for row in of_this]
    for row in among(rows, volume="restored"):
        row |= facts
    return rows


def _rows(
    volumes: dict[str, Volume], truth: Volume, pixel_um: float, every: int
) -> list[dict[str, Any]]:
    """Isotropy and lateral energy of each volume, in the band that sampling along z takes away."""
    spacing_um = (pixel_um,) * 3
    spectra = {
        name: power_spectrum_axes(metrics.match(truth, volume), spacing_um)
        for name, volume in volumes.items()
    }
    low = 1 / (2 * every * pixel_um)
    # To half the Nyquist frequency: above it the light that is left is no more than the noise.
    band = low, max(common_band(spectra["isotropic truth"])[1] / 2, 1.5 * low)
    return [
        {
            "volume": name,
            "isotropy_ratio": isotropy_ratio(found, band),
            "lateral_energy_of_truth": _lateral(found, band)
            / _lateral(spectra["isotropic truth"], band),
            "psnr_db": None if name == "isotropic truth" else metrics.psnr(truth, volumes[name]),
            "band_low_per_um": band[0],
            "band_high_per_um": band[1],
            "_spectrum": {
                axis: [frequency.tolist(), power.tolist()]
                for axis, (frequency, power) in found.items()
            },
        }
        for name, found in spectra.items()
    ]


def _lateral(spectra: Spectra, band: tuple[float, float]) -> float:
    """The power across, summed over a band."""
    return float(
        sum(
            power[(band[0] <= frequency) & (frequency <= band[1])].sum()
            for frequency, power in (spectra["y"], spectra["x"])
        )
    )


def tables(rows: list[Row]) -> list[Table]:
    """Mean over stacks of each volume."""
    lines = []
    for name in VOLUMES:
        some = among(rows, volume=name)
        lines.append(
            [
                name + mark(some),
                mean_and_spread(some, "isotropy_ratio", 3),
                mean_and_spread(some, "lateral_energy_of_truth", 3),
                mean_and_spread(some, "psnr_db", 2),
            ]
        )
    low, high = (rows[0][f"band_{end}_per_um"] for end in ("low", "high"))
    count = several(len({row["seed"] for row in rows}), "stack")
    return [
        Table(
            "Spectral isotropy ratio: energy along z over that across, from "
            f"{low:.3g} to {high:.3g} cycles/µm, where the recorded planes sample nothing. "
            "Lateral energy in the same band, as a share of the truth's. "
            f"{count}, mean ± standard deviation.",
            ("volume", "isotropy ratio", "lateral energy", "PSNR (dB)"),
            lines,
        )
    ]


def notes(rows: list[Row]) -> list[str]:
    """How much of the lost detail is back."""
    before, after, truth = (
        float(np.mean([row["isotropy_ratio"] for row in among(rows, volume=name)]))
        for name in VOLUMES
    )
    share = (after - before) / (truth - before)
    return [
        f"Restoration goes {100 * share:.0f} % of the way from the interpolated stack's ratio "
        f"({before:.3f}) to the truth's ({truth:.3f}). The paper shows the spectrum in a picture, "
        "and says that axial frequencies are fully restored and lateral ones unchanged.",
        "The lateral energy of the interpolated stack holds that of its noise.",
    ]


def draw(rows: list[Row]) -> bytes:
    """Power along z and across in each volume, mean over stacks."""
    figure, axes = plots.side_by_side(len(VOLUMES), WIDE_IN, 2.7)
    top = 0.0
    for axis, name in zip(axes, VOLUMES, strict=True):
        across = (_mean(rows, name, "y") + _mean(rows, name, "x")) / 2
        along = _mean(rows, name, "z")
        low, high = (rows[0][f"band_{end}_per_um"] for end in ("low", "high"))
        axis.axvspan(low, high, color="#eef1f4", lw=0, zorder=0)
        axis.semilogy(*across, color=plots.LATERAL, ls="--", label="across (y, x)")
        axis.semilogy(*along, color=plots.AXIAL, label="along z")
        top = max(top, float(across[1].max()), float(along[1].max()))
        axis.set_title(name, loc="left", fontsize=POINTS + 1)
        axis.set_xlabel("frequency (cycles/µm)")
    for axis in axes:
        axis.set_ylim(top / 10**plots.DECADES, 2 * top)
        axis.set_xlim(0, float(across[0][-1]))
    axes[0].set_ylabel("power")
    axes[0].legend(frameon=False, fontsize=POINTS)
    return png(figure)


def _mean(rows: list[Row], volume: str, axis: str) -> npt.NDArray[np.float64]:
    """Frequencies and the mean power along an axis; y and x are of equal length."""
    found = [row["_spectrum"][axis] for row in among(rows, volume=volume)]
    return np.asarray(np.mean(found, axis=0))


EXPERIMENT = Experiment(
    name="spectrum",
    title="Does restoration make the power spectrum as rich along z as it is across?",
    source="CARE, figure 3b and supplementary figure 16, Drosophila nuclei under a light sheet "
    "(Weigert et al., Nature Methods 2018, doi:10.1038/s41592-018-0216-7)",
    cases=cases,
    measure=measure,
    tables=tables,
    draw=draw,
    notes=notes,
)
