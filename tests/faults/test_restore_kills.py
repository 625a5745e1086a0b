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


@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_the_same_bytes(tmp_path):
    architecture = {"name": "shuffle", "depth": 1, "first_filters": 4, "scales": True}
    task = Task(kind="denoise", axes="YX")
    members = [
        Model(net.build(**architecture, seed=n), architecture, Recipe(loss="laplace"), task)
        for n in (0, 1)
    ]
    model.save(Ensemble(members), tmp_path / "model")
    grey = np.random.default_rng(0).integers(0, 4000, (3, 130, 300)).astype("u2")
    cs.save(tmp_path / "film.zarr", Image(grey, "TYX", (1, 0.2, 0.2)))
    command = ["restore", "../model", "../film.zarr", "--out", "out.zarr", "--spread"]
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
    assert {name.split("/")[0] for name in whole} == {
        f"out{part}.zarr" for part in ("", "_scale", "_disagreement")
    }
    assert len(others) > 0
    for other in others:
        assert other == whole


def contents(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }
