"""Ensembles: several models as one, in memory and on disk."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from carescope import Ensemble, Recipe, load_model, model, net, save_model, trust
from carescope.errors import ModelError, OutputError
from carescope.task import Task


def task(channels=2, **changes):
    geometry = {"factor": 4.0, "step_um": 0.8, "pixel_um": 0.2}
    sizes = {"channels_in": channels, "channels_out": channels}
    return Task(kind="isotropic", **(sizes | geometry | changes))


def member(seed=0, loss="laplace", channels=2, **changes):
    spread = {"scales": True} if loss in trust.FAMILIES else {}
    architecture = {"name": "shuffle", "cell": [2, 2], "depth": 1, "first_filters": 4}
    architecture |= {"channels": channels} | spread
    network = net.build(**architecture, seed=seed)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(seed))
    facts = {"steps": 10, "seconds": 1.5, "warnings": ["all", f"own {seed}"], "optics": {"na": 1}}
    made = model.Model(network, architecture, Recipe(loss=loss, seed=seed), task(channels), facts)
    return replace(made, **changes)


@pytest.fixture
def three():
    return Ensemble(tuple(member(seed) for seed in range(3)))


@pytest.fixture
def folder(three, tmp_path):
    save_model(three, tmp_path / "e")
    return tmp_path / "e"


PATCH = np.random.default_rng(0).random((2, 2, 16, 12), np.float32)


@pytest.mark.parametrize("loss", ["laplace", "gaussian"])
def test_members_are_one_mixture(loss):
    """Its mean and variance, from the formula: a Laplace variance is 2 b^2."""
    several = Ensemble([member(seed, loss) for seed in range(3)])
    outputs = np.stack([m.apply(PATCH) for m in several.members]).astype(float)
    mu, scale = outputs[:, :, :2], outputs[:, :, 2:]
    unit = {"laplace": 2, "gaussian": 1}[loss]
    variance = (unit * scale**2).mean(0) + mu.var(0)
    expected = np.concatenate([mu.mean(0), np.sqrt(variance / unit)], axis=1)
    np.testing.assert_allclose(several.apply(PATCH), expected, rtol=1e-5)
    assert several.spread == loss


def test_without_scales_it_is_the_mean():
    several = Ensemble([member(seed, "mse") for seed in range(3)])
    expected = np.mean([m.apply(PATCH) for m in several.members], axis=0)
    np.testing.assert_allclose(several.apply(PATCH), expected, rtol=1e-6)
    assert several.spread is None


def test_it_speaks_for_its_members(three):
    assert three.task == task(2)
    assert three.recipe == three.members[0].recipe
    assert three.facts["steps"] == 30
    assert three.facts["seconds"] == 4.5
    assert three.facts["warnings"] == ["all", "own 0", "own 1", "own 2"]
    assert three.facts["optics"] == {"na": 1}
    hashes = "\n".join(m.sha256 for m in three.members)
    assert three.sha256 == hashlib.sha256(hashes.encode()).hexdigest()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"channels": 1}, "channels_in: 1 and 2"),
        ({"task": task(factor=5.0)}, r"factor: 5.0 and 4.0"),
        ({"loss": "gaussian"}, "spread: gaussian and laplace"),
        ({"recipe": Recipe(loss="laplace", percentiles=(1, 99))}, "percentiles"),
    ],
)
def test_members_that_are_not_alike_are_refused(change, says):
    with pytest.raises(ModelError, match=rf"member 1 .*differs from member 0 in {says}"):
        Ensemble([member(0), member(1, **change)])


def test_one_is_no_ensemble():
    with pytest.raises(ModelError, match="at least two"):
        Ensemble([member()])


def test_it_comes_back_as_it_was(three, folder):
    assert sorted(p.name for p in folder.iterdir()) == [
        "member-0", "member-1", "member-2", "model.json"
    ]  # fmt: skip
    back = load_model(folder)
    assert isinstance(back, Ensemble)
    assert (back.sha256, back.facts) == (three.sha256, three.facts)
    np.testing.assert_array_equal(back.apply(PATCH), three.apply(PATCH))
    assert load_model(folder / "member-1").sha256 == three.members[1].sha256


def test_members_that_lie_there_are_left_as_they_are(three, tmp_path):
    folder = tmp_path / "e"
    for number in (0, 1):
        save_model(three.members[number], folder / f"member-{number}")
    before = (folder / "member-0" / "model.json").stat().st_mtime_ns
    with pytest.raises(ModelError, match="not a carescope model"):
        load_model(folder)
    save_model(three, folder)
    assert (folder / "member-0" / "model.json").stat().st_mtime_ns == before
    assert load_model(folder).sha256 == three.sha256


def test_an_ensemble_is_made_of_what_lies_there(three, tmp_path):
    for number, one in enumerate(three.members):
        save_model(one, tmp_path / f"member-{number}")
    assert model.save_ensemble(tmp_path).sha256 == three.sha256
    assert load_model(tmp_path).sha256 == three.sha256
    with pytest.raises(OutputError, match="finished model already"):
        model.save_ensemble(tmp_path)


def test_another_member_is_replaced_only_when_asked(three, folder):
    other = Ensemble([three.members[0], member(7)])
    (folder / "model.json").unlink()
    with pytest.raises(OutputError, match=r"member-1: there is a finished model already"):
        save_model(other, folder)
    save_model(other, folder, overwrite=True)
    assert load_model(folder).sha256 == other.sha256


def test_f30_a_missing_member_is_named(folder):
    shutil.rmtree(folder / "member-1")
    with pytest.raises(ModelError, match=r"the member-1 of this ensemble is missing.*Copy"):
        load_model(folder)


def test_f29_another_member_is_named(folder):
    shutil.rmtree(folder / "member-1")
    save_model(member(9), folder / "member-1")
    with pytest.raises(ModelError, match="member-1 is not the one that the ensemble was made of"):
        load_model(folder)


def test_f29_damaged_weights_of_a_member_are_named(folder):
    path = folder / "member-2" / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"member-2.weights.safetensors: .*sha256"):
        load_model(folder)


def test_f28_a_member_cannot_lie_elsewhere(folder):
    content = json.loads((folder / "model.json").read_text())
    for name in ("../e/member-0", "/etc", "member-0/../member-1", "member-0\n"):
        content["members"][0]["folder"] = name
        (folder / "model.json").write_text(json.dumps(content))
        with pytest.raises(ModelError, match=r"misstates: members.0.folder"):
            load_model(folder)


def test_an_altered_list_of_members_is_noticed(folder):
    content = json.loads((folder / "model.json").read_text())
    content["members"].pop()
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match="altered or damaged"):
        load_model(folder)


def test_an_ensemble_is_no_member(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "deep")
    shutil.rmtree(tmp_path / "deep" / "member-0")
    shutil.copytree(folder, tmp_path / "deep" / "member-0")
    with pytest.raises(ModelError, match=r"member-0: it is an ensemble where one model"):
        load_model(tmp_path / "deep")
