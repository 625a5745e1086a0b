"""From a folder of movies with two channels to restorations that say how sure they are."""

import json
from dataclasses import replace

import numpy as np
import pytest

from carescope import Image, model, read
from carescope.write import tiff

QUICK = ("--steps", 6, "--batch-size", 2, "--patch-px", 32, "--precision", "float32")


@pytest.fixture
def movies(tmp_path, stack):
    """Two files of 2 time points and 2 named channels in a folder."""
    grey = stack.array()[:12]
    both = np.stack([np.stack([grey, grey[:, ::-1]]), np.stack([grey // 2, grey // 3])])
    names = ("nuclei", "membranes")
    (tmp_path / "day1").mkdir()
    for name in ("a", "b"):
        image = Image(both, "TCZYX", stack.voxel_um, names)
        tiff.save(tmp_path / "day1" / f"{name}.ome.tif", image)
    return tmp_path / "day1"


def test_a_folder_of_movies_is_learnt_and_restored_with_its_spread(carescope, movies, tmp_path):
    made, out = tmp_path / "m", tmp_path / "out"
    options = ("--psf", "none", "--laplace", "--ensemble", 2, *QUICK, "--json")
    ended = carescope("train", "isotropic", movies, "--model", made, *options)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["steps"] == 12
    learnt = model.load(made)
    assert [m.facts["trained_on"] for m in learnt.members] == [["a.ome.tif", "b.ome.tif"]] * 2
    assert learnt.members[0].facts["stacks"] == 4
    ended = carescope("restore", made, movies, "--out", out, "--spread", "--json")
    assert ended.code == 0, ended.err
    layers = ("", "_disagreement", "_scale")
    expected = sorted(f"{name}{layer}.ome.tif" for name in "ab" for layer in layers)
    assert sorted(path.name for path in out.iterdir()) == expected
    for path in out.iterdir():
        image = read.open(path)
        assert (image.axes, image.shape) == ("TCZYX", (2, 2, 45, 96, 112))
        assert image.channel_names == ("nuclei", "membranes")
        assert image.voxel_um == pytest.approx((0.2, 0.2, 0.2))
    assert 0 <= read.open(out / "a_disagreement.ome.tif").array().max() <= 1


def test_one_command_restores_both_channels_and_reports(carescope, movies, tmp_path):
    out = tmp_path / "iso.ome.tif"
    ended = carescope(
        *("isotropic", movies / "a.ome.tif", "--out", out, "--timepoint", 1, "--per-channel"),
        *("--laplace", "--spread", "--psf", "none", *QUICK),
    )
    assert ended.code == 0, ended.err
    assert read.open(out).axes == "CZYX"
    assert "iso_scale.ome.tif" in ended.out
    page = (tmp_path / "iso.report.html").read_text()
    assert "for each of 2 channels" in page


def test_stacks_that_differ_are_all_named_before_training(refused, movies, tmp_path, stack):
    thin = replace(stack, voxel_um=(1.6, 0.2, 0.2))
    for name in ("x.ome.tif", "y.ome.tif"):
        tiff.save(movies / name, thin)
    said = refused(3, "train", "isotropic", movies, "--model", tmp_path / "m", "--psf", "none")
    assert "x.ome.tif has 1 channels, not 2 and a factor of 8, not 4" in said
    assert "y.ome.tif" in said


def test_spread_needs_a_network_that_predicts_it(refused, movies, tmp_path):
    stack, out = movies / "a.ome.tif", tmp_path / "iso.ome.tif"
    said = refused(2, "isotropic", stack, "--out", out, "--spread", "--psf", "none")
    assert "--laplace" in said
    said = refused(
        2, "isotropic", stack, "--out", out, "--laplace", "--loss", "mae", "--psf", "none"
    )
    assert "asks for the loss laplace, and --loss for mae" in said


def test_a_folder_without_images_is_refused(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    said = refused(3, "train", "isotropic", tmp_path / "empty", "--model", tmp_path / "m")
    assert "holds no .tif or .tiff file" in said
