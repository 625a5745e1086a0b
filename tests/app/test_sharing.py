"""Several processes on the command line: what is asked for, refused, and told."""

import json
import socket

import numpy as np
import pytest

import carescope as cs
from carescope import Image, Recipe, model, net, read
from carescope.jobs import cluster
from carescope.predict import memory
from carescope.task import Task


@pytest.fixture
def given(stack, tmp_path):
    """A model and an image, in a folder each."""
    architecture = {"name": "shuffle", "depth": 1, "first_filters": 4}
    made = model.Model(
        net.build(**architecture), architecture, Recipe(), Task(kind="denoise", axes="YX")
    )
    model.save(made, tmp_path / "model")
    cs.save(tmp_path / "cell.zarr", Image(stack.array()[:4, :60, :70], "ZYX", stack.voxel_um))
    return [tmp_path / "model", tmp_path / "cell.zarr", "--engine", "torch"]


@pytest.mark.parametrize(
    "options", [["--workers", 2], ["--shard", "0/2"], ["--dask", "local"]], ids=lambda o: o[0]
)
def test_a_tiff_is_refused(refused, given, tmp_path, options):
    said = refused(2, "restore", *given, "--out", tmp_path / "o.ome.tif", *options)
    assert f"{options[0]}: needs an output that is written in pieces" in said
    assert "Give an --out that ends in .zarr" in said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--shard", "2/2"], "Give i/N, parts counted from 0: 0/2 to 1/2"),
        (["--dask", "node1"], "'node1' is no address. Give the address that the scheduler prints"),
        (["--shard", "0/2", "--dask", "local"], "is given beside --shard"),
        (["--workers", 2, "--dask", "tcp://node:8786"], "is given beside --workers"),
        (["--workers", 2, "--shard", "0/2", "--dask", "local"], "is given beside --shard"),
    ],
)
def test_what_cannot_be_is_refused(refused, given, tmp_path, options, says):
    assert says in refused(2, "restore", *given, "--out", tmp_path / "o.zarr", *options)


def test_a_dask_scheduler_that_does_not_answer_is_named(refused, given, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_ANSWERS_WITHIN_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        said = refused(2, "restore", *given, "--out", tmp_path / "o.zarr", "--dask", place)
    assert f"no Dask scheduler answers at {place}" in said
    assert [path.name for path in tmp_path.iterdir() if "o.zarr" in path.name] == []


def test_one_image_at_a_time(refused, given, tmp_path):
    more = [*given[:2], tmp_path / "cell2.zarr"]
    cs.save(tmp_path / "cell2.zarr", cs.open(tmp_path / "cell.zarr"))
    said = refused(2, "restore", *more, "--out", tmp_path / "o.zarr", "--workers", 2)
    assert "is for one image, and 2 are given" in said


def test_parts_tell_how_far_the_whole_is(carescope, given, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "WORKING_MEMORY_BYTES", 1 << 20)
    out = tmp_path / "o.zarr"
    states = []
    for part in ("1/2", "0/2", "0/2"):
        ended = carescope("restore", *given, "--out", out, "--shard", part, "--json")
        assert ended.code == 0, ended.err
        states.append(json.loads(ended.out))
    assert [told["state"] for told in states] == ["part finished", "restored", "finished already"]
    assert states[0]["blocks"].startswith("2 of 4 of the whole")
    assert states[1]["restored"] == str(out)
    alone = tmp_path / "alone.zarr"
    assert carescope("restore", *given, "--out", alone).code == 0
    np.testing.assert_array_equal(read.open(out).array(), read.open(alone).array())
    command = read.provenance_of(out)["command"]
    assert command.endswith(f"--out {out} --json")
    plain = carescope("restore", *given, "--out", out, "--shard", "0/2", "--memory", "8GB")
    assert plain.code == 0  # the same in other words
    assert "finished already" in plain.out
    for other in (["--dtype", "uint8"], ["--voxel-um", "1,1,1"]):
        refused = carescope("restore", *given, "--out", out, "--shard", "0/2", *other)
        assert refused.code == 5
        assert "exists already" in refused.err


def test_the_channel_that_was_chosen_is_told_apart(carescope, given, tmp_path):
    two = np.random.default_rng(0).integers(0, 900, (2, 4, 60, 70)).astype("f4")
    cs.save(given[1], Image(two, "CZYX", (1, 0.2, 0.2)), overwrite=True)
    command = ["restore", *given, "--out", tmp_path / "o.zarr", "--shard", "0/1", "--channel"]
    assert [carescope(*command, n).code for n in (0, 0, 1)] == [0, 0, 5]
    assert read.provenance_of(tmp_path / "o.zarr")["channel"] == "0"


def test_what_lies_beside_the_output_is_no_input(refused, given, tmp_path):
    architecture = {"name": "shuffle", "depth": 1, "first_filters": 4, "scales": True}
    task = Task(kind="denoise", axes="YX")
    made = model.Model(net.build(**architecture), architecture, Recipe(loss="laplace"), task)
    model.save(made, tmp_path / "sure")
    cell = tmp_path / "o_scale.zarr"
    cs.save(cell, cs.open(given[1]))
    options = ["--shard", "0/2", "--spread", "--overwrite"]
    said = refused(2, "restore", tmp_path / "sure", cell, "--out", tmp_path / "o.zarr", *options)
    assert "o_scale.zarr: is what is read in the same run" in said
