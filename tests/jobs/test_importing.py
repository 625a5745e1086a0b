"""Models of CSBDeep restore here what they restore there."""

import importlib
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from carescope import Image, load_model, metrics, predict, read
from carescope.errors import ModelError, OutputError
from carescope.jobs.assess import describe
from carescope.jobs.importing import import_csbdeep
from carescope.jobs.restore import restore_file

MADE = Path(__file__).parents[1] / "model" / "csbdeep"
EXPECTED = np.load(MADE / "expected.npz", allow_pickle=False)
DATA = os.environ.get("CARESCOPE_DATA")
# The axes of the image, and of what CSBDeep made of it.
AXES = {
    "plain": ("YX", "YX"),
    "two_of_one": ("YX", "YXC"),
    "xyc": ("CYX", "CYX"),
    "stack": ("ZYX", "ZYX"),
    "xyzc": ("ZYX", "ZYX"),
    "surface": ("ZYX", "YX"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("csbdeep")
    zipfile.ZipFile(MADE / "models.zip").extractall(folder)
    return folder


def ordered(image, axes):
    return np.moveaxis(image.array(), [image.axes.index(a) for a in axes], range(len(axes)))


@pytest.mark.parametrize("name", AXES)
def test_restored_images_are_csbdeeps(made, tmp_path, name):
    import_csbdeep(made / name, tmp_path / "m")
    model = load_model(tmp_path / "m")
    given, got = AXES[name]
    restored = predict.restore(model, Image(EXPECTED[f"{name}/image"], given, (1, 1, 1)))
    for layer, key in ((restored.mean, "restored"), (restored.scale, "scale")):
        if f"{name}/{key}" not in EXPECTED:
            assert layer is None
            continue
        expected = EXPECTED[f"{name}/{key}"]
        found = ordered(layer, got)
        assert np.abs(found - expected).max() <= 1e-5 * np.ptp(expected)


def test_an_isotropic_model_restores_much_the_same(made, tmp_path):
    """Apart from where planes lie, and the fusion of views."""
    model = import_csbdeep(made / "isotropic", tmp_path / "m", kind="isotropic", factor=2.5)
    image = Image(EXPECTED["isotropic/image"], "ZYX", (2.5, 1, 1))
    restored = predict.restore(model, image).mean
    assert restored.shape == (11, 7, 10)
    expected = EXPECTED["isotropic/restored"]
    assert np.corrcoef(restored.array()[0].ravel(), expected[0].ravel())[0, 1] > 0.8


def test_what_is_told_of_a_model_names_who_trained_it(made, tmp_path):
    import_csbdeep(made / "isotropic", tmp_path / "m", kind="isotropic", factor=2.5)
    told = describe(tmp_path / "m")
    assert told["trained_by"] == "CSBDeep, in isotropic"
    assert told["restores"] == "2.5 planes for each recorded one"  # nobody knows the PSF
    assert not told.keys() & {"trained_on", "training"}


def test_an_image_so_large_that_engines_are_tried_is_csbdeeps_too(made, tmp_path, monkeypatch):
    """Nothing in bfloat16, which may lie 1e-2 of the range off in single pixels."""
    choosing = importlib.import_module("carescope.engine.choose")
    monkeypatch.setattr(choosing, "WORTH", 0)
    slow = {"torch float32": 1.0}
    monkeypatch.setattr(choosing._Known, "_timed", lambda self, engine, tile: slow.get(engine, 0.1))
    import_csbdeep(made / "plain", tmp_path / "m")
    image = Image(np.tile(EXPECTED["plain/image"], (8, 8)), "YX", (1, 1, 1))
    alone = predict.restore(load_model(tmp_path / "m"), image, engine="torch").mean.array()
    restore_file(load_model(tmp_path / "m"), image, tmp_path / "auto.tif")
    found = read.open(tmp_path / "auto.tif").array()
    assert np.abs(found - alone).max() <= 1e-5 * np.ptp(alone)


def test_few_planes_become_more(made, tmp_path):
    model = import_csbdeep(made / "upsampling", tmp_path / "m", kind="upsample", factor=2.5)
    image = Image(EXPECTED["upsampling/image"], "ZYX", (2.5, 1, 1))
    restored = predict.restore(model, image).mean
    assert restored.shape == (6, 8, 9)
    assert restored.voxel_um == (1.0, 1, 1)


def test_the_command(made, tmp_path):
    from carescope.app import cli

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["carescope", "import-csbdeep", str(made / "surface"),
                                   "--model", str(tmp_path / "m")])  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert not ended.value.code
    model = load_model(tmp_path / "m")
    written = restore_file(
        model, Image(EXPECTED["surface/image"], "ZYX", (1, 1, 1)), tmp_path / "o.tif", spread=True
    )
    assert (written.image.axes, written.image.shape) == ("YX", (19, 18))
    with pytest.raises(OutputError, match="finished model"):
        import_csbdeep(made / "surface", tmp_path / "m")
    with pytest.raises(ModelError):
        import_csbdeep(tmp_path, tmp_path / "n")


@pytest.mark.skipif(not DATA, reason="CARESCOPE_DATA is not set")
@pytest.mark.parametrize("name", ["models_care_2d_probabilistic_nriss", "models_care_2d_salomepx"])
def test_models_that_users_trained(name, tmp_path):
    configs = sorted(Path(DATA, name).rglob("config.json"))
    model = import_csbdeep(configs[0].parent, tmp_path / "m")
    grey = np.random.default_rng(1).integers(100, 356, (21, 30)).astype(np.uint16)
    restored = predict.restore(model, Image(grey, "YX")).mean.array()
    expected = EXPECTED[f"{name}/restored"]
    assert np.abs(restored - expected).max() <= 1e-4 * np.ptp(expected)
    assert metrics.psnr(expected, restored) > 80
