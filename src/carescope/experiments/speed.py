"""How fast training and restoring are beside CSBDeep and CAREamics, in turns on one machine."""

from __future__ import annotations

from carescope.experiments import peers
from carescope.experiments.experiment import Case, Experiment, Row, Table
from carescope.experiments.numbers import among
from carescope.experiments.races import CSBDEEP, DIMENSIONS, TILE_PX, measure
from carescope.report.boxes import OTHERS, OURS
from carescope.report.figures import WIDE_IN
from carescope.report.panels import FAINT, INK, POINTS, png
from carescope.report.plots import side_by_side


def cases(full: bool, seed: int) -> list[Case]:
    """Pieces of work, each done by all programs in turns."""
    rounds = {"rounds": 9 if full else 3, "seed": seed}
    made: list[Case] = []
    for kind in DIMENSIONS:
        made.append({"name": f"a step of training, {kind}", "part": "step", "dims": kind} | rounds)
        made.append({"name": f"a tile, {kind}", "part": "tile", "dims": kind} | rounds)
    shape = [100, 1024, 1024] if full else [50, 512, 512]
    stack = {"part": "stack", "dims": "3D", "shape": shape, "rounds": 3 if full else 2}
    made.append({"name": f"TIFF to TIFF, {_size(shape)}", "seed": seed} | stack)
    learning = {"seconds": 600.0 if full else 150.0, "seed": seed}
    fields = {"side": 256, "fields": [24, 4, 8]}
    made.append({"name": "denoising", "part": "learn"} | fields | learning)
    stacks = {"side": 256 if full else 128, "count": 2}
    made.append({"name": "isotropic", "part": "learn_isotropic"} | stacks | learning)
    return made


def tables(rows: list[Row]) -> list[Table]:
    """Speed beside CSBDeep's, and what was learnt in a time."""
    lines = []
    timed = [row for row in rows if "seconds" in row]
    for row in timed:
        beside = _beside(row, timed)
        spread = f"{row['least_seconds']:.3g}–{row['most_seconds']:.3g}"
        rate, share = row.get("operations_per_s"), row.get("share_of_product")
        lines.append([
            row["work"], row["program"], f"{row['seconds']:.3g}", spread,
            f"{beside:.1f}" if beside else "",
            f"{row['peak_bytes'] / 1e9:.1f}" if row["peak_bytes"] else "",
            f"{rate / 1e9:.0f}" if rate else "", f"{100 * share:.0f} %" if share else "",
            f"{row['difference']:.1e}" if "difference" in row else "",
        ])  # fmt: skip
    heads = (
        "work", "program", "s", "range", "times as fast as csbdeep", "peak memory (GB)", "GFLOP/s",
        "of a matrix product's", "RMS from float32 / range",
    )  # fmt: skip
    made = [Table("Programs in turns; medians.", heads, lines)] if lines else []
    learnt = [row for row in rows if "nrmse" in row]
    lines = [
        [
            row["work"], row["program"], f"{row['trained_s']:.0f}", f"{row['steps']}",
            f"{row['nrmse']:.4f}", f"{row['ssim']:.3f}",
        ]
        for row in learnt
    ]  # fmt: skip
    columns = ("task", "program", "trained for (s)", "steps", "NRMSE", "SSIM")
    return [*made, *([Table("What was learnt in a time.", columns, lines)] if lines else [])]


def _beside(row: Row, rows: list[Row]) -> float | None:
    """How many times as fast as CSBDeep; products of matrices are no rivals."""
    peer = among(rows, work=row["work"], program=CSBDEEP)
    if not peer or row["program"].startswith("matrix"):
        return None
    return float(peer[0]["seconds"] / row["seconds"])


def notes(rows: list[Row]) -> list[str]:
    """Whether CSBDeep's quality was reached in a part of its time; and what all were given."""
    said = []
    for row in rows:
        peer = [r for r in among(rows, work=row["work"], program=CSBDEEP) if "nrmse" in r]
        if peer and row["program"] == "carescope" and row["share"] < 1:
            better = "reached" if row["nrmse"] <= peer[0]["nrmse"] else "not reached"
            said.append(
                f"{row['work'].capitalize()}: csbdeep's NRMSE of {peer[0]['nrmse']:.4f} was "
                f"{better} in 1/{round(1 / row['share'])} of its time ({row['nrmse']:.4f})."
            )
    return [
        *said,
        f"All programs have {peers.threads()} threads and no GPU. Training is that of each "
        "program, batches of 16, with what it does by default between steps; its quality is that "
        "of its default network, loss, learning rate and normalisation.",
        "The network called CARE is that of csbdeep; careamics's is a smaller one of its own. "
        "csbdeep and careamics compute in float32.",
        f"From TIFF to TIFF the start of the program is included; tiles of peers are {TILE_PX} "
        "pixels wide, with all planes.",
        "Isotropic: csbdeep was given the part of the PSF that is split off, as carescope takes "
        "it, and its planes are scored where it puts them: from the first to the last recorded "
        "one, evenly.",
    ]


def draw(rows: list[Row]) -> bytes:
    """How many times as fast as CSBDeep, and quality over the time of training."""
    timed = [row for row in rows if "seconds" in row and _beside(row, rows)]
    works = list(dict.fromkeys(row["work"] for row in timed))
    tasks = list(dict.fromkeys(row["work"] for row in rows if "nrmse" in row))
    figure, axes = side_by_side(1 + len(tasks), WIDE_IN * 1.35, 3.9)
    names = dict.fromkeys(row["program"].split(", openvino")[0] for row in rows)
    others = iter(OTHERS)
    colours = {n: OURS if n.startswith("carescope") else next(others) for n in names}
    at, labels = 0.0, []
    for work in works:
        shown = [r for r in among(timed, work=work) if "float32" not in r["program"]]
        for row in shown:
            name = row["program"].split(", openvino")[0]
            height = _beside(row, rows) or 0.0
            axes[0].barh(-at, height, height=0.8, left=0, color=colours[name])
            axes[0].text(height, -at, f" {height:.1f}", va="center", fontsize=6, color=FAINT)
            labels.append((-at, f"{work.removeprefix('a ')}: {name.removeprefix('carescope, ')}"))
            at += 1
        at += 0.5
    axes[0].set_yticks([y for y, _ in labels], [text for _, text in labels], fontsize=6)
    axes[0].set_xscale("log")
    axes[0].set_xlabel("times as fast as csbdeep")
    axes[0].set_title("speed", loc="left", fontsize=POINTS + 1, color=INK)
    for axis, task in zip(axes[1:], tasks, strict=True):
        some = [row for row in among(rows, work=task) if "nrmse" in row]
        for name in dict.fromkeys(row["program"] for row in some):
            mine = among(some, program=name)
            seconds, errors = [r["trained_s"] for r in mine], [r["nrmse"] for r in mine]
            axis.plot(seconds, errors, "o-", ms=5, color=colours[name], label=name)
        axis.set(xlim=(0, None), ylim=(0, None))
        axis.set_xlabel("training (s)")
        axis.set_ylabel("NRMSE of unseen images" if task == "denoising" else "NRMSE")
        axis.set_title(task, loc="left", fontsize=POINTS + 1, color=INK)
        axis.legend(frameon=False, fontsize=POINTS - 0.5, labelcolor=FAINT)
    return png(figure)


EXPERIMENT = Experiment(
    name="speed",
    title="How fast are training and restoring beside other programs?",
    source="the time that CARE gives for a stack of 1024 × 1024 × 100 voxels, "
    "20 s on a GPU (Weigert et al., Nature Methods 2018, doi:10.1038/s41592-018-0216-7)",
    cases=cases,
    measure=measure,
    tables=tables,
    draw=draw,
    notes=notes,
)


def _size(shape: list[int]) -> str:
    return " × ".join(map(str, shape))
