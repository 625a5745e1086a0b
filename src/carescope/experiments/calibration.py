"""Whether intervals hold what they promise, and whether disagreement finds what went wrong."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from carescope import metrics, normalize, phantoms, predict, rng, trust
from carescope.experiments.experiment import Case, Experiment, Row, Table, Watch, mark
from carescope.experiments.learnt import converged, learnt
from carescope.experiments.numbers import among, mean_and_spread, several, values
from carescope.image import Image
from carescope.jobs.denoise import PAPER, learn_pairs
from carescope.jobs.judging import Judged
from carescope.jobs.trust import calibrated, uncalibrated
from carescope.model import Ensemble, Model
from carescope.physics import camera, exposure, psf
from carescope.recipe import Recipe
from carescope.report.figures import WIDE_IN
from carescope.report.panels import FAINT, INK, POINTS, png
from carescope.report.plots import AXIAL, LATERAL, side_by_side
from carescope.report.reliability import draw_curves

Plane = npt.NDArray[Any]

CAMERA = camera.Noise(gain=5.0, offset=100.0, read_noise=5.0)
OPTICS = psf.gaussian((2.0, 1.0, 1.0), (1.0, 1.0, 1.0))
PLANES = 24  # of which the middle one is the field; the blur reaches 8
# Where a field is brightest, with little light and with enough.
PHOTONS, ENOUGH_PHOTONS = (8.0, 24.0), 300.0
DARKER = 8.0
KINDS = ("as in training", f"with {DARKER:g} times less light", "of another structure")
AS_PREDICTED, CALIBRATED = "as predicted", "calibrated"
LEVELS = (0.5, 0.8, 0.9, 0.95)
SHARES = np.linspace(0, 1, 11)  # tenths of the pixels, by their disagreement


def cases(full: bool, seed: int) -> list[Case]:
    """One ensemble, or three of the papers' size."""
    small = {"side": 256, "fields": [24, 8, 10], "members": 4, "recipe": {"steps": 800}}
    paper = {"side": 512, "fields": [180, 20, 26], "members": 5, "recipe": dict(PAPER)}
    size, count = (paper, 3) if full else (small, 1)
    return [{"name": f"ensemble {s}", "seed": s} | size for s in range(seed, seed + count)]


class Field(NamedTuple):
    """A plane with little light, with enough, and without noise."""

    low: Image
    high: Image
    clean: Plane


class Seen(NamedTuple):
    """What a model says of some fields: how often it is right, and what it gives."""

    judged: Judged
    truths: list[Plane]
    """Without noise, in the grey levels of the means."""
    means: list[Plane]
    scales: list[Plane]
    disagreements: list[Plane]


def measure(case: Case, folder: Path, watch: Watch) -> list[Row]:
    """Train an ensemble, calibrate it on some fields, and judge it by others."""
    training, held, test = case["fields"]
    numbers = iter(range(training + held + test))
    learning, knowing, unseen = (
        [field(case, next(numbers)) for _ in range(count)] for count in (training, held, test)
    )
    recipe = Recipe.of(**case["recipe"] | {"loss": "laplace"}, seed=case["seed"])
    train = partial(_learn, learning, recipe, case["members"], watch)
    ensemble = uncalibrated(learnt(folder / "ensemble", train))
    done = {"seed": case["seed"], "converged": converged(ensemble)}
    rows: list[Row] = []
    networks = {"one network": ensemble.members[0], f"ensemble of {case['members']}": ensemble}
    for name, network in networks.items():  # the ensemble last: what it gives is used below
        usual, scales = seen(network, unseen), calibrated(seen(network, knowing).judged)
        tallies = usual.judged.tallies[0]
        after = [scales.rescaling(0, level) for level in usual.judged.noise[0]]
        before = [trust.Rescaling("laplace")] * len(tallies)
        for said, how in ((AS_PREDICTED, before), (CALIBRATED, after)):
            rows += [done | {"network": name, "scales": said} | one for one in _curve(tallies, how)]
    again = range(training + held, training + held + test)
    changed: list[dict[str, Any]] = [{}, {"darker": DARKER}, {"other": True}]
    for kind, unlike in zip(KINDS, changed, strict=True):
        found = seen(ensemble, [field(case, n, **unlike) for n in again]) if unlike else usual
        rows += [done | {"images": kind} | one for one in _fields(found, scales)]
        rows += [done | {"images": kind} | one for one in _tenths(found)]
    return rows


def field(case: Case, number: int, *, darker: float = 1.0, other: bool = False) -> Field:
    """A plane through membranes (or through nuclei), with little light and with enough."""
    seed, side = 1000 * case["seed"] + number, case["side"]
    shape = (PLANES, side, side)
    density, _ = (
        phantoms.nuclei(shape, seed, volume_per_nucleus_px3=12_000)
        if other
        else phantoms.membranes(shape, seed)
    )
    low, high = np.log(PHOTONS)
    photons = np.exp(rng.generator(seed, "photons").uniform(low, high)) / darker
    images = []
    for index, light in enumerate((photons, ENOUGH_PHOTONS)):
        grey = exposure.expected(density, CAMERA, photons=float(light), psf=OPTICS)[PLANES // 2]
        taken = camera.expose(grey, CAMERA, rng.generator(seed, "camera", index))
        images.append(Image(taken, "YX", (0.2, 0.2, 0.2), (), f"field {number}"))
    return Field(images[0], images[1], grey)


def _learn(
    fields: list[Field], recipe: Recipe, members: int, watch: Watch, folder: Path
) -> Model | Ensemble:
    images = [(one.low, one.high) for one in fields]
    return learn_pairs(images, recipe, members=members, folder=folder, watch=watch.training).model


def seen(network: Model | Ensemble, fields: list[Field]) -> Seen:
    """Restore fields, and count how often a second exposure lies where the network says."""
    found = Seen(Judged([[]], noise=[[]]), [], [], [], [])
    for low, high, clean in fields:
        maps = normalize.fit(low, network.recipe.percentiles)
        found.judged.noise[0] += predict.noise_seen(network, low, maps)
        restored = predict.restore(network, low)
        mean, scale = restored.mean.array(), restored.scale.array()  # type: ignore[union-attr]
        truth = metrics.match_truth(high.array(), mean).astype(np.float32)
        found.judged.tallies[0].append(trust.tally(truth, mean, scale))
        found.truths.append(metrics.match_truth(clean, mean))
        found.means.append(mean)
        found.scales.append(scale)
        if restored.disagreement is not None:  # it takes two to disagree
            found.disagreements.append(restored.disagreement.array())
    return found


def _curve(tallies: list[trust.Tally], how: list[trust.Rescaling]) -> list[Row]:
    """Promised and kept at each level, and the expected calibration error of all levels."""
    curve = trust.combined(tallies, how)
    held = trust.coverage(tallies, how, levels=LEVELS)
    bounds = {
        f"{level:.2f}": (a, b) for level, a, b in zip(LEVELS, held.low, held.high, strict=True)
    }
    rows = []
    for level, covered in zip(curve.levels, curve.covered, strict=True):
        low, high = bounds.get(f"{level:.2f}", (None, None))
        row = {"level": level, "covered": covered, "covered_low": low, "covered_high": high}
        rows.append(row | {"calibration_error": curve.error})
    return rows


def _fields(found: Seen, scales: Any) -> list[Row]:
    """Error, disagreement and coverage of each field of an ensemble."""
    rows = []
    for number, (truth, mean, disputed) in enumerate(
        zip(found.truths, found.means, found.disagreements, strict=True)
    ):
        how = [scales.rescaling(0, found.judged.noise[0][number])]
        held = trust.coverage([found.judged.tallies[0][number]], how, levels=[0.9])
        row = {"field": number, "nrmse": metrics.nrmse(truth, mean), "covered_90": held.covered[0]}
        row["disagreement_mean"] = float(np.mean(disputed))
        row["disagreement_p99"] = float(np.percentile(disputed, 99))
        rows.append(row)
    return rows


def _tenths(found: Seen) -> list[Row]:
    """The error in tenths of the pixels, from those of least disagreement to those of most."""
    disputed = np.ravel(found.disagreements)
    apart = np.abs(np.subtract(found.truths, found.means))
    ranges = [np.ptp(np.percentile(truth, (0.1, 99.9))) for truth in found.truths]
    of_range = np.ravel(apart / np.reshape(ranges, (-1, 1, 1)))
    of_scale = np.ravel(apart / np.asarray(found.scales))
    order = np.argsort(disputed)
    rows = []
    for tenth, (first, stop) in enumerate(itertools.pairwise(SHARES)):
        some = order[int(first * len(order)) : int(stop * len(order))]
        row = {"tenth": tenth + 1, "disagreement": float(disputed[some].mean())}
        row |= {"error": of_range[some].mean(), "error_in_scales": of_scale[some].mean()}
        rows.append(row)
    return rows


def tables(rows: list[Row]) -> list[Table]:
    """Coverage and calibration error; error and disagreement by kind of image."""
    lines = []
    for network in dict.fromkeys(r["network"] for r in rows if "network" in r):
        for said in (AS_PREDICTED, CALIBRATED):
            some = among(rows, network=network, scales=said)
            shares = [_held(some, level) for level in LEVELS]
            error = f"{100 * np.mean(values(some, 'calibration_error')):.1f}"
            lines.append([network + mark(some), said, *shares, error])
    said_of = [
        [
            kind + mark(some),
            mean_and_spread(some, "nrmse", 4),
            mean_and_spread(some, "disagreement_mean", 3),
            mean_and_spread(some, "disagreement_p99", 2),
            f"{100 * np.mean(values(some, 'covered_90')):.0f}",
        ]
        for kind in KINDS
        if (some := [r for r in among(rows, images=kind) if "field" in r])
    ]
    fields = several(len([r for r in among(rows, images=KINDS[0]) if "field" in r]), "field")
    return [
        Table(
            f"Share of true pixels (%) in intervals of a level, {fields} that took no part in "
            "training or calibrating; in brackets the 95 % interval from resampled fields. The "
            "error is the expected calibration error in percentage points.",
            ("", "scales", *(f"{level:.0%}" for level in LEVELS), "error"),
            lines,
        ),
        Table(
            "The calibrated ensemble on images like those of training, and on others: mean ± "
            "standard deviation over fields; the last column is the share of true pixels in "
            "90 % intervals.",
            ("images", "NRMSE", "disagreement D", "D, 99th percentile", "in 90 % (%)"),
            said_of,
        ),
    ]


def _held(rows: list[Row], level: float) -> str:
    """The share in intervals of a level with its bounds, in per cent."""
    some = [row for row in rows if abs(row["level"] - level) < 1e-6]
    share = 100 * np.mean(values(some, "covered"))
    bounds = [values(some, key) for key in ("covered_low", "covered_high")]
    if len(some) > 1 or not all(bounds):
        return f"{share:.1f}"
    return f"{share:.1f} ({100 * bounds[0][0]:.1f}–{100 * bounds[1][0]:.1f})"


def draw(rows: list[Row]) -> bytes:
    """Two plots of reliability, and the error of pixels by their disagreement."""
    figure, axes = side_by_side(3, WIDE_IN * 1.35, 3.7)
    for plot, said in zip(axes, (AS_PREDICTED, CALIBRATED), strict=False):
        curves = []
        for network in dict.fromkeys(r["network"] for r in rows if "network" in r):
            some = among(rows, network=network, scales=said)
            levels = np.unique(values(some, "level"))
            covered = [np.mean(values(among(some, level=v), "covered")) for v in levels]
            error = float(np.mean(values(some, "calibration_error")))
            curves.append((network, trust.Calibration(levels, np.array(covered), error)))
        draw_curves(plot, said, curves)
    for kind, colour, marker in zip(KINDS, (LATERAL, INK, AXIAL), "osD", strict=True):
        some = [row for row in among(rows, images=kind) if "tenth" in row]
        by_tenth = [among(some, tenth=t) for t in sorted({row["tenth"] for row in some})]
        at = [np.mean(values(one, "disagreement")) for one in by_tenth]
        wrong = [np.mean(values(one, "error_in_scales")) for one in by_tenth]
        axes[2].plot(at, wrong, marker=marker, ms=4, color=colour, label=kind)
    axes[2].set(xlim=(0, None), ylim=(0, None))
    axes[2].set_xlabel("D of tenths of the pixels")
    axes[2].set_ylabel("mean error / predicted scale")
    axes[2].set_title("disagreement and error", loc="left", fontsize=POINTS + 1, color=INK)
    axes[2].legend(frameon=False, fontsize=POINTS - 0.5, labelcolor=FAINT)
    return png(figure)


def notes(rows: list[Row]) -> list[str]:
    """How much disagreement tells of errors, and of those that scales do not tell of."""
    said = []
    for kind in KINDS:
        some = [row for row in among(rows, images=kind) if "tenth" in row]
        if not some:
            continue
        most, least = (among(some, tenth=t) for t in (10, 1))
        plain, scaled = (
            np.mean(values(most, key)) / np.mean(values(least, key))
            for key in ("error", "error_in_scales")
        )
        said.append(
            f"Images {kind}: the tenth of pixels with the highest D has {plain:.1f} times the "
            "error of the tenth with the lowest, and in units of the predicted scale "
            f"{scaled:.1f} times."
        )
    return [
        *said,
        "Intervals are held against a second exposure with enough light, whose own noise is part "
        "of what they have to hold, as for recorded pairs; errors are against the field without "
        "noise.",
    ]


EXPERIMENT = Experiment(
    name="calibration",
    title="Do predicted intervals hold what they promise, and does disagreement find errors?",
    source="CARE, figure 5 and supplementary figures 26 to 28 "
    "(Weigert et al., Nature Methods 2018, doi:10.1038/s41592-018-0216-7)",
    cases=cases,
    measure=measure,
    tables=tables,
    draw=draw,
    notes=notes,
)
