"""Simulated images on the command line: whole folders that feed the other commands."""

import json

import numpy as np
import pytest
import zarr

from carescope import phantoms, read
from carescope.grid import Grid
from carescope.jobs.denoise import match

FOLDERS = ("truth", "labels", "clean", "image")
SMALL = ("--shape", "33,48,64", "--set", "volume_per_nucleus_px3=9000")


def images(out, kind="nuclei", seed=0, folders=FOLDERS):
    return {name: read.open(out / name / f"{kind}_{seed:04d}.ome.tif") for name in folders}


def test_a_stack_its_truth_and_its_labels(carescope, tmp_path):
    ended = carescope(
        "simulate", "nuclei", *SMALL, "--seed", 3, "--out", tmp_path / "s", "--voxel-um", 0.1,
        "--photons", 200, "--gain", 2, "--offset", 50, "--read-noise", 1,
    )  # fmt: skip
    assert ended.code == 0, ended
    made = images(tmp_path / "s", seed=3)
    assert {i.shape for i in made.values()} == {(33, 48, 64)}
    assert {i.voxel_um for i in made.values()} == {(0.1, 0.1, 0.1)}
    density, labels = phantoms.nuclei((33, 48, 64), 3, packed=True, volume_per_nucleus_px3=9000)
    np.testing.assert_array_equal(made["truth"].array(), density)
    np.testing.assert_array_equal(made["labels"].array(), labels)
    clean, image = made["clean"].array(), made["image"].array()
    assert clean.max() == pytest.approx(50 + 2 * 200, rel=1e-5)
    assert image.dtype == np.uint16
    # Poisson noise of the gain, and the camera's own.
    off = image - clean
    assert off.mean() == pytest.approx(0, abs=0.3)
    bright = clean > 150
    assert np.mean(off[bright] ** 2) == pytest.approx(
        np.mean(2 * (clean[bright] - 50)) + 1 + 1 / 12, rel=0.1
    )


def test_a_coarse_stack_has_the_truth_of_its_restoration(carescope, tmp_path):
    ended = carescope(
        "simulate", "nuclei", *SMALL, "--out", tmp_path, "--factor", 5, "--psf", "gaussian",
        "--sigma-um", "0.8,0.2,0.2", "--autofluorescence", 0.1, "--json",
    )  # fmt: skip
    assert ended.code == 0, ended
    (row,) = json.loads(ended.out)
    made = images(tmp_path)
    assert row["objects"] == made["labels"].array().max()
    image = made["image"]
    assert image.shape == (7, 48, 64)
    assert image.voxel_um == pytest.approx((1.0, 0.2, 0.2))
    grid = Grid.of(image)
    assert grid.factor == 5
    assert made["truth"].shape[0] == made["labels"].shape[0] == grid.restored_planes == 31


def test_several_images_are_those_of_their_seeds_and_make_pairs(carescope, tmp_path):
    more, one = tmp_path / "more", tmp_path / "one"
    assert carescope("simulate", "nuclei", *SMALL, "--count", 3, "--out", more).code == 0
    assert carescope("simulate", "nuclei", *SMALL, "--seed", 2, "--out", one).code == 0
    for name, image in images(one, seed=2).items():
        again = images(more, seed=2)[name]
        np.testing.assert_array_equal(image.array(), again.array())
    assert len(match([more / "image"], more / "clean").files) == 3
    scored = carescope("evaluate", more / "image", more / "clean", "--json")
    assert scored.code == 0, scored


def test_a_movie_of_an_epithelium_with_its_surface_and_height(carescope, tmp_path):
    ended = carescope(
        "simulate", "epithelium", "--shape", "24,48,64", "--frames", 2, "--factor", 2,
        "--out", tmp_path, "--set", "second=0",
    )  # fmt: skip
    assert ended.code == 0, ended
    made = images(tmp_path, "epithelium", folders=(*FOLDERS, "surface", "height"))
    assert made["image"].axes == "TZYX"
    assert made["image"].shape == (2, 12, 48, 64)
    assert made["surface"].axes == made["height"].axes == made["labels"].axes == "TYX"
    late = phantoms.epithelium((24, 48, 64), 0, time=1, second=0)
    np.testing.assert_array_equal(made["surface"].array()[1], late.surface)
    # In recorded planes: the brightest one is there.
    np.testing.assert_allclose(made["height"].array()[1], late.height / 2, rtol=1e-6)
    off = made["clean"].array()[1].argmax(axis=0) - made["height"].array()[1]
    assert np.median(np.abs(off)[late.surface > 0.5]) < 0.75


def test_ome_zarr_holds_what_ome_tiff_holds(carescope, tmp_path):
    line = (
        "simulate", "tissue", "--shape", "80,40,300", "--factor", 1.5, "--psf", "gaussian",
        "--sigma-um", "0.6,0.2,0.2", "--set", "volume_per_cell_px3=9000",
    )  # fmt: skip
    assert carescope(*line, "--out", tmp_path / "tiff").code == 0
    assert carescope(*line, "--out", tmp_path / "zarr", "--zarr").code == 0
    for part, image in images(tmp_path / "tiff", "tissue").items():
        folder = tmp_path / "zarr" / part / "tissue_0000.ome.zarr"
        other = read.open(folder)
        np.testing.assert_array_equal(other.array(), image.array())
        assert (other.axes, other.dtype, other.channel_names) == (
            image.axes, image.dtype, image.channel_names,
        )  # fmt: skip
        assert other.voxel_um == pytest.approx(image.voxel_um)
    # Coarser levels of labels are labels, not means of them.
    levels = zarr.open_group(str(tmp_path / "zarr" / "labels" / "tissue_0000.ome.zarr"), mode="r")
    assert set(np.unique(levels["1"])) <= set(np.unique(levels["0"]))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_planes(peak_bytes, tmp_path):
    line = ("simulate", "granules", "--zarr", "--psf", "gaussian", "--sigma-um", "0.4,0.2,0.2")
    few, many = (
        peak_bytes(*line, "--shape", f"{planes},256,256", "--out", tmp_path / str(planes))
        for planes in (64, 512)
    )
    volume_bytes = 4 * 512 * 256 * 256
    assert many - few < 0.25 * volume_bytes


def test_channels_of_a_tissue_and_flat_granules(carescope, tmp_path):
    done = carescope("simulate", "tissue", "--shape", "24,40,40", "--out", tmp_path)
    assert done.code == 0, done
    made = images(tmp_path, "tissue")
    assert made["image"].channel_names == ("nuclei", "membranes")
    assert made["labels"].channel_names == ("nuclei", "cells")
    assert made["image"].shape == (2, 24, 40, 40)
    done = carescope(
        "simulate", "granules", "--shape", "64,64", "--out", tmp_path, "--psf", "widefield",
        "--na", 1.2, "--wavelength-um", 0.5,
    )  # fmt: skip
    assert done.code == 0, done
    assert images(tmp_path, "granules")["image"].axes == "YX"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["nuklei"], "no phantom"),
        (["nuclei", "--set", "radius=3"], "Did you mean radius_px"),
        (["nuclei", "--set", "radius_px=3"], "no value of radius_px"),
        (["nuclei", "--set", "packed=perhaps"], "no value of packed, which is True by default"),
        (["nuclei", "--set", "radius_px=3,4"], "Add --set packed=false"),
        (["nuclei", "--psf", "auto"], "no stack in which"),
        (["nuclei", "--psf", "confocal"], "needs --na"),
        (["nuclei", "--photons", "0"], "make no image"),
        (["nuclei", "--frames", "3"], "do not move"),
        (["epithelium", "--shape", "64,64"], "no shape 64 x 64 holds an epithelium"),
        (["nuclei", "--shape", "32,32,32", "--factor", "40"], "cannot be recorded"),
        (["tubes", "--shape", "64,64", "--factor", "2"], "without planes"),
        (["tubes", "--shape", "8,64,64"], "too small for tubes"),
        (["nuclei", "--autofluorescence", "-1"], "strength -1"),
        (["nuclei", "--dtype", "int7"], "int7"),
    ],
)
def test_what_is_impossible_is_refused_before_any_work(refused, tmp_path, options, says):
    assert says in refused(2, "simulate", *options, "--out", tmp_path / "s")


def test_an_image_without_objects_is_told_of(carescope, tmp_path):
    line = ("simulate", "tubes", "--shape", "64,64", "--out", tmp_path)
    done = [carescope(*line, "--seed", seed) for seed in range(4)]
    assert [one.code for one in done] == [0] * 4
    empty = ["objects 0" in " ".join(one.out.split()) for one in done]
    assert empty == ["holds no object" in one.err for one in done]
    assert set(empty) == {True, False}


def test_files_are_replaced_only_when_asked(carescope, refused, tmp_path):
    line = ("simulate", "granules", "--shape", "32,32,32", "--out", tmp_path)
    assert carescope(*line).code == 0
    assert "exists already" in refused(5, *line)
    assert carescope(*line, "--seed", 1, "--overwrite").code == 0
    assert carescope(*line, "--overwrite").code == 0
