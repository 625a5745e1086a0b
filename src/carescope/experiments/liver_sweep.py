"""How few planes are enough: a stack of tissue thinned out more and more, and restored."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from carescope import metrics
from carescope.experiments.deconvolved import interpolated
from carescope.experiments.experiment import Case, Experiment, Row, Table, Watch, mark
from carescope.experiments.numbers import among, mean_and_spread, several, values
from carescope.experiments.restored import restorations, trained
from carescope.experiments.scenes import MICROSCOPES, Volume, record, simulate
from carescope.image import Image
from carescope.recipe import Recipe
from carescope.report import plots
from carescope.report.figures import WIDE_IN
from carescope.report.panels import POINTS, png

MEASURES = {"nrmse": ("NRMSE", 4), "ssim": ("SSIM", 3)}
AGAINST = {"full": "the restoration of all planes", "truth": "the isotropic truth"}
METHODS = ("interpolated", "restored")


def cases(full: bool, seed: int) -> list[Case]:
    """One case: what all factors are held to is the restoration of all planes."""
    small: Case = {"shape": [129, 160, 160], "count": 2, "factors": [2, 4, 8, 16]}
    paper: Case = {"shape": [305, 752, 752], "count": 8, "factors": [2, 4, 6, 8, 10, 12, 14, 16]}
    size = paper if full else small
    return [{"name": "tissue", "seed": seed, "recipe": {"steps": 40_000 if full else 2000}} | size]


def measure(case: Case, folder: Path, watch: Watch) -> list[Row]:
    """A network for each factor, learnt from all stacks; then one stack after the other."""
    microscope = MICROSCOPES["liver"]
    seeds = [case["seed"] + n for n in range(1, case["count"] + 1)]

    def recorded(seed: int) -> tuple[Volume, Image]:
        scene = simulate("tissue", microscope, case["shape"], seed)
        return scene.truth, record(scene, microscope, seed)

    stacks = [recorded(seed)[1] for seed in seeds]
    recipe = Recipe.of(**case["recipe"], seed=case["seed"])
    models = {}
    for factor in (1, *case["factors"]):
        watch.say(f"every {factor} planes" if factor > 1 else "all planes")
        kept = [thinned(stack, factor) for stack in stacks]
        place = folder / f"every-{factor}"
        models[factor] = trained(kept, microscope.optics, recipe, place, watch)
    rows = []
    for seed, stack in zip(seeds, stacks, strict=True):
        truth, _ = recorded(seed)
        (whole,) = restorations(models[1][0], [stack], watch)
        for factor, (model, facts) in models.items():
            few = thinned(stack, factor)
            (restored,) = restorations(model, [few], watch) if factor > 1 else (whole,)
            found = dict(zip(METHODS, (interpolated(few), restored), strict=True))
            for method, volume in found.items():
                truths = {"truth": truth} | ({"full": whole} if factor > 1 else {})
                row: Row = {"seed": seed, "factor": factor, "method": method}
                row |= _scores(volume, truths) | (facts if method == "restored" else {})
                rows.append(row)
    return rows


def thinned(stack: Image, factor: int) -> Image:
    """Every so many planes of a stack, from the first on."""
    step_um, *pixel_um = stack.voxel()
    voxel_um = (factor * step_um, pixel_um[0], pixel_um[1])
    return Image(stack.array()[::factor], "ZYX", voxel_um, source=stack.source)


def _scores(volume: Volume, truths: dict[str, Volume]) -> Row:
    return {
        f"{measure}_{name}": getattr(metrics, measure)(truth[: len(volume)], volume)
        for name, truth in truths.items()
        for measure in MEASURES
    }


def tables(rows: list[Row]) -> list[Table]:
    """A line a factor: interpolated and restored, against both references."""
    count = several(len({row["seed"] for row in rows}), "stack")
    made = []
    for against, title in AGAINST.items():
        lines = []
        for factor in sorted({row["factor"] for row in rows}):
            cells = []
            for measure, (_, digits) in MEASURES.items():
                for method in METHODS:
                    some = among(rows, factor=factor, method=method)
                    spread = mean_and_spread(some, f"{measure}_{against}", digits)
                    cells.append(spread + mark(some))
            if factor > 1 or against == "truth":
                lines.append([f"{factor}", f"{100 / factor:.3g} %", *cells])
        heads = [f"{label} {method}" for label, _ in MEASURES.values() for method in METHODS]
        caption = f"Against {title}; {count}, mean ± standard deviation."
        made.append(Table(caption, ("every", "of the planes", *heads), lines))
    return made


def notes(rows: list[Row]) -> list[str]:
    """At which factor restoration is as close as interpolation at a finer one."""

    def mean(factor: int, method: str) -> float:
        return float(np.mean(values(among(rows, factor=factor, method=method), "nrmse_truth")))

    said = []
    factors = sorted({row["factor"] for row in rows})
    for factor in factors:
        ours = mean(factor, "restored")
        worse = [f for f in factors if mean(f, "interpolated") >= ours]
        if worse and min(worse) < factor:
            said.append(
                f"Every {factor}: restored, the NRMSE against the truth is {ours:.4f}; "
                f"interpolated, every {min(worse)} gives no less."
            )
    return [
        *said,
        "As in figure 3d, each factor has a network of its own, and the reference of the first "
        "table is the restoration of all planes, not a truth: it flatters what errs alike.",
    ]


def draw(rows: list[Row]) -> bytes:
    """NRMSE and SSIM over the factor, against both references."""
    figure, axes = plots.side_by_side(2, WIDE_IN, 2.9)
    colours = {"interpolated": plots.LATERAL, "restored": plots.AXIAL}
    for axis, (measure, (label, _)) in zip(axes, MEASURES.items(), strict=True):
        for method in METHODS:
            for against, dashes in (("full", "-"), ("truth", "--")):
                name = f"{measure}_{against}"
                some = [r for r in rows if r["method"] == method and name in r]
                factors = sorted({row["factor"] for row in some})
                means = [np.mean(values(among(some, factor=f), name)) for f in factors]
                said = "full stack restored" if against == "full" else "truth"
                axis.plot(
                    factors,
                    means,
                    dashes,
                    marker="o",
                    ms=3,
                    color=colours[method],
                    label=f"{method}, against {said}",
                )
        axis.set_xlabel("every so many planes kept")
        axis.set_ylabel(label)
        axis.set_xticks(sorted({row["factor"] for row in rows}))
        axis.set_ylim(bottom=0, top=None if measure == "nrmse" else 1)
    handles, _ = axes[0].get_legend_handles_labels()
    figure.legend(
        handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=POINTS
    )
    return png(figure)


EXPERIMENT = Experiment(
    name="liver-sweep",
    title="How few planes are enough for a restoration that shows the same?",
    source="CARE, figure 3d and supplementary figure 20, mouse liver with every 2nd to 16th plane "
    "(Weigert et al., Nature Methods 2018, doi:10.1038/s41592-018-0216-7)",
    cases=cases,
    measure=measure,
    tables=tables,
    draw=draw,
    notes=notes,
)
