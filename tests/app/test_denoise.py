"""Denoising from the command line: folders of pairs in, a model, and restored files out."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from carescope import Image, Recipe, load_model, phantoms, read
from carescope.jobs.denoise import PAPER
from carescope.write import tiff


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three two-channel films of nuclei with little light, and with enough."""
    folder = tmp_path_factory.mktemp("pairs")
    density, _ = phantoms.nuclei((24, 96, 112), 4, volume_per_nucleus_px3=12_000)
    rng = np.random.default_rng(0)
    for number in range(3):
        film = np.stack([density[8 * number : 8 * number + 2]] * 2, axis=1)
        low = rng.poisson(10 * film + 2).astype(np.uint16)
        high = (1000 * film + 100).astype(np.uint16)
        for kind, grey in (("low", low), ("high", high)):
            (folder / kind).mkdir(exist_ok=True)
            image = Image(grey, "TCYX", (1, 0.1, 0.1), ("DNA", "actin"))
            tiff.save(folder / kind / f"{number}.ome.tif", image)
    return folder


FEW = ("--steps", "4", "--batch-size", "2", "--patch-px", "32", "--precision", "float32")


def test_train_restore_and_evaluate(carescope, folders, tmp_path):
    pairs = ("--low", folders / "low", "--high", folders / "high")
    ended = carescope("train", "denoise", *pairs, "--model", tmp_path / "m", *FEW, "--laplace")
    assert (ended.code, ended.out.split()[:4]) == (0, ["model", str(tmp_path / "m"), "pairs", "3"])
    info = carescope("info", tmp_path / "m").out
    assert "noise, in 2D" in info
    ended = carescope(
        "restore", tmp_path / "m", folders / "low", "--out", tmp_path / "o", "--spread"
    )
    assert ended.code == 0, ended.err
    restored = read.open(tmp_path / "o" / "1.ome.tif")
    assert (restored.axes, restored.shape) == ("TCYX", (2, 2, 96, 112))
    assert restored.channel_names == ("DNA", "actin")
    assert restored.voxel_um[1:] == (0.1, 0.1)
    assert (read.open(tmp_path / "o" / "1_scale.ome.tif").array() > 0).all()
    mirrored = tmp_path / "mirrored.ome.tif"
    image = folders / "low" / "1.ome.tif"
    ended = carescope(
        "restore", tmp_path / "m", image, "--out", mirrored, "--tta", "--timepoint", 0
    )
    assert ended.code == 0, ended.err
    assert (read.open(mirrored).array() != restored.array()[0]).any()
    with tifffile.TiffFile(mirrored) as tif:
        assert "mean over four mirror images" in tif.ome_metadata
    ended = carescope(
        *("movie", tmp_path / "m", image, "--out", tmp_path / "m.mp4"),
        *("--timepoint", 0, "--frames", 2, "--json"),
    )
    assert set(json.loads(ended.out)) == {"movie", "frames", "warnings"}


def test_pairs_that_judge_are_looked_at_as_those_that_train(carescope, folders, tmp_path):
    pairs = ("--low", folders / "low", "--high", folders / "high")
    model = tmp_path / "m"
    carescope("train", "denoise", *pairs, "--model", model, *FEW, "--laplace")
    for number in range(3):
        high = read.open(folders / "high" / f"{number}.ome.tif")
        (tmp_path / "moved").mkdir(exist_ok=True)
        moved = replace(high, data=np.roll(high.array(), (3, 5), (-2, -1)))
        tiff.save(tmp_path / "moved" / f"{number}.ome.tif", moved)
    refused = carescope("trust", model, *pairs)
    assert refused.code == 3
    assert "shifted" not in refused.err
    assert "the model was trained on them" in refused.err
    trust = ("trust", model, *pairs[:3], tmp_path / "moved", "--force")
    assert "laplace scales, not calibrated" in carescope("info", model).out
    ended = carescope(*trust)
    assert ended.code == 0, ended.err
    assert "scales, calibrated with 3 images: times " in carescope("info", model).out
    restored = carescope("restore", model, folders / "low", "--out", tmp_path / "o", "--spread")
    assert restored.code == 0, restored.err
    told = read.provenance_of(tmp_path / "o" / "0_scale.ome.tif")["values"]
    assert "in grey levels, calibrated with 3 images: times " in told
    assert "Targets lie shifted by whole pixels (z, y, x)" in ended.err
    assert "--register moves such back" in ended.err
    assert carescope(*trust, "--register", "--report", tmp_path / "t.html").code == 5
    assert "they were moved back" in carescope(*trust, "--overwrite", "--register").err


def test_pooled_conditions_and_refusals_in_json(carescope, folders, tmp_path):
    low = ("--low", folders / "low")
    ended = carescope(
        "train", "denoise", *low, *low, "--high", folders / "high", "--model", tmp_path / "m", *FEW,
        "--json",
    )  # fmt: skip
    assert ended.code == 0
    assert json.loads(ended.out)["pairs"] == 6
    small = read.open(folders / "low" / "0.ome.tif")
    (tmp_path / "bad").mkdir()
    for number, part in enumerate(
        (small.cropped({"Y": slice(0, 64)}), small.select("C", 0), small)
    ):
        tiff.save(tmp_path / "bad" / f"{number}.ome.tif", replace(part, data=part.array()))
    ended = carescope(
        "train", "denoise", "--low", tmp_path / "bad", "--high", folders / "high", "--model",
        tmp_path / "n",
    )  # fmt: skip
    assert ended.code == 3
    assert "0.ome.tif is T=2 C=2 Y=64 X=112 and its target T=2 C=2 Y=96 X=112" in ended.err
    assert "1.ome.tif has single planes of 1 to 2 channels" in ended.err
    assert not (tmp_path / "n").exists()


def test_the_paper_is_a_preset(carescope, folders, tmp_path, monkeypatch):
    asked = []

    def remember(self, *_, **__):
        asked.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(
        "carescope.jobs.denoise.learn_pairs", lambda _, recipe, **__: remember(recipe)
    )
    command = ("train", "denoise", "--low", folders / "low", "--high", folders / "high", "--model",
               tmp_path / "m", "--preset")  # fmt: skip
    carescope(*command, "paper")
    assert asked[0] == Recipe.of(**PAPER)
    carescope(*command, "paper", "--minutes", "3", "--laplace")
    assert (asked[1].minutes, asked[1].steps, asked[1].loss) == (3, None, "laplace")
    ended = carescope(*command, "paper", "--network", "isonet2")
    assert (ended.code, "asks for care, and --network for isonet2" in ended.err) == (2, True)
    assert carescope(*command, "nature").code == 2


def test_a_stack_for_planes_and_planes_for_a_stack(carescope, folders, tmp_path, stack):
    pairs = ("--low", folders / "low", "--high", folders / "high", "--channel", "0")
    assert carescope("train", "denoise", *pairs, "--model", tmp_path / "m", *FEW).code == 0
    assert load_model(tmp_path / "m").task.channels_in == 1
    tiff.save(tmp_path / "s.ome.tif", stack)
    ended = carescope(
        "restore", tmp_path / "m", tmp_path / "s.ome.tif", "--out", tmp_path / "o.tif"
    )
    assert ended.code == 0
    assert read.open(tmp_path / "o.tif").shape == stack.shape
    ended = carescope(
        "train", "isotropic", tmp_path / "s.ome.tif", "--from", tmp_path / "m", "--model",
        tmp_path / "n", "--psf", "none",
    )  # fmt: skip
    assert (ended.code, "made to denoise in 2D, not to isotropic" in ended.err) == (2, True)


def test_files_that_cannot_be_restored_are_all_named(carescope, folders, tmp_path):
    pairs = ("--low", folders / "low", "--high", folders / "high")
    model = tmp_path / "m"
    assert carescope("train", "denoise", *pairs, "--model", model, *FEW).code == 0
    good = read.open(folders / "low" / "0.ome.tif")
    for name, value in (("blank", 7.0), ("broken", np.nan)):
        grey = np.full(good.shape, value, np.float32)
        grey[..., 0] += 0.0 if name == "blank" else 1.0
        tiff.save(folders / "low" / f"{name}.ome.tif", replace(good, data=grey))
    ended = carescope("restore", model, folders / "low", "--out", tmp_path / "o")
    assert ended.code == 3
    assert "blank.ome.tif: has the same value everywhere, 7: there is nothing in it" in ended.err
    assert "broken.ome.tif: holds" in ended.err
    assert not (tmp_path / "o").exists()


def test_a_model_whose_training_was_interrupted_says_so(refused, tmp_path):
    (tmp_path / "m" / "run").mkdir(parents=True)
    said = refused(4, "info", tmp_path / "m")
    assert "training has not ended, so there is no model yet. Give the command" in said
