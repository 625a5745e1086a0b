"""Restoring into OME-Zarr that is killed at any moment, and begun again, ends with the same bytes.

``CARESCOPE_KILLS=40 pytest tests/faults/test_restore_kills.py`` kills more often.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import carescope as cs
from carescope import Ensemble, Image, Recipe, model, net
from carescope.model import Model
from carescope.task import Task

KILLS = int(os.environ.get("CARESCOPE_KILLS", "8"))
HERE = Path(__file__).parent


#: What is restored: its axes and shape, the networks, the task, and more of the command.
WORKS = {
    "an ensemble on a film": (
        "TYX",
        (3, 130, 300),
        {"name": "shuffle", "depth": 1, "first_filters": 4, "scales": True},
        Task(kind="denoise", axes="YX"),
        ["--spread"],
    ),
    "planes in little memory": (
        "TYX",
        (2, 600, 700),
        {"name": "care", "depth": 1, "first_filters": 32},
        Task(kind="denoise", axes="YX"),
        ["--memory", "LITTLE"],
    ),
    "a coarse stack": (
        "ZYX",
        (9, 90, 110),
        {"name": "shuffle", "depth": 1, "first_filters": 4},
        Task(kind="isotropic", factor=5, step_um=1, pixel_um=0.2),
        [],
    ),
    "a stack and its surface": (
        "ZYX",
        (9, 130, 150),
        {"name": "projection", "ndim": 3, "depth": 1},
        Task(kind="project", axes="ZYX"),
        ["--height"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("work", WORKS)
def test_killed_again_and_again_it_ends_with_the_same_bytes(tmp_path, work):
    axes, shape, architecture, task, more = WORKS[work]
    several = 2 if architecture.get("scales") else 1
    recipe = Recipe(loss="laplace" if several > 1 else "mse")
    members = [
        Model(net.build(**architecture, seed=n), architecture, recipe, task) for n in range(several)
    ]
    made = Ensemble(members) if several > 1 else members[0]
    model.save(made, tmp_path / "model")
    grey = np.random.default_rng(0).integers(0, 4000, shape).astype("u2")
    cs.save(tmp_path / "seen.zarr", Image(grey, axes, (1, 0.2, 0.2)))
    command = ["restore", "../model", "../seen.zarr", "--out", "out.zarr", *more]
    program = [HERE / "killed_restoring.py", tmp_path, KILLS, KILLS, "--", *command]
    ended = subprocess.run(
        [sys.executable, *map(str, program)],
        env=os.environ | {"PYTHONPATH": str(HERE.parents[1] / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120 + 20 * KILLS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    rows = [json.loads(line) for line in ended.stdout.splitlines()]
    assert sum(sum(row["killed"].values()) for row in rows) == KILLS
    whole, *others = [contents(Path(row["place"])) for row in rows]
    parts = {"--spread": ("_scale", "_disagreement"), "--height": ("_height",)}.get(
        "".join(more), ()
    )
    assert len([name for name in whole if name.startswith("out.zarr/0/c/")]) > 3
    assert {name.split("/")[0] for name in whole} == {f"out{part}.zarr" for part in ("", *parts)}
    assert len(others) > 0
    for other in others:
        assert other == whole


def contents(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }
