"""A model folder: what comes out is what went in, and whatever was tampered with is refused."""

import hashlib
import json
import pickle
import shutil

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import carescope
from carescope import Recipe, load_model, model, net
from carescope.errors import CarescopeError, ModelError, OutputError
from carescope.model.description import digest
from carescope.task import Task

ISOTROPIC = {"kind": "isotropic", "factor": 10.2, "step_um": 2.04, "pixel_um": 0.2}
ARCHITECTURES = [
    {"name": "shuffle", "cell": [2, 2], "depth": 1, "first_filters": 4},
    {"name": "isonet1"},
    {"name": "isonet2", "channels": 2},
    {"name": "care", "ndim": 2, "depth": 1, "first_filters": 4},
]


def made(seed=0, **architecture):
    architecture = architecture or ARCHITECTURES[0]
    network = net.build(**architecture, seed=seed)
    for parameter in network.parameters():  # biases and last layers too
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(seed))
    facts = {"weights": 1, "warnings": ["µ"], "history": [{"step": 1, "val_loss": 0.5}]}
    recipe = Recipe(steps=3, psf_mode="full")
    channels = architecture.get("channels", 1)
    task = Task(
        kind="isotropic",
        channels_in=channels,
        channels_out=channels,
        factor=10.2,
        step_um=2.04,
        pixel_um=0.2,
    )
    return model.Model(network, architecture, recipe, task, facts)


def patch_for(m):
    rows, columns = (4 * n for n in net.grid(m.network))
    size = (2, m.network.channels_in, max(rows, 16), max(columns, 16))
    return np.random.default_rng(0).random(size, np.float32)


@pytest.fixture
def folder(tmp_path):
    """A sound model."""
    model.save(made(), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def describe(folder):
    """Rewrite the description after a change of its content, as if it had been meant so."""

    def describe(change):
        content = json.loads((folder / "model.json").read_text())
        change(content)
        content["description_sha256"] = digest(content)
        (folder / "model.json").write_text(json.dumps(content))

    return describe


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a["name"])
def test_a_model_comes_back_as_it_was(tmp_path, architecture):
    before = made(**architecture)
    model.save(before, tmp_path / "m")
    after = load_model(tmp_path / "m")
    np.testing.assert_array_equal(after.apply(patch_for(before)), before.apply(patch_for(before)))
    for name in ("recipe", "task", "facts", "architecture"):
        assert getattr(after, name) == getattr(before, name)
    digest = hashlib.sha256((tmp_path / "m" / "weights.safetensors").read_bytes()).hexdigest()
    assert before.sha256 == after.sha256 == digest


def test_a_folder_holds_two_files_that_others_can_read(folder):
    assert sorted(p.name for p in folder.iterdir()) == ["model.json", "weights.safetensors"]
    content = json.loads((folder / "model.json").read_text())
    assert content["schema_version"] == 1
    assert content["carescope_version"] == carescope.__version__
    assert content["recipe"]["psf_mode"] == "full"
    weights = safetensors.torch.load_file(folder / "weights.safetensors")
    assert weights.keys() == made().network.state_dict().keys()


def test_an_existing_model_is_replaced_only_when_asked(folder):
    other = made(seed=1)
    with pytest.raises(OutputError, match=r"finished model already.*--overwrite"):
        model.save(other, folder)
    with pytest.raises(OutputError, match="finished model already"):
        model.check_absent(folder)
    assert load_model(folder).sha256 == hash_of(made())
    model.save(other, folder, overwrite=True)
    assert load_model(folder).sha256 == other.sha256


def hash_of(m):
    return hashlib.sha256(m.packed()).hexdigest()


def test_a_folder_that_cannot_be_written_is_refused_beforehand(tmp_path):
    (tmp_path / "file").write_text("")
    for bad in (tmp_path / "file", tmp_path / "file" / "deeper" / "model"):
        with pytest.raises(OutputError, match=str(tmp_path / "file")):
            model.check_absent(bad)
        with pytest.raises(OutputError, match=str(tmp_path / "file")):
            model.save(made(), bad)
    model.check_absent(tmp_path / "new" / "folders")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@settings(deadline=None, max_examples=200)
@given(place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_f29_every_damaged_byte_of_the_weights_is_noticed(weights, place, bits):
    folder, content = weights
    damaged = bytearray(content)
    damaged[int(place * len(content))] ^= bits
    (folder / "weights.safetensors").write_bytes(damaged)
    with pytest.raises(ModelError, match=r"weights.safetensors: .*sha256.*[Cc]opy"):
        load_model(folder)


@settings(deadline=None, max_examples=50)
@given(share=st.floats(0, 1, exclude_max=True))
def test_f29_weights_that_were_cut_short_are_noticed(weights, share):
    folder, content = weights
    (folder / "weights.safetensors").write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match="sha256"):
        load_model(folder)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model.save(made(), folder)
    return folder, (folder / "weights.safetensors").read_bytes()


def test_f29_weights_of_another_model_are_noticed(folder, tmp_path):
    other = tmp_path / "other"
    model.save(made(seed=1), other)
    shutil.copy(other / "weights.safetensors", folder)
    with pytest.raises(ModelError, match="not those that the model was saved with"):
        load_model(folder)


def test_f29_a_description_of_another_network_is_noticed(folder, tmp_path, describe):
    describe(lambda d: d["architecture"].update(first_filters=8))
    with pytest.raises(ModelError, match="do not fit the architecture"):
        load_model(folder)


def test_f30_missing_weights_are_no_random_weights(folder):
    (folder / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match=r"weights.safetensors are missing.*train it again"):
        load_model(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_f30_weights_that_are_not_finite_are_refused_by_name(folder, value):
    bad = made()
    bad.network.head.bias.data[0] = value
    model.save(bad, folder, overwrite=True)
    with pytest.raises(ModelError, match=r"head.bias.*NaN or infinity"):
        load_model(folder)


def test_f31_a_newer_model_names_the_version_it_needs(folder, describe):
    describe(lambda d: d.update(schema_version=2, carescope_version="9.1.0", news=1))
    with pytest.raises(ModelError, match=r"needs carescope >= 9.1.0.*Upgrade"):
        load_model(folder)


def test_f31_what_is_missing_is_listed(folder, describe):
    describe(lambda d: [d.pop("recipe"), d["task"].pop("kind")])
    with pytest.raises(ModelError, match=r"lacks or misstates: recipe, task.kind"):
        load_model(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema_version", None),
        ("schema_version", "one"),
        ("schema_version", float("inf")),
        ("task", {"kind": "sideways"}),
        ("task", ISOTROPIC | {"factor": 0.5}),
        ("task", ISOTROPIC | {"factor": float("nan")}),
        ("task", ISOTROPIC | {"step_um": -1}),
        ("task", ISOTROPIC | {"pixel_um": float("inf")}),
        ("task", ISOTROPIC | {"channels_in": 0}),
        ("task", ISOTROPIC | {"channels_in": 2}),
        ("task", ISOTROPIC | {"channels_out": 2}),
        ("channels", 1),
        ("normaliser", {"low": 0.0, "high": 1.0}),
        ("recipe", {"psf_mode": "sideways"}),
        ("architecture", {}),
        ("architecture", {"name": "resnet"}),
        ("architecture", {"name": "shuffle", "cell": [0, 0]}),
        ("architecture", {"name": "shuffle", "depth": "deep"}),
        ("weights_sha256", 7),
        ("facts", []),
    ],
)
def test_f31_what_is_misstated_is_named(folder, describe, key, value):
    describe(lambda d: d.update({key: value}))
    with pytest.raises(ModelError, match=key) as caught:
        load_model(folder)
    assert str(folder) in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "<html>", "[" * 100_000, "\x00\xff"])
def test_a_description_that_is_no_json_is_refused(folder, text):
    (folder / "model.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"model.json: .*not readable.*Copy"):
        load_model(folder)


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_all_damage_to_the_description_is_noticed(described, data):
    """It is refused, or it says what it said before."""
    folder, content = described
    before = made()
    damaged = bytearray(content)
    damaged[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "model.json").write_bytes(damaged)
    try:
        after = load_model(folder)
    except CarescopeError as error:
        if not isinstance(error, ModelError):
            raise
    else:
        for name in ("recipe", "task", "facts"):
            assert getattr(after, name) == getattr(before, name)


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model.save(made(), folder)
    return folder, (folder / "model.json").read_bytes()


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name in ("absent", "empty", "file"):
        with pytest.raises(ModelError, match=rf"{name}: .*not a carescope model"):
            load_model(tmp_path / name)


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("disguise", ["pickle", "torch", "garbage"])
def test_f27_a_pickle_in_disguise_is_never_run(folder, tmp_path, describe, disguise):
    """Even where the description vouches for it."""
    target, canary = folder / "weights.safetensors", tmp_path / "canary"
    if disguise == "pickle":
        target.write_bytes(pickle.dumps(Canary(canary)))
    elif disguise == "torch":
        torch.save({"w": Canary(canary)}, target)
    else:
        target.write_bytes(b"\xff" * 100)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    describe(lambda d: d.update(weights_sha256=digest))
    with pytest.raises(ModelError, match=r"weights.safetensors: .*not.*safetensors"):
        load_model(folder)
    assert not canary.exists()


def test_apply_refuses_to_give_nan(tmp_path):
    bad = made()
    patch = patch_for(bad)
    bad.network.head.bias.data[:] = np.nan
    with pytest.raises(ModelError, match="NaN or infinity for a finite image"):
        bad.apply(patch)


def test_a_changed_description_is_noticed(folder):
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text.replace('"factor": 10.2', '"factor": 10.3'))
    with pytest.raises(ModelError, match=r"model.json: .*altered or damaged.*[Cc]opy"):
        load_model(folder)


def test_a_description_may_be_laid_out_anew(folder):
    content = json.loads((folder / "model.json").read_text())
    turned = dict(reversed(content.items()))
    (folder / "model.json").write_text(json.dumps(turned, indent=8))
    assert load_model(folder).sha256 == made().sha256


def test_a_network_without_the_scales_of_its_recipe_is_refused(folder, describe):
    describe(lambda d: d["recipe"].update(loss="laplace"))
    with pytest.raises(ModelError, match=r"without scales.*recipe.loss = laplace"):
        load_model(folder)
