"""A model of CSBDeep's is here exactly the function that it is there.

models.zip and expected.npz were made by csbdeep 0.8.2 with TensorFlow 2.19: see
benchmarks/csbdeep_models.py, which also says how many more variants it compares.
"""

import json
import os
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from carescope import net
from carescope.model.csbdeep import read_csbdeep

MADE = Path(__file__).parent / "csbdeep"
EXPECTED = np.load(MADE / "expected.npz", allow_pickle=False)
HOW = {
    "isotropic": {"kind": "isotropic", "factor": 2.5},
    "upsampling": {"kind": "upsample", "factor": 2.5},
}
# name: kind, axes, channels in and out, loss
MODELS = {
    "plain": ("denoise", "YX", 1, 1, "mae"),
    "two_of_one": ("denoise", "YX", 1, 2, "laplace"),
    "xyc": ("denoise", "YX", 2, 2, "mae"),
    "sigmoid": ("denoise", "YX", 1, 1, "mae"),
    "stack": ("denoise", "ZYX", 1, 1, "laplace"),
    "xyzc": ("denoise", "ZYX", 1, 1, "mae"),
    "keras3": ("denoise", "YX", 1, 1, "laplace"),
    "surface": ("project", "ZYX", 1, 1, "laplace"),
    "surface_xyzc": ("project", "ZYX", 2, 1, "mae"),
    "isotropic": ("isotropic", "YX", 1, 1, "laplace"),
    "upsampling": ("upsample", "ZYX", 1, 1, "mae"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("csbdeep")
    zipfile.ZipFile(MADE / "models.zip").extractall(folder)
    return folder


@pytest.fixture
def copy(made, tmp_path):
    """A model to change."""

    def copied(name):
        return Path(shutil.copytree(made / name, tmp_path / name))

    return copied


def network(imported):
    network = net.build(**imported.architecture).eval()
    network.load_state_dict(imported.state)
    return network


def channels_first(batch, imported):
    """(N, *space, C) in the order of CSBDeep's network to (N, C, [Z,] Y, X)."""
    space, order = imported.facts["config"]["axes"].replace("C", ""), "ZYX"
    if imported.kind == "isotropic":  # CSBDeep shows lateral rows of axial columns
        space, order = "XZ", "ZX"
    if batch.ndim < len(space) + 2:  # it has been projected
        space = space.replace("Z", "")
    return batch.transpose(0, -1, *(space.index(axis) + 1 for axis in order if axis in space))


def run(imported, x):
    with torch.inference_mode():
        return network(imported)(torch.from_numpy(np.ascontiguousarray(x))).numpy()


def assert_same(restored, expected):
    assert restored.shape == expected.shape
    assert np.abs(restored - expected).max() <= 1e-5 * np.ptp(expected)


@pytest.mark.parametrize("name", MODELS)
def test_the_network_gives_what_csbdeep_gives(made, name):
    imported = read_csbdeep(made / name, **HOW.get(name, {}))
    x, raw = (channels_first(EXPECTED[f"{name}/{key}"], imported) for key in ("x", "raw"))
    assert_same(run(imported, x), raw)


@pytest.mark.parametrize("name", MODELS)
def test_no_layer_is_there_for_nothing(made, name):
    """Were some of these networks dead inside, the comparison would compare little."""
    imported = read_csbdeep(made / name, **HOW.get(name, {}))
    x = channels_first(EXPECTED[f"{name}/x"], imported)
    whole = run(imported, x)
    for key in (key for key in imported.state if key.endswith("weight")):
        silenced = imported.state | {key: torch.zeros_like(imported.state[key])}
        changed = np.abs(run(imported._replace(state=silenced), x) - whole).max()
        assert changed > 0.01 * np.ptp(whole), key


@pytest.mark.parametrize("name", MODELS)
def test_what_is_known_of_a_model(made, name):
    imported = read_csbdeep(made / name, **HOW.get(name, {}))
    told = (imported.kind, imported.axes, imported.channels_in, imported.channels_out)
    assert (*told, imported.loss) == MODELS[name]
    assert imported.percentiles == (2, 99.8)
    assert imported.factor == HOW.get(name, {}).get("factor", 1)
    assert imported.facts["folder"] == name
    built = network(imported)
    assert (built.channels_in, built.channels_out) == told[2:]
    assert built.scales == (imported.loss == "laplace")
    stored = json.loads(json.dumps([imported.architecture, imported.facts]))
    assert stored == [imported.architecture, imported.facts]


def test_the_models_of_others():
    data = os.environ.get("CARESCOPE_DATA")
    if data is None:
        pytest.skip("CARESCOPE_DATA is not set")
    for name in ("models_care_2d_salomepx", "models_care_2d_probabilistic_nriss"):
        imported = read_csbdeep(Path(data) / name)
        x = np.random.default_rng(0).random((1, 24, 32, 1), np.float32)
        raw = channels_first(EXPECTED[f"{name}/raw"], imported)
        assert_same(run(imported, channels_first(x, imported)), raw)


def same_weights(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def renamed(file):
    """Layers numbered as in a long session, in reverse alphabetical order, with names as bytes."""
    names = [str(name) for name in file.attrs["layer_names"]]
    fresh = [f"conv{99 - number}" for number in range(len(names))]
    for old, new in zip(names, fresh, strict=True):
        file.move(old, new)
        inside = [str(name) for name in file[new].attrs["weight_names"]]
        file[new].attrs["weight_names"] = np.array([name.encode() for name in inside])
    file.attrs["layer_names"] = np.array([name.encode() for name in fresh])


def split(file):
    """Long lists of names do not fit one attribute."""
    names = list(file.attrs["layer_names"])
    file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:4], names[4:]
    del file.attrs["layer_names"]


def whole(file):
    """The file of a whole model, not of its weights alone."""
    group = file.create_group("model_weights")
    for name, value in list(file.attrs.items()):
        group.attrs[name] = value
        del file.attrs[name]
    for name in [name for name in file if name != "model_weights"]:
        file.move(name, f"model_weights/{name}")


def half(file):
    """Weights kept in half the precision, which these few lose nothing by."""
    arrays = []
    file.visititems(lambda name, item: arrays.append((name, item)) if hasattr(item, "dtype") else 0)
    for name, array in arrays:
        values = array[()].astype(np.float16)
        del file[name]
        file.create_dataset(name, data=values, compression="gzip")


@pytest.mark.parametrize("change", [renamed, split, whole, half])
def test_however_the_layers_are_stored(made, copy, change):
    folder = copy("two_of_one")
    with h5py.File(folder / "weights_best.h5", "a") as file:
        change(file)
    assert same_weights(read_csbdeep(folder).state, read_csbdeep(made / "two_of_one").state)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("plain", ["axes"]),
        ("plain", ["n_dim", "unet_residual", "unet_kern_size"]),
        ("stack", ["probabilistic"]),
        ("stack", ["axes", "train_loss"]),
        ("two_of_one", ["n_channel_out", "unet_n_depth", "train_loss"]),
        ("surface", ["axes", "probabilistic"]),
        ("surface", ["n_channel_in", "train_loss"]),
    ],
)
def test_an_old_config_that_lacks_much(made, copy, name, kept):
    folder = copy(name)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({key: config[key] for key in kept}))
    old, new = read_csbdeep(folder), read_csbdeep(made / name)
    assert same_weights(old.state, new.state)
    x = np.random.default_rng(0).random((1, 1, 4, 16, 16)[: 2 + len(new.axes)], np.float32)
    assert np.array_equal(run(old, x), run(new, x))
    assert old[:4] == new[:4]


def test_the_best_weights_are_taken(copy):
    folder = copy("plain")
    best = folder / "weights_best.h5"
    for name in ("weights_now.h5", "weights_last.h5", "a.h5", "._weights_best.h5"):
        shutil.copy(best, folder / name)
    assert read_csbdeep(folder).facts["weights"] == "weights_best.h5"
    for name in ("weights_last.h5", "weights_now.h5", "a.h5"):
        best.unlink()
        best = folder / name
        assert read_csbdeep(folder).facts["weights"] == name
    config = json.loads((folder / "config.json").read_text())
    shutil.copy(best, folder / "weights_best.h5")
    (folder / "config.json").write_text(json.dumps(config | {"train_checkpoint": "a.h5"}))
    assert read_csbdeep(folder).facts["weights"] == "a.h5"


def test_the_kind_is_said_where_the_files_do_not_tell(made):
    assert read_csbdeep(made / "isotropic").kind == "denoise"
    upsampling = read_csbdeep(made / "plain", kind="denoise", factor=1)
    assert upsampling.factor == 1
    sections = read_csbdeep(made / "isotropic", kind="isotropic", factor=4)
    images = read_csbdeep(made / "isotropic")
    weight = "down.0.0.0.weight"
    assert torch.equal(sections.state[weight], images.state[weight].transpose(2, 3))
