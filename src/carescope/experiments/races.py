"""The work of `carescope bench speed`, done by several programs in turns."""

from __future__ import annotations

import math
import os
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from carescope import metrics, net, read, rng, write
from carescope.engine import available
from carescope.engine.choose import operations
from carescope.experiments import calibration, peers
from carescope.experiments.experiment import Case, Row, Watch
from carescope.experiments.peers.carescope_peer import STEP_UM, random_model
from carescope.experiments.scenes import CAMERA, MICROSCOPES, record, simulate
from carescope.files.folder import make, remove
from carescope.image import Image
from carescope.pairs.regions import POOLED_PLANES
from carescope.task import Task

CSBDEEP = "csbdeep"
DIMENSIONS = {
    "3D": {"step_px": [16, 64, 64], "tile_px": [32, 128, 128]},
    "2D": {"step_px": [128, 128], "tile_px": [512, 512]},
    "isotropic": {"tile_px": [512, 512]},  # its steps are those of planes
}
#: What carescope's networks are resolved for.
TASKS = {
    "3D": Task(kind="denoise", axes="ZYX"),
    "2D": Task(kind="denoise"),
    "isotropic": Task(kind="isotropic", factor=8),
}
BATCH = 16
PRODUCT_SIDE = 2048
TILE_PX = 128  # of peers from TIFF to TIFF
REST_S = 0.3  # between turns, until the threads of the last program have gone to sleep
OPTICS = MICROSCOPES["gaussian"]


Values = npt.NDArray[Any]


class Entry(NamedTuple):
    """What takes part: a program, and what it is told beyond what all are."""

    name: str
    program: str
    told: dict[str, Any]


def measure(case: Case, folder: Path, watch: Watch) -> list[Row]:
    """Do one piece of work by each program, installed beside the case's folder where it is not."""
    environments = Path(os.environ.get("CARESCOPE_PEERS") or folder.parent / "environments")
    entries = _entries(case)
    needed = dict.fromkeys(entry.program for entry in entries)
    pythons = {name: peers.python_of(name, environments, watch.say) for name in needed}
    remove(folder)  # what a killed run has left
    make(folder)
    if "program" in case:
        rows = _learnt(case, pythons, folder, watch)
    else:
        work = _stack if case["part"] == "stack" else _in_turns
        rows = work(case, entries, pythons, folder, watch)
    return [{"work": case["work"]} | row for row in rows]


def _entries(case: Case) -> list[Entry]:
    if "program" in case:
        return [Entry(case["program"], case["program"], {})]
    given: dict[str, Any] = {name: case[name] for name in ("seed", "factor") if name in case}
    ours = []
    for name, network in _networks(case["dims"]).items():
        told = given | network | {"engine": case.get("engine", "auto")}
        if case["part"] != "tile":
            ours.append(Entry(f"carescope, {name}", "carescope", told))
            continue
        for engine in ("openvino bfloat16", "openvino float32", "torch float32"):
            if available(engine):
                one = told | {"engine": engine}
                ours.append(Entry(f"carescope, {name}, {engine}", "carescope", one))
    given["axes"] = "ZYX" if case["dims"] == "3D" else "YX"
    alone = case["part"] == "stack" and given["axes"] == "YX"
    rivals = [name for name in peers.REQUIREMENTS if name == CSBDEEP or not alone]
    entries = [*ours, *(Entry(name, name, given) for name in rivals)]
    return [one for one in entries if one.name in case.get("programs", [one.name])]


def _networks(dims: str) -> dict[str, dict[str, Any]]:
    """The default network, and that of CSBDeep: as a recipe names it, and in full."""
    names = {"default": "auto", "CARE": "care"}
    return {
        called: {"recipe": name, "network": net.resolve(name, TASKS[dims], planes=POOLED_PLANES)}
        for called, name in names.items()
    }


def _in_turns(
    case: Case, entries: list[Entry], pythons: dict[str, Path], folder: Path, watch: Watch
) -> list[Row]:
    """Steps of training, or tiles through the network beside matrix products, in rounds."""
    part = case["part"]
    job: dict[str, Any] = {
        "work": "steps" if part == "step" else "tile",
        "turns": 3,
        "warm_up": 3,
        "batch": BATCH,
    }
    job |= {"shape": DIMENSIONS[case["dims"]][f"{part}_px"]}
    if part == "tile":
        entries = [*entries, *(_product(name) for name in ("bfloat16", "float32"))]
    taken: dict[str, list[float]] = {entry.name: [] for entry in entries}
    most: dict[str, int | None] = {}
    with ExitStack() as running:
        all_of = {}
        for entry in entries:
            watch.say(f"{entry.name} gets ready")
            python, told = pythons[entry.program], job | entry.told
            one = peers.Contestant(entry.program, python, told, folder / entry.name)
            all_of[entry.name] = running.enter_context(one)
        for done in range(case["rounds"]):
            watch.say(f"round {done + 1} of {case['rounds']}")
            for name, contestant in all_of.items():
                time.sleep(REST_S)
                taken[name].append(contestant.turn())
        for name, contestant in all_of.items():
            most[name] = contestant.finish()
    rows = [_timed(entry.name, taken[entry.name], most[entry.name]) for entry in entries]
    if part == "tile":
        _add_shares(rows, case["dims"])
    return rows


def _product(kind: str) -> Entry:
    told = {"work": "product", "type": kind, "side": PRODUCT_SIDE}
    return Entry(f"matrix product, {kind}", "carescope", told)


def _timed(name: str, seconds: list[float], peak_bytes: int | None) -> Row:
    row: Row = {"program": name, "seconds": median(seconds)}
    row |= {"least_seconds": min(seconds), "most_seconds": max(seconds)}
    return row | {"peak_bytes": peak_bytes}


def _add_shares(rows: list[Row], dims: str) -> None:
    """What each network does in a second, as a share of what a matrix product of its type does."""
    pixels = math.prod(DIMENSIONS[dims]["tile_px"])
    counted = {
        name: pixels * operations(random_model(one["network"]))
        for name, one in _networks(dims).items()
    }
    rates = {
        row["program"].rpartition(" ")[2]: 2 * PRODUCT_SIDE**3 / row["seconds"]
        for row in rows
        if row["program"].startswith("matrix")
    }
    for row in rows:
        name, kind = row["program"], row["program"].rpartition(" ")[2]
        if name.startswith("matrix"):
            row["operations_per_s"] = rates[kind]
        elif name == CSBDEEP or name.startswith("carescope"):
            network = "default" if "default" in name else "CARE"
            row["operations_per_s"] = counted[network] / row["seconds"]
            row["share_of_product"] = row["operations_per_s"] / rates.get(kind, rates["float32"])


def _stack(
    case: Case, entries: list[Entry], pythons: dict[str, Path], folder: Path, watch: Watch
) -> list[Row]:
    """From TIFF to TIFF, the start of the program included."""
    grey = rng.generator(case["seed"], "stack").poisson(20, tuple(case["shape"]))
    place = folder / "stack.tif"
    voxel_um = (STEP_UM, *(2 * [STEP_UM / case.get("factor", 5)]))
    write.save(place, Image(grey.astype(np.uint16), "ZYX", voxel_um), overwrite=True)
    jobs = {}
    for entry in entries:
        watch.say(f"{entry.name} gets ready")
        there = folder / entry.name
        jobs[entry.name] = entry.told | {
            "model": str(there / "model"), "input": str(place), "output": str(there / "out.tif"),
            "tile_px": TILE_PX, "batch": BATCH,
        }  # fmt: skip
        _once(entry, pythons, jobs[entry.name] | {"work": "prepare"}, there)
    taken: dict[str, list[float]] = {entry.name: [] for entry in entries}
    most: dict[str, int] = dict.fromkeys(taken, 0)
    # The first run of carescope finds out which engine is the fastest, and is not timed.
    rounds = [[entry for entry in entries if entry.program == "carescope"]]
    for number, taking_part in enumerate(rounds + case["rounds"] * [entries]):
        for entry in taking_part:
            watch.say(f"round {number} of {case['rounds']}: {entry.name}")
            began = time.perf_counter()
            job = jobs[entry.name] | {"work": "stack"}
            facts = _once(entry, pythons, job, folder / entry.name)
            most[entry.name] = max(most[entry.name], facts["peak_bytes"] or 0)
            if number:
                taken[entry.name].append(time.perf_counter() - began)
    rows = []
    for entry in entries:
        row = _timed(entry.name, taken[entry.name], most[entry.name] or None)
        if entry.program == "carescope":
            fast = _values(jobs[entry.name]["output"])
            job = jobs[entry.name] | {"work": "stack", "engine": "torch"}
            watch.say(f"{entry.name}: in float32, for the difference")
            _once(entry, pythons, job, folder / entry.name)
            right = _values(jobs[entry.name]["output"])
            row["difference"] = float(np.sqrt(np.mean((fast - right) ** 2)) / np.ptp(right))
        rows.append(row)
    return rows


def _learnt(case: Case, pythons: dict[str, Path], folder: Path, watch: Watch) -> list[Row]:
    """What a program restores after a time of training."""
    truths, job = (_fields if case["part"] == "learn" else _stacks)(case, make(folder / "data"))
    out = make(folder / "restored")
    job |= {"work": case["part"], "batch": BATCH, "seed": case["seed"], "output": str(out)}
    job |= {"seconds": case["share"] * case["seconds"], "patch_px": case["patch_px"]}
    watch.say(f"it trains for {job['seconds']:.0f} s")
    program = case["program"]
    facts = peers.once(program, pythons[program], job, folder)
    axes = "ZYX"[-truths[0].ndim :]
    scores = [
        metrics.evaluate(*_at_same_planes(truth, _values(path, axes), program))
        for truth, path in zip(truths, sorted(out.glob("*.tif")), strict=True)
    ]
    row: Row = {"program": program, "share": case["share"], "trained_s": facts["seconds"]}
    row |= {key: float(np.mean([s[key] for s in scores])) for key in ("nrmse", "ssim")}
    return [row | {"steps": facts["steps"], "peak_bytes": facts["peak_bytes"]}]


def _fields(case: Case, data: Path) -> tuple[list[Values], dict[str, Any]]:
    """Truths of the test fields, and planes through membranes with little light and with enough."""
    first, truths = 0, []
    for name, count in zip(("train", "validation", "test"), case["fields"], strict=True):
        made = [calibration.field(case, number) for number in range(first, first + count)]
        _save([one.low for one in made], data / f"{name}_low")
        _save([one.high for one in made], data / f"{name}_high")
        truths, first = [one.clean for one in made], first + count
    return truths, {"data": str(data)}


def _stacks(case: Case, data: Path) -> tuple[list[Values], dict[str, Any]]:
    """Nuclei blurred alike in all directions, and stacks with more of blur along z."""
    truths, stacks = [], []
    for seed in range(case["seed"] + 1, case["seed"] + 1 + case["count"]):
        scene = simulate("nuclei", OPTICS, (case["side"],) * 3, seed)
        truths.append(scene.truth)
        stacks.append(record(scene, OPTICS, seed))
    _save(stacks, data / "stacks")
    sigma_um = OPTICS.optics.sigma_um or ()
    along_px, across_px = (sigma / OPTICS.pixel_um for sigma in sigma_um[:2])
    at = np.arange(-math.ceil(4 * along_px), math.ceil(4 * along_px) + 1)
    kernel = np.exp(-0.5 * at**2 / (along_px**2 - across_px**2))
    told: dict[str, Any] = {"sigma_um": sigma_um, "psf_z": list(kernel / kernel.sum())}
    told |= {"offset": CAMERA.offset, "read_noise": CAMERA.read_noise}
    return truths, told | {"data": str(data), "factor": OPTICS.every, "patches": 512}


def _save(images: list[Image], place: Path) -> None:
    make(place)
    for number, one in enumerate(images):
        grey = replace(one, data=one.array().astype(np.float32))
        write.save(place / f"{number:03}.tif", grey, overwrite=True)


def _values(path: str | Path, axes: str = "ZYX") -> Values:
    """Of a picture or a stack, whoever wrote it."""
    return read.open(path, axes=axes).array()


def _at_same_planes(truth: Values, restored: Values, program: str) -> tuple[Values, Values]:
    """CSBDeep stretches planes from the first to the last recorded one over all that it makes."""
    if truth.ndim == 2 or program != CSBDEEP:
        return truth[: len(restored)], restored
    from scipy.ndimage import map_coordinates

    recorded = len(restored) // OPTICS.every
    at = np.linspace(0, (recorded - 1) * OPTICS.every, len(restored))
    grid = np.meshgrid(at, *(np.arange(n) for n in truth.shape[1:]), indexing="ij")
    return np.asarray(map_coordinates(truth, grid, order=3, mode="nearest")), restored


def _once(entry: Entry, pythons: dict[str, Path], job: dict[str, Any], folder: Path) -> Any:
    return peers.once(entry.program, pythons[entry.program], job, folder)
