"""One restored view against two views deconvolved together, and against one deconvolved alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from carescope import metrics
from carescope.baselines import widened
from carescope.experiments import deconvolved as rl
from carescope.experiments import pictures
from carescope.experiments.experiment import Case, Experiment, Row, Table, Watch, mark
from carescope.experiments.numbers import among, mean_and_spread, paired, several
from carescope.experiments.restored import restorations, trained
from carescope.experiments.scenes import MICROSCOPES, Scene, Volume, record, simulate
from carescope.image import Image
from carescope.physics import blur
from carescope.recipe import Recipe

MICROSCOPE = MICROSCOPES["drosophila"]
TRUTHS = {"isotropic": "the isotropic truth", "phantom": "the phantom"}
SHARP, RESTORED = "one view", "one view, restored"


class Way(NamedTuple):
    """How many views are deconvolved, and whether the PSF is widened by the sampling."""

    views: int
    widened: bool


DECONVOLVED = {
    "one view, Richardson-Lucy": Way(1, widened=False),
    "one view, Richardson-Lucy, widened PSF": Way(1, widened=True),
    "two views, Richardson-Lucy": Way(2, widened=False),
    "two views, Richardson-Lucy, widened PSF": Way(2, widened=True),
}
METHODS = (SHARP, *DECONVOLVED, RESTORED)


class Views(NamedTuple):
    """A phantom with its stack along z, and what two orthogonal views show of it, interpolated."""

    scene: Scene
    stack: Image
    volumes: tuple[Volume, Volume]


def cases(full: bool, seed: int) -> list[Case]:
    """A method on all stacks each; tissue, which holds nuclei and membranes."""
    size: Case = {"side": 401, "count": 8} if full else {"side": 131, "count": 3}
    size |= {"seed": seed, "structure": "tissue", "tuning_side": 91}
    recipe = {"steps": 40_000 if full else 2500}
    return [{"name": m, "method": m, "recipe": recipe} | size for m in METHODS]


def measure(case: Case, folder: Path, watch: Watch) -> list[Row]:
    """Score one method on every stack; the first is what the figure shows."""
    seeds = [case["seed"] + n for n in range(1, case["count"] + 1)]
    rows = []
    for seed, (views, found, facts) in zip(seeds, _found(case, seeds, folder, watch), strict=True):
        truths = {"isotropic": views.scene.truth, "phantom": views.scene.density}
        row: Row = {"method": case["method"], "seed": seed}
        for name, truth in truths.items():
            row[f"psnr_{name}_db"] = metrics.psnr(truth, found.get(name, found["isotropic"]))
        row |= facts
        if seed == seeds[0]:
            shown = metrics.match(views.scene.truth, found["isotropic"])
            row["_section"] = pictures.packed(pictures.section(shown))
            row["_truths"] = {
                "phantom": pictures.packed(pictures.section(views.scene.density)),
                "isotropic truth": pictures.packed(pictures.section(views.scene.truth)),
            }
        rows.append(row)
    return rows


def look(structure: str, side: int, seed: int) -> Views:
    """Record a phantom along z, and along x, and bring both to one grid of isotropic voxels.

    The side must leave the last plane a recorded one, so that both views show all of it.
    """
    scene = simulate(structure, MICROSCOPE, (side,) * 3, seed)
    stack = record(scene, MICROSCOPE, seed)
    turned = scene.density.swapaxes(0, 2)
    other = scene._replace(seen=blur.blur(turned, scene.psf.values))
    second = rl.interpolated(record(other, MICROSCOPE, seed, stage="camera of the second view"))
    return Views(scene, stack, (rl.interpolated(stack), second.swapaxes(0, 2)))


def kernels(views: Views, way: Way) -> list[npt.NDArray[Any]]:
    """The PSF of each view that is deconvolved; that of the second is turned like its image."""
    kernel: npt.NDArray[Any] = rl.kernel(views.scene.psf)
    if way.widened:
        kernel = widened(kernel, MICROSCOPE.every)
    return [kernel, kernel.swapaxes(0, 2)][: way.views]


def _found(
    case: Case, seeds: list[int], folder: Path, watch: Watch
) -> Iterator[tuple[Views, dict[str, Volume], Row]]:
    """Of each stack the volume that is held to each truth, and facts of how it was made."""
    method = case["method"]
    every = (look(case["structure"], case["side"], seed) for seed in seeds)
    if method == SHARP:
        for views in every:
            yield views, {"isotropic": views.volumes[0]}, {}
    elif method == RESTORED:
        kept = list(every)
        stacks = [views.stack for views in kept]
        recipe = Recipe.of(**case["recipe"], seed=case["seed"])
        model, facts = trained(stacks, MICROSCOPE.optics, recipe, folder / "model", watch)
        for views, volume in zip(kept, restorations(model, stacks, watch), strict=True):
            yield views, {"isotropic": volume}, facts
    else:
        way = DECONVOLVED[method]
        best = _iterations(case, way)
        facts = dict(zip(("iterations", "iterations_phantom"), best, strict=True))
        for views in every:
            seen, psfs = views.volumes[: way.views], kernels(views, way)
            found = dict(rl.deconvolved(seen, psfs, best))
            yield views, {t: found[n] for t, n in zip(TRUTHS, best, strict=True)}, facts


def _iterations(case: Case, way: Way) -> list[int]:
    """How many iterations suit each truth, on a phantom that is not compared."""
    views = look(case["structure"], case["tuning_side"], case["seed"] + 1000)
    seen, psfs = views.volumes[: way.views], kernels(views, way)
    truths = [views.scene.truth, views.scene.density]
    return rl.best_iterations(rl.deconvolved(seen, psfs, rl.ITERATIONS), truths)


def tables(rows: list[Row]) -> list[Table]:
    """A line a method."""
    lines = []
    for method in METHODS:
        some = among(rows, method=method)
        spread = [mean_and_spread(some, f"psnr_{name}_db", 2) for name in TRUTHS]
        lines.append([method + mark(some), *spread, mean_and_spread(some[:1], "iterations", 0)])
    count = several(len({row["seed"] for row in rows}), "stack")
    heads = [f"PSNR against {title} (dB)" for title in TRUTHS.values()]
    return [
        Table(
            f"{count} of {MICROSCOPE.title}, every {MICROSCOPE.every}th plane; the second view "
            "along x. Mean ± standard deviation.",
            ("method", *heads, "iterations"),
            lines,
        )
    ]


def notes(rows: list[Row]) -> list[str]:
    """One restored view against the others, and what the widened PSF does."""
    one, wide, two, _ = DECONVOLVED
    said = []
    for ours, theirs in ((RESTORED, one), (RESTORED, two), (wide, one)):
        pair = among(rows, method=ours), among(rows, method=theirs)
        for name, title in TRUTHS.items():
            apart = paired(*pair, f"psnr_{name}_db", "dB", on="seed")
            said.append(f"{ours} against {theirs}, held to {title}: {apart}")
    return [
        *said,
        "Two views are two recordings, with twice the light. Iterations are the best for each "
        "truth on another phantom; the widened PSF, as in supplementary figure 19 of CARE, is kept "
        "and interpolated as the stack is.",
    ]


def draw(rows: list[Row]) -> bytes:
    """Axial sections of the first stack."""
    shown = [row for row in rows if "_section" in row]
    group = dict(shown[0]["_truths"])
    for row in shown:
        name = row["method"].replace("Richardson-Lucy", "R.-L.").replace(" PSF", "")
        name = name.replace("one view, ", "").replace("two views", "two")
        group[f"{name} · {row['psnr_isotropic_db']:.1f}"] = row["_section"]
    return pictures.side_by_side([group], [MICROSCOPE.pixel_um], columns=4)


EXPERIMENT = Experiment(
    name="two-view",
    title="Does one restored view come close to two views that are deconvolved together?",
    source="IsoNet, figure 4b (Weigert et al., MICCAI 2017, doi:10.1007/978-3-319-66185-8_15), and "
    "CARE, supplementary figure 19 (Nature Methods 2018, doi:10.1038/s41592-018-0216-7)",
    cases=cases,
    measure=measure,
    tables=tables,
    draw=draw,
    notes=notes,
)
