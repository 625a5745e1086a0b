"""OME-Zarr on the command line: given like a file, and written under a name that ends in .zarr."""

import json
import os

import numpy as np
import pytest

import carescope as cs
from carescope import Image, Recipe, model, net, normalize, read
from carescope.jobs import once, restore
from carescope.task import Task


@pytest.fixture
def learnt(tmp_path):
    architecture = {"name": "shuffle", "depth": 1, "first_filters": 4}
    made = model.Model(
        net.build(**architecture), architecture, Recipe(), Task(kind="denoise", axes="YX")
    )
    model.save(made, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def given(stack, tmp_path):
    (tmp_path / "raw").mkdir()
    folder = tmp_path / "raw" / "cell.zarr"
    cs.save(folder, Image(stack.array()[:3, :60, :70], "ZYX", stack.voxel_um))
    return folder


def test_it_is_looked_at_checked_and_restored(carescope, learnt, given, tmp_path):
    told = carescope("info", given)
    assert told.code == 0
    assert "OME-Zarr 0.5 (Zarr 3)" in told.out
    assert "1 of 1 of the finest level are there" in told.out
    assert carescope("check", given).out.startswith("ok ")
    out = tmp_path / "out.zarr"
    ended = carescope("restore", learnt, given, "--out", out, "--memory", "8GB", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)[0]["restored"] == str(out)
    restored = read.open(out)
    assert (restored.shape, restored.voxel_um) == ((3, 60, 70), (0.8, 0.2, 0.2))
    notes = read.provenance_of(out)
    assert "Not for intensity-based quantification" in notes["caution"]
    assert notes["command"].startswith("carescope restore")
    again = carescope("restore", learnt, given, "--out", out)
    assert again.code == 5
    assert "exists already" in again.err
    assert carescope("restore", learnt, given, "--out", out, "--overwrite").code == 0


def test_what_goes_on_does_not_look_over_all_pixels_again(
    carescope, learnt, given, tmp_path, monkeypatch
):
    command = "restore", learnt, given, "--out", tmp_path / "out.zarr"

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(once, "WORTH", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with monkeypatch.context() as patch:
        patch.setattr(restore, "check_familiar", stopped)  # which comes after the passes
        assert carescope(*command).code == 130
    monkeypatch.setattr(read.check, "scan", stopped)
    monkeypatch.setattr(normalize, "fit", stopped)
    assert carescope(*command).code == 0
    workers = [*command[:-1], tmp_path / "two.zarr", "--workers", "2", "--json"]
    assert json.loads(carescope(*workers).out)[0]["restored"]
    os.utime(next(p for p in given.rglob("*") if p.is_file()))
    assert carescope(*command, "--overwrite").code == 130


def test_a_folder_of_them_becomes_a_folder_of_them(carescope, learnt, given, tmp_path):
    assert carescope("restore", learnt, given.parent, "--out", tmp_path / "done").code == 0
    assert [p.name for p in (tmp_path / "done").iterdir()] == ["cell.ome.zarr"]
    tiff = tmp_path / "cell.ome.tif"
    assert carescope("restore", learnt, given, "--out", tiff).code == 0
    written = read.open(tmp_path / "done" / "cell.ome.zarr").array()
    np.testing.assert_array_equal(read.open(tiff).array(), written)


def test_what_is_missing_is_said(carescope, learnt, tmp_path, stack):
    import zarr

    folder = tmp_path / "cell.zarr"
    cs.save(folder, Image(stack.array()[:, :60, :70], "ZYX", stack.voxel_um))
    whole = cs.open(folder).array()
    old = zarr.create_array(
        store=str(folder / "0"), data=whole, chunks=(8, 60, 70), dimension_names=["z", "y", "x"],
        overwrite=True,
    )  # fmt: skip
    assert old.nchunks == 2
    (folder / "0" / "c" / "1" / "0" / "0").unlink()
    assert "1 of 2 files of chunks are absent" in carescope("check", folder).out
    ended = carescope("restore", learnt, folder, "--out", tmp_path / "o.tif")
    assert ended.code == 0
    assert "cell.zarr: 1 of 2 files of chunks are absent" in ended.err
    (folder / "0" / "c" / "0" / "0" / "0").unlink()
    refused = carescope("restore", learnt, folder, "--out", tmp_path / "p.zarr")
    assert refused.code == 3
    assert "none of the 2 files" in refused.err
    assert not list(tmp_path.glob(".partial*"))


def test_a_stack_is_learnt_from_and_made_isotropic(carescope, tmp_path, stack):
    cs.save(tmp_path / "s.zarr", Image(stack.array()[:8, :64, :80], "ZYX", stack.voxel_um))
    out = tmp_path / "iso.zarr"
    few = ["--steps", 2, "--batch-size", 2, "--patch-px", 32, "--psf", "none"]
    ended = carescope("isotropic", tmp_path / "s.zarr", "--out", out, *few)
    assert ended.code == 0, ended.err
    image = read.open(out)
    assert image.shape == (29, 64, 80)
    assert image.voxel_um == pytest.approx((0.2, 0.2, 0.2))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["iso.report.html", "iso.zarr", "s.zarr"]
