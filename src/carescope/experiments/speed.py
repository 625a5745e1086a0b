"""How fast training and restoring are beside CSBDeep and CAREamics, in turns on one machine."""

from __future__ import annotations

from carescope.experiments import peers
from carescope.experiments.experiment import Case, Experiment, Row, Table
from carescope.experiments.numbers import among
from carescope.experiments.races import CSBDEEP, DIMENSIONS, TILE_PX, measure
from carescope.files.processor import cores
from carescope.report.boxes import OTHERS, OURS
from carescope.report.figures import WIDE_IN
from carescope.report.panels import FAINT, INK, POINTS, png
from carescope.report.plots import side_by_side

#: Shares of the time that CSBDeep trains, which carescope is given.
SHARES = (1 / 5, 1 / 3, 1.0)
#: Marks of the axis on which programs are compared.
TIMES = (0.25, 0.5, 1, 2, 5, 10, 20, 50)


def cases(full: bool, seed: int) -> list[Case]:
    """Pieces of work that all programs do in turns, and trainings of one program each."""
    made: list[Case] = []
    for dims, sizes in DIMENSIONS.items():
        for part, work in (("step", "a step of training"), ("tile", "a tile")):
            if f"{part}_px" in sizes:
                case: Case = {"work": f"{work}, {dims}", "part": part, "dims": dims}
                made.append(case | {"rounds": 9 if full else 3})
    made += _files(full)
    fields: Case = {"work": "denoising", "part": "learn", "side": 256, "fields": [24, 4, 8]}
    stacks: Case = {"work": "isotropic", "part": "learn_isotropic", "side": 192, "count": 2}
    for task, rivals in ((fields, list(peers.REQUIREMENTS)), (stacks, [CSBDEEP])):
        for program, share in (*(("carescope", s) for s in SHARES), *((p, 1.0) for p in rivals)):
            told = {"program": program, "share": share, "seconds": 600.0 if full else 120.0}
            made.append(task | told | {"patch_px": 128 if task is fields else 96})
    for one in made:
        program = f", {one['program']}" if "program" in one else ""
        part = f", {one['share']:.2f} of the time" if one.get("share", 1) < 1 else ""
        one |= {"name": f"{one['work']}{program}{part}", "seed": seed}
    return made


def _files(full: bool) -> list[Case]:
    """Restorations from TIFF to TIFF: of a stack, plane by plane, and isotropic."""
    large = [100, 1024, 1024] if full else [50, 512, 512]
    coarse = [50, 512, 512] if full else [16, 256, 256]
    stack, planes, sections = (
        " × ".join(map(str, large)),
        f"{large[0]} planes of {large[1]} × {large[2]}",
        " × ".join(map(str, coarse)),
    )
    works: list[Case] = [
        {"work": f"TIFF to TIFF, {stack}", "dims": "3D", "shape": large},
        {"work": f"TIFF to TIFF, {planes}", "dims": "2D", "shape": large},
        {"work": f"isotropic from {sections}, every 8th plane", "dims": "isotropic"}
        | {"shape": coarse, "factor": 8},
    ]
    return [one | {"part": "stack", "rounds": 3 if full else 2} for one in works]


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
        if peer and row["program"] == "carescope":
            better = "reached" if row["nrmse"] <= peer[0]["nrmse"] else "not reached"
            said.append(
                f"{row['work'].capitalize()}: csbdeep's NRMSE of {peer[0]['nrmse']:.4f} was "
                f"{better} in {row['trained_s'] / peer[0]['trained_s']:.2f} of its time "
                f"({row['nrmse']:.4f})."
            )
    return [
        *said,
        f"All programs have {cores()} threads and no GPU. A step of training is one of "
        "each program's own loop, batches of 16; what is learnt in a time comes of its default "
        "network, loss, learning rate and normalisation, by the clock from making patches to the "
        "end of training. Other than by default csbdeep validates every 50 steps, as its 400 "
        "would not fit, and careamics does not stop early.",
        "The network called CARE is that of csbdeep; careamics's is another U-Net. csbdeep and "
        "careamics compute in float32, and csbdeep's share is that of float32 products.",
        f"From TIFF to TIFF the start of the program is included; tiles of csbdeep are about "
        f"{TILE_PX} pixels wide and their margins, those of careamics {TILE_PX} and its default "
        "overlap, with all planes. carescope has run once before, and knows its engine. Isotropic "
        "restorations are from TIFF to TIFF too, where csbdeep knows no tiles.",
        "Isotropic: csbdeep was given the part of the PSF that is split off, as carescope takes "
        "it, stacks without the camera's offset, and its noise; its planes are scored where it "
        "puts them: from the first to the last recorded one, evenly.",
        "Peak memory is that of a program's main process, where the system tells.",
    ]


def _fastest(rows: list[Row]) -> list[Row]:
    """Of the engines of a network the fastest."""
    best: dict[str, Row] = {}
    for row in rows:
        network = ", ".join(row["program"].split(", ")[:2])
        if network not in best or row["seconds"] < best[network]["seconds"]:
            best[network] = row
    return list(best.values())


def draw(rows: list[Row]) -> bytes:
    """How many times as fast as CSBDeep, and quality over the time of training."""
    timed = [row for row in rows if "seconds" in row and _beside(row, rows)]
    works = list(dict.fromkeys(row["work"] for row in timed))
    tasks = list(dict.fromkeys(row["work"] for row in rows if "nrmse" in row))
    figure, axes = side_by_side(1 + len(tasks), WIDE_IN * 1.35, 3.9)
    others = iter(OTHERS)
    colours = {"carescope": OURS} | {name: next(others) for name in peers.REQUIREMENTS}
    at, labels = 0.0, []
    for work in works:
        for row in _fastest(among(timed, work=work)):
            program, _, network = row["program"].partition(", ")
            beside = _beside(row, rows) or 0.0
            axes[0].barh(-at, beside, height=0.8, color=colours[program])
            axes[0].text(beside, -at, f" {beside:.1f}", va="center", fontsize=6, color=FAINT)
            labels.append((-at, f"{work.removeprefix('a ')}: {network or program}"))
            at += 1
        at += 0.5
    axes[0].set_yticks([y for y, _ in labels], [text for _, text in labels], fontsize=6)
    axes[0].set_xscale("log")
    axes[0].set_xticks(TIMES, [f"{times:g}" for times in TIMES])
    axes[0].minorticks_off()
    axes[0].margins(x=0.1)
    axes[0].set_xlabel("times as fast as csbdeep")
    axes[0].set_title("speed", loc="left", fontsize=POINTS + 1, color=INK)
    for axis, task in zip(axes[1:], tasks, strict=True):
        some = [row for row in among(rows, work=task) if "nrmse" in row]
        for name in dict.fromkeys(row["program"] for row in some):
            mine = among(some, program=name)
            seconds, errors = [r["trained_s"] for r in mine], [r["nrmse"] for r in mine]
            axis.plot(seconds, errors, "o-", ms=5, color=colours[name], label=name)
        most = (max(row["trained_s"] for row in some), max(row["nrmse"] for row in some))
        axis.set(xlim=(0, 1.1 * most[0]), ylim=(0, 1.1 * most[1]))
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
