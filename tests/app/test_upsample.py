"""``train upsample``: more planes of few, learnt from targets or from every F-th plane of them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from carescope import Grid, Image, metrics, read
from carescope.physics.sampling import upsample
from carescope.write import tiff

FEW = ("--batch-size", "2", "--patch-px", "32", "--patch-planes", "8", "--precision", "float32")
DATA = os.environ.get("CARESCOPE_DATA")


def save(path, grey, voxel_um=(0.8, 0.2, 0.2), axes="ZYX"):
    path.parent.mkdir(exist_ok=True)
    tiff.save(path, Image(np.ascontiguousarray(grey), axes, voxel_um))
    return path


@pytest.fixture
def folders(nuclei_volume, tmp_path):
    """Two stacks of 17 planes in high/ and every fourth of them, dimmer, in low/."""
    grey = (100 + 800 * nuclei_volume[20:37, :48, :64]).astype(np.uint16)
    for name, high in (("a.tif", grey), ("b.tif", grey[:, ::-1])):
        save(tmp_path / "high" / name, high, (0.2, 0.2, 0.2))
        save(tmp_path / "low" / name, high[::4] // 2)
    return tmp_path / "low", tmp_path / "high"


def test_train_and_restore(carescope, folders, tmp_path):
    low, high = folders
    model = tmp_path / "m"
    ended = carescope(
        "train", "upsample", "--low", low, "--high", high, "--model", model, "--steps", 3, *FEW,
        "--laplace", "--ensemble", 2, "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert (told["factor"], told["pairs"]) == (4, 2)
    assert not any("shifted" in said for said in told["warnings"])
    told = carescope("info", model).out
    assert "4 planes for each recorded one, in 3D" in told
    assert "planes 0.8 um apart, pixels of 0.2 um" in told
    out = tmp_path / "o"
    out.mkdir()
    ended = carescope("restore", model, low / "a.tif", "--out", out / "a.tif", "--spread")
    assert ended.code == 0, ended.err
    for name in ("a.tif", "a_scale.ome.tif", "a_disagreement.ome.tif"):
        restored = read.open(out / name)
        assert restored.shape == (17, 48, 64)
        assert restored.voxel() == pytest.approx((0.2, 0.2, 0.2))
    ended = carescope("trust", model, "--low", low, "--high", high, "--force", "--json")
    assert ended.code == 0, ended.err
    assert 0 < json.loads(ended.out)["channels"][0]["calibrated_error"] < 0.5
    coarse = save(tmp_path / "c.tif", read.open(low / "a.tif").array(), (1.6, 0.2, 0.2))
    ended = carescope("restore", model, coarse, "--out", out / "c.tif")
    assert (ended.code, "its planes lie 8 pixels apart" in ended.err) == (3, True)


def test_every_fourth_plane_is_practice_enough(carescope, folders, tmp_path):
    """No voxel size is needed, in training or restoring."""
    _, high = folders
    grey = read.open(high / "a.tif").array()
    save(tmp_path / "many" / "a.tif", grey, None)
    few = save(tmp_path / "few.tif", grey[::4], None)
    command = ("train", "upsample", "--high", tmp_path / "many", "--model", tmp_path / "m")
    ended = carescope(*command, "--factor", 4, "--steps", 2, *FEW)
    assert ended.code == 0, ended.err
    ended = carescope("restore", tmp_path / "m", few, "--out", tmp_path / "o.tif")
    assert ended.code == 0, ended.err
    restored = read.open(tmp_path / "o.tif")
    assert (restored.shape, restored.voxel_um) == ((17, 48, 64), None)
    wide = carescope("restore", tmp_path / "m", few, "--out", tmp_path / "p.tif", "--axes", "TYX")
    assert wide.code == 3


def test_the_voxel_size_given_is_that_of_the_few_planes(carescope, folders, tmp_path):
    low, high = folders
    command = ("train", "upsample", "--low", low, "--high", high, "--model", tmp_path / "m")
    command = (*command, "--steps", 1, *FEW, "--voxel-um", "2,0.5,0.5")
    ended = carescope(*command)
    assert (ended.code, "says nothing of --high" in ended.err) == (2, True)
    assert carescope(*command, "--factor", 4).code == 0
    assert "planes 2 um apart, pixels of 0.5 um" in carescope("info", tmp_path / "m").out


def test_what_does_not_fit_is_refused_before_training(refused, folders, tmp_path):
    low, high = folders
    command = ("train", "upsample", "--high", high, "--model", tmp_path / "m")
    assert "F is missing" in refused(2, *command)
    assert "F is 2.5" in refused(2, *command, "--factor", 2.5)
    assert "there is but one" in refused(3, *command, "--factor", 17)
    assert "makes no more planes" in refused(2, *command, "--low", high)
    message = refused(3, *command, "--low", low, "--factor", 3)
    for said in ("a.tif has 5 planes", "a factor of 4, not 3", "b.tif has 5 planes"):
        assert said in message
    grey = read.open(low / "a.tif").array()
    save(tmp_path / "none" / "a.tif", grey, None)
    save(tmp_path / "none" / "b.tif", grey, None)
    message = refused(3, *command, "--low", tmp_path / "none")
    assert "nothing tells how many planes" in message
    assert "--factor 4" in message
    (tmp_path / "none" / "b.tif").rename(tmp_path / "none" / "c.tif")
    message = refused(3, *command, "--low", tmp_path / "none")
    assert "c.tif has no counterpart" in message


def test_shifted_stacks_are_pointed_out_and_moved_back(carescope, nuclei_volume, tmp_path):
    low, high = tmp_path / "low" / "a.tif", tmp_path / "high" / "a.tif"
    grey = (100 + 800 * nuclei_volume[:33]).astype(np.uint16)
    save(low, grey[::4])
    save(high, np.roll(grey, (2, 5), (0, 1)), (0.2, 0.2, 0.2))
    command = ("train", "upsample", "--low", low, "--high", high, "--steps", 1, *FEW, "--json")
    for more, said in (((), "--register"), (("--register",), "were moved back")):
        ended = carescope(*command, *more, "--model", tmp_path / f"m{len(more)}")
        assert ended.code == 0, ended.err
        warning = next(w for w in json.loads(ended.out)["warnings"] if "shifted" in w)
        assert "a.tif by 2, 5, 0" in warning
        assert said in warning


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="CARESCOPE_DATA is not set")
def test_real_nuclei_come_out_better_than_interpolated(carescope, tmp_path):
    """Planes that were left out, in columns that no step has seen."""
    grey = read.open(Path(DATA) / "iso_cells3d_nuclei" / "nuclei.tif", axes="ZYX").array()[:57]
    save(tmp_path / "high" / "a.tif", grey[:, :, :160], (0.29, 0.26, 0.26))
    few = save(tmp_path / "few.tif", grey[::4, :, 160:], (1.16, 0.26, 0.26))
    command = ("train", "upsample", "--high", tmp_path / "high", "--factor", 4, "--model")
    more = ("--steps", 100, "--batch-size", 4, "--patch-px", 48)
    assert carescope(*command, tmp_path / "m", *more).code == 0
    carescope("restore", tmp_path / "m", few, "--out", tmp_path / "o.tif")
    unseen = np.arange(57) % 4 > 0
    truth = grey[unseen, :, 160:]
    plain = upsample(read.open(few).array(), Grid(15, 4, 1.16))
    restored = read.open(tmp_path / "o.tif").array()
    scores = [metrics.psnr(truth, image[unseen]) for image in (plain, restored)]
    assert scores[1] > scores[0] + 0.03  # more with more steps
