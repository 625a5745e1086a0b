"""What is no model of CSBDeep's, or is damaged, is refused with a sentence and its remedy."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from carescope.errors import InputError, ModelError, UsageError
from carescope.model.csbdeep import read_csbdeep

MADE = Path(__file__).parent / "csbdeep"


@pytest.fixture
def folder(tmp_path):
    """A sound model of 2D, probabilistic, 1 to 2 channels, depth 1, kernel 3."""
    zipfile.ZipFile(MADE / "models.zip").extractall(tmp_path)
    return tmp_path / "two_of_one"


def says(error, *words):
    assert all(word in str(error.value) for word in words), str(error.value)
    assert error.value.remedy
    assert str(error.value).count("\n") == 0


def change(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"n2v_perc_pix": 0.2}, ["Noise2Void"]),
        ({"n_rays": 32, "grid": [2, 2]}, ["StarDist"]),
        ({"unet_pool": 4, "unet_batch_norm": True}, ["unet_batch_norm, unet_pool"]),
        ({"axes": "TYXC"}, ["axes = 'TYXC'", "call a time axis Z"]),
        ({"axes": "YXX"}, ["axes = 'YXX'"]),
        ({"axes": "ZYXC"}, ["2D network"]),
        ({"n_dim": 3}, ["n_dim = 3"]),
        ({"n_dim": 4}, ["n_dim = 4"]),
        ({"unet_n_depth": 2}, ["6 convolutions", "5 levels", "pools 2 times"]),
        ({"unet_n_depth": 0}, ["unet_n_depth = 0"]),
        ({"unet_n_depth": 10**9}, ["unet_n_depth"]),
        ({"unet_n_depth": "2"}, ["unet_n_depth = '2'"]),
        ({"unet_n_first": 32}, ["layer 1 of 8", "from 1 to 2 channels", "from 1 to 32 channels"]),
        ({"unet_n_first": 10**30}, ["unet_n_first"]),
        ({"unet_kern_size": 5}, ["a kernel of 3 x 3 pixels", "asks for a kernel of 5 x 5"]),
        ({"unet_kern_size": 4}, ["kernel 4 is even"]),
        ({"unet_kern_size": [3, 3, 3]}, ["kernel [3, 3, 3]"]),
        ({"unet_kern_size": -3}, ["kernel -3"]),
        ({"unet_last_activation": "hard_sigmoid"}, ["'hard_sigmoid'"]),
        ({"unet_residual": True}, ["1 channels cannot be added to an output of 2"]),
        ({"n_channel_in": 3}, ["from 3 to 2 channels"]),
        ({"n_channel_out": 1}, ["layer 7 of 8"]),
        ({"n_channel_out": 0}, ["n_channel_out = 0"]),
        ({"probabilistic": False, "train_loss": "mae"}, ["7 convolutions"]),
        ({"probabilistic": None, "train_loss": "mae"}, ["7 convolutions"]),
    ],
    ids=str,
)
def test_a_config_of_another_model(folder, fields, words):
    change(folder, **fields)
    with pytest.raises(ModelError) as refusal:
        read_csbdeep(folder)
    says(refusal, *words)


@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>", b"[]", b"[" * 100_000, b"\xff\xfe{}", b"{}"]
)
def test_a_config_that_is_none(folder, content):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ModelError) as refusal:
        read_csbdeep(folder)
    says(refusal, "config.json")


def test_another_folder(folder, tmp_path):
    archive = tmp_path / "model.zip"
    zipfile.ZipFile(archive, "w").close()
    for place, word in [(tmp_path, "config.json"), (tmp_path / "x", "config.json")]:
        with pytest.raises(ModelError) as refusal:
            read_csbdeep(place)
        says(refusal, word, "weights_best.h5")
    with pytest.raises(ModelError) as refusal:
        read_csbdeep(archive)
    says(refusal, "archive", "Unpack")


def test_without_weights_nothing_is_made_up(folder):
    weights = folder / "weights_best.h5"
    weights.unlink()
    with pytest.raises(ModelError) as refusal:
        read_csbdeep(folder)
    says(refusal, "no weights", "weights_best.h5")
    zipfile.ZipFile(folder / "TF_SavedModel.zip", "w").close()
    with pytest.raises(ModelError) as refusal:
        read_csbdeep(folder)
    says(refusal, "TF_SavedModel.zip", "Fiji")
    weights.mkdir()
    with pytest.raises(InputError):
        read_csbdeep(folder)


def remove_bias(file):
    del file["down_level_0_no_0/down_level_0_no_0/bias"]


def forget_bias(file):
    file["conv2d_1"].attrs["weight_names"] = ["conv2d_1/kernel"]


def normalise_batches(file):
    group = file["max_0"]
    group["gamma"], group["beta"] = np.ones(4, np.float32), np.zeros(4, np.float32)
    group.attrs["weight_names"] = ["gamma", "beta"]


def turn(file):
    names = file.attrs["layer_names"]
    file.attrs["layer_names"] = names[::-1]


def drop_layer(file):
    file.attrs["layer_names"] = [n for n in file.attrs["layer_names"] if n != "middle_0"]


def replaced(file, value):
    del file["conv2d_1/conv2d_1/bias"]
    file["conv2d_1/conv2d_1/bias"] = value


def elsewhere(file):
    replaced(file, h5py.ExternalLink("weights_copy.h5", "conv2d_1/conv2d_1/bias"))


def outside(file):
    del file["conv2d_1/conv2d_1/bias"]
    file["conv2d_1/conv2d_1"].create_dataset(
        "bias", (2,), np.float32, external=[("config.json", 0, h5py.h5f.UNLIMITED)]
    )


def bomb(file):
    del file["conv2d_1/conv2d_1/bias"]
    file["conv2d_1/conv2d_1"].create_dataset("bias", (10**12,), np.float32, chunks=(1024,))


def dimensionless(file):
    """3D kernels behind 2D ones."""
    for name in ("conv2d_1", "conv2d_2"):
        kernel = file[f"{name}/{name}/kernel"]
        values = kernel[()][None]
        del file[f"{name}/{name}/kernel"]
        file[f"{name}/{name}/kernel"] = values


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (remove_bias, "bias"),
        (forget_bias, "no part of a convolution"),
        (normalise_batches, "gamma"),
        (turn, "layer 1 of 8"),
        (drop_layer, "5 convolutions"),
        (lambda file: replaced(file, np.array([0, np.nan], np.float32)), "NaN"),
        (lambda file: replaced(file, np.array([0, np.inf], np.float32)), "bias"),
        (lambda file: replaced(file, np.array([b"ab", b"cd"])), "not an array of numbers"),
        (lambda file: replaced(file, np.zeros(3, np.float32)), "no part of a convolution"),
        (elsewhere, "damaged"),
        (outside, "not an array of numbers in this file"),
        (bomb, "more weights than it can"),
        (dimensionless, "from 2D to 3D"),
        (lambda file: file.attrs.__delitem__("layer_names"), "not Keras's"),
        (lambda file: file.attrs.__setitem__("layer_names", []), "no weights"),
    ],
    ids=lambda case: getattr(case, "__name__", case),
)
def test_weights_that_are_not_those_of_a_network(folder, damage, word):
    shutil.copy(folder / "weights_best.h5", folder / "weights_copy.h5")
    with h5py.File(folder / "weights_best.h5", "a") as file:
        damage(file)
    with pytest.raises(ModelError) as refusal:
        read_csbdeep(folder)
    says(refusal, "weights_best.h5", word)


@pytest.mark.parametrize("name", ["two_of_one", "keras3"])
def test_a_file_cut_short_anywhere(folder, name):
    path = next((folder.parent / name).glob("*.h5"))
    content = path.read_bytes()
    for length in range(0, len(content) - 1, len(content) // 50):
        path.write_bytes(content[:length])
        with pytest.raises(ModelError) as refusal:
            read_csbdeep(folder.parent / name)
        says(refusal, path.name, "Copy the file again")


def test_a_damaged_file_fails_in_no_other_way(folder):
    path = folder / "weights_best.h5"
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        damaged = bytearray(content)
        at = int(rng.integers(len(damaged) - 8))
        damaged[at : at + 8] = rng.bytes(8)
        path.write_bytes(damaged)
        try:
            read_csbdeep(folder)
        except ModelError:
            refused += 1
    assert refused > 0


def test_names_that_hdf5_would_read_for_ever(folder):
    """One byte: the first name is told to end where nothing but zeros follow."""
    path = folder / "weights_best.h5"
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    assert content[heap + 16] == 1
    content[heap + 24 + 1] = 8
    path.write_bytes(content)
    with pytest.raises(ModelError) as refusal:
        read_csbdeep(folder)
    says(refusal, "names are broken")


@pytest.mark.parametrize(
    ("name", "how", "words"),
    [
        ("two_of_one", {"kind": "project"}, ["2D to 2D", "projection", "care, isotropic"]),
        ("two_of_one", {"kind": "upsample", "factor": 2}, ["--kind"]),
        ("stack", {"kind": "isotropic", "factor": 2}, ["3D to 3D", "care, upsampling"]),
        ("surface", {"kind": "denoise"}, ["3D to 2D", "project"]),
        ("stack", {"kind": "sharpen"}, ["sharpen"]),
        ("isotropic", {"kind": "isotropic"}, ["--factor"]),
        ("upsampling", {"kind": "upsample", "factor": 0.5}, ["--factor", "0.5"]),
        ("upsampling", {"kind": "upsample", "factor": float("nan")}, ["nan"]),
        ("plain", {"factor": 2}, ["--factor"]),
    ],
)
def test_a_kind_or_factor_that_cannot_be(folder, name, how, words):
    with pytest.raises(UsageError) as refusal:
        read_csbdeep(folder.parent / name, **how)
    says(refusal, *words)


def test_a_projection_along_another_axis(folder):
    change(folder.parent / "surface", proj_axis="Y")
    with pytest.raises(ModelError) as refusal:
        read_csbdeep(folder.parent / "surface")
    says(refusal, "along Y", "Call that axis Z")


def test_somebodys_noise2void():
    data = os.environ.get("CARESCOPE_DATA")
    if data is None:
        pytest.skip("CARESCOPE_DATA is not set")
    with pytest.raises(ModelError, match="Noise2Void"):
        read_csbdeep(Path(data) / "models_n2v_2d_scads")
