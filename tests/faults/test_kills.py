"""F21: training that is killed at any moment, and begun again, ends with the same weights.

``CARESCOPE_KILLS=40 pytest tests/faults/test_kills.py`` kills more often.
"""

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from carescope import Image
from carescope.write import tiff

KILLS = int(os.environ.get("CARESCOPE_KILLS", "3"))
HERE = Path(__file__).parent

OPTIONS = {
    "two passes": "--steps 60 --psf gaussian --sigma-um 0.8,0.2,0.2",
    "plateau": "--steps 30 --psf none --schedule plateau --loss laplace --workers 2",
}


@pytest.fixture
def killed(stack, tmp_path):
    """Train by a command, killing it now and then; the folders and how often each was killed."""
    small = Image(stack.array()[:8, :64, :80], "ZYX", stack.voxel_um)
    tiff.save(tmp_path / "nuclei.ome.tif", small)
    few = ["--batch-size", "2", "--patch-px", "32", "--precision", "float32"]

    def killed(options, seed):
        command = ["train", "isotropic", tmp_path / "nuclei.ome.tif", "--model", "MODEL"]
        program = [HERE / "killed_training.py", tmp_path, KILLS, seed, "--"]
        ended = subprocess.run(
            [sys.executable, *map(str, [*program, *command, *few, *options])],
            env=os.environ | {"PYTHONPATH": str(HERE.parents[1] / "src"), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=120 + 20 * KILLS,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        rows = [json.loads(line) for line in ended.stdout.splitlines()]
        return {Path(row["place"]): sum(row["killed"].values()) for row in rows}

    return killed


def learnt(folder):
    """What must not depend on interruptions: weights, history but for its seconds, warnings."""
    description = json.loads((folder / "model.json").read_text())
    facts = description["facts"]
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in facts["history"]]
    said = [w for w in facts["warnings"] if "of an interrupted run" not in w]
    weights = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    return weights, rows, said, facts["steps"], facts["restarts"], facts["best_validation_loss"]


def written(folder):
    """The steps and losses of history.csv, as far as there is one."""
    path = folder / "run" / "history.csv"
    if not path.exists():
        return None
    with path.open() as file:
        return [(row["step"], row["train_loss"], row["val_loss"]) for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_f21_killed_again_and_again_it_ends_with_the_same_weights(killed, name):
    kills = killed(OPTIONS[name].split(), seed=len(name))
    (whole, zero), *others = kills.items()
    assert zero == 0
    assert sum(kills.values()) == KILLS
    for place, _ in others:
        assert learnt(place) == learnt(whole)
        assert written(place) == written(whole)
        left = {p.name for p in place.rglob("*") if p.is_file()}
        assert not [name for name in left if name.startswith(".partial")]
