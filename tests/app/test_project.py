"""``train project``: from simulated sheets to files of their surfaces and heights."""

import json

import numpy as np
import pytest

from carescope import Image, read
from carescope.write import tiff

FEW = ("--batch-size", "2", "--patch-px", "32", "--precision", "float32", "--steps", "3")


@pytest.fixture(scope="module")
def sheets(carescope, tmp_path_factory):
    """Two films of a folded sheet with their surfaces, as ``simulate`` writes them."""
    out = tmp_path_factory.mktemp("sheets") / "sim"
    ended = carescope(
        "simulate", "epithelium", "--shape", "24,64,80", "--count", 2, "--frames", 2, "--out", out,
        "--set", "second_px=6", "--set", "depth_px=4",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    return out


def test_train_and_restore(carescope, sheets, tmp_path):
    model = tmp_path / "m"
    ended = carescope(
        "train", "project", "--low", sheets / "image", "--surface", sheets / "surface",
        "--model", model, "--laplace", "--ensemble", 2, "--json", *FEW,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["pairs"] == 2
    first = sorted((sheets / "image").iterdir())[0]
    out = tmp_path / "restored"
    ended = carescope("restore", model, first, "--out", out, "--spread", "--height", "--json")
    assert ended.code == 0, ended.err
    [row] = json.loads(ended.out)
    stack = read.open(first)
    for layer in ("restored", "scale", "disagreement", "height"):
        image = read.open(row[layer])
        assert (image.axes, image.shape) == ("TYX", (2, 64, 80))
        assert image.voxel_um[1:] == stack.voxel_um[1:]
    height = read.open(row["height"]).array()
    assert 0 <= height.min() < height.max() <= stack.size("Z") - 1
    held = ("--low", sheets / "image", "--high", sheets / "surface")
    ended = carescope("trust", model, *held, "--force", "--json")
    assert ended.code == 0, ended.err
    assert 0 < json.loads(ended.out)["channels"][0]["calibrated_error"] < 0.5
    zarr = carescope("restore", model, first, "--out", tmp_path / "o.zarr", "--height")
    assert zarr.code == 0, zarr.err
    np.testing.assert_allclose(read.open(tmp_path / "o_height.zarr").array(), height, atol=1e-3)


def test_what_does_not_fit_is_refused(carescope, sheets, tmp_path):
    low, surface = sheets / "image", sheets / "surface"
    ended = carescope(
        "train", "project", "--low", low, "--surface", low, "--model", tmp_path / "m", *FEW
    )
    assert ended.code == 3
    assert "single planes of equal rows and columns" in ended.err
    assert not (tmp_path / "m").exists()
    flat = tmp_path / "flat"
    ended = carescope(
        "train", "denoise", "--low", surface, "--high", surface, "--model", flat, *FEW
    )
    assert ended.code == 0, ended.err
    tiff.save(tmp_path / "a.tif", Image(np.eye(64, dtype=np.float32), "YX"))
    ended = carescope("restore", flat, tmp_path / "a.tif", "--out", tmp_path / "b.tif", "--height")
    assert ended.code == 4
    assert "does not project stacks" in ended.err
    assert not (tmp_path / "b.tif").exists()
