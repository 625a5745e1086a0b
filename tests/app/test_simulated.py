"""``train simulated``: from a YAML file to a model, which restores what has its pixels."""

import json
from pathlib import Path

import numpy as np
import pytest

import carescope as cs
from carescope import Image, Recipe, metrics, pairs, predict, read
from carescope.jobs import simulated as job
from carescope.pairs.simulated import VALIDATING_FIELDS
from carescope.physics.camera import expose
from carescope.write import tiff

EXAMPLE = Path(__file__).parents[2] / "examples" / "microtubules.yaml"
FEW = ("--batch-size", "2", "--patch-px", "32", "--precision", "float32", "--steps", "2")


@pytest.fixture
def scene(tmp_path):
    """The example, small."""
    text = (
        EXAMPLE.read_text().replace("[256, 256]", "[128, 128]").replace("fields: 256", "fields: 2")
    )
    (tmp_path / "tubes.yaml").write_text(text)
    return tmp_path / "tubes.yaml"


def test_train_and_restore(carescope, scene, tmp_path):
    model = tmp_path / "m"
    ended = carescope(
        "train", "simulated", scene, "--model", model, "--laplace", "--ensemble", 2, "--json", *FEW
    )
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert told["trained_on"] == ["simulated tubes"]
    assert any("only as true" in said for said in told["warnings"])
    known = cs.load_model(model).facts["fingerprint"]
    assert known["disagreement"]["images"] == VALIDATING_FIELDS
    assert "tubes as simulated, in 2D" in carescope("info", model).out
    grey = np.random.default_rng(0).poisson(20, (40, 72)).astype(np.uint16)
    for name, pixel_um in (("same", 0.04), ("other", 0.1)):
        tiff.save(tmp_path / f"{name}.tif", Image(grey, "YX", (1, pixel_um, pixel_um)))
    out = tmp_path / "o.tif"
    ended = carescope("restore", model, tmp_path / "same.tif", "--out", out, "--spread")
    assert ended.code == 0, ended.err
    assert read.open(out).shape == (40, 72)
    other = (tmp_path / "other.tif", "--out", tmp_path / "p.tif")
    ended = carescope("restore", model, *other)
    assert (ended.code, "pixels of 0.1 um" in ended.err) == (3, True)
    assert carescope("restore", model, *other, "--force").code == 0
    tiff.save(tmp_path / "unknown.tif", Image(grey, "YX"))
    ended = carescope("restore", model, tmp_path / "unknown.tif", "--out", tmp_path / "q.tif")
    assert (ended.code, "does not say how large" in ended.err) == (0, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("phantom: [tubes", "is no YAML in line"),
        ("- tubes", "holds no names with values"),
        ("phantom: tubes\npsf: widefield", "voxel_um"),
        ("!!python/object/apply:os.system ['true']", "is no YAML"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_file_is_refused_before_any_work(carescope, tmp_path, text, said):
    path = tmp_path / "bad.yaml"
    if text is not None:
        path.write_text(text)
    ended = carescope("train", "simulated", path, "--model", tmp_path / "m", *FEW)
    assert ended.code in (2, 3)
    assert said in ended.err
    assert "bad.yaml" in ended.err
    assert not (tmp_path / "m").exists()


def test_tubes_come_out_sharper_than_they_were_recorded(one_thread):
    values = job.read_settings(EXAMPLE) | {"shape": (128, 128), "fields": 6}
    made = pairs.Scene.of(values | {"photons": (300, 300), "autofluorescence": (0.1, 0.1)})
    quick = {"batch_size": 4, "patch_px": 64, "precision": "float32", "steps_per_epoch": 50}
    learnt = job.learn_scene(made, Recipe.of(steps=200, **quick))
    seen = made.field(99, 0)
    grey, noise = made.exposure(99, 0, 0)
    taken = expose(noise.offset + grey * seen.light, noise, np.random.default_rng(0))
    restored = predict.restore(learnt, Image(taken, "YX", (1, 0.04, 0.04))).mean.array()
    assert metrics.nrmse(seen.sharp, restored) < 0.85 * metrics.nrmse(seen.sharp, taken)
