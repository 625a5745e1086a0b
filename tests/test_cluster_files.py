"""The files in examples/cluster/ restore an image as they stand, each part by its own command."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import carescope as cs
from carescope import Image, Recipe, net
from carescope import model as models
from carescope.model import Model
from carescope.task import Task

ROOT = Path(__file__).parents[1]
FILES = ROOT / "examples" / "cluster"
JOB = yaml.safe_load((FILES / "kubernetes.yaml").read_text())


@pytest.fixture
def given(tmp_path):
    """The environment in which the files are run: where things are, and carescope on the path."""
    architecture = {"name": "shuffle", "depth": 1, "first_filters": 4}
    task = Task(kind="denoise", axes="YX")
    models.save(Model(net.build(**architecture), architecture, Recipe(), task), tmp_path / "model")
    grey = np.random.default_rng(0).integers(0, 4000, (4, 60, 70)).astype("u2")
    cs.save(tmp_path / "film.zarr", Image(grey, "TYX", (1, 0.2, 0.2)))
    program = tmp_path / "bin" / "carescope"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m carescope "$@"\n')
    program.chmod(0o755)
    return os.environ | {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "OMP_NUM_THREADS": "1",
        "MODEL": str(tmp_path / "model"),
        "IMAGE": str(tmp_path / "film.zarr"),
        "OUT": str(tmp_path / "restored.zarr"),
    }


def run(command, environment):
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return Path(environment["OUT"])


def check(out, given):
    expected = cs.restore(models.load(Path(given["MODEL"])), cs.open(given["IMAGE"]))
    np.testing.assert_allclose(cs.open(out).array(), expected.mean.array(), rtol=1e-4, atol=1e-2)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the files are for shells")
def test_the_jobs_of_a_slurm_array_restore_their_parts(given):
    count = {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_CPUS_PER_TASK": "1"}
    script = ["bash", str(FILES / "slurm.sh")]
    out = run(script, given | count | {"SLURM_ARRAY_TASK_ID": "1"})
    assert not out.exists()
    check(run(script, given | count | {"SLURM_ARRAY_TASK_ID": "0"}), given)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the files are for shells")
def test_the_pods_of_a_kubernetes_job_restore_their_parts(given):
    [container] = JOB["spec"]["template"]["spec"]["containers"]
    command = [*container["command"], *container["args"]]
    for index in "01":
        out = run(command, given | {"PARTS": "2", "JOB_COMPLETION_INDEX": index})
        assert out.exists() == (index == "1")
    check(out, given)


def test_the_kubernetes_job_has_as_many_pods_as_parts_and_room_for_its_memory():
    [container] = JOB["spec"]["template"]["spec"]["containers"]
    told = {entry["name"]: entry["value"] for entry in container["env"]}
    assert JOB["spec"]["completions"] == int(told["PARTS"])
    assert JOB["spec"]["completionMode"] == "Indexed"
    assert told["OMP_NUM_THREADS"] == container["resources"]["requests"]["cpu"]
    assert container["resources"]["limits"]["memory"] == "32Gi"
    assert "--memory 30GB" in container["args"][0]
    [mount], [volume] = container["volumeMounts"], JOB["spec"]["template"]["spec"]["volumes"]
    assert mount["name"] == volume["name"]
    for name in ("MODEL", "IMAGE", "OUT"):
        assert told[name].startswith(mount["mountPath"] + "/")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the files are for shells")
def test_one_computer_starts_a_process_for_each_gpu(given):
    check(run(["bash", str(FILES / "gpus.sh")], given | {"GPUS": "2"}), given)
