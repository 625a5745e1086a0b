"""Two passes: the second goes on from the first, within one budget, and can be resumed."""

import numpy as np
import pytest

from carescope import Image, Microscope, Recipe, model, pairs, train
from carescope.errors import OutputError
from carescope.jobs.inputs import Optics
from carescope.jobs.learning import learn
from carescope.jobs.passes import Shared
from carescope.physics import psf

OPTICS = Optics(psf="gaussian", sigma_um=(0.8, 0.2, 0.2))


def recipe(**changes):
    quick = {"batch_size": 2, "patch_px": 32, "steps_per_epoch": 5, "precision": "float32"}
    return Recipe.of(**(quick | {"steps": 20} | changes))


def cut_in_the_second_pass(stack, folder, recipe=recipe(), **more):  # noqa: B008
    def cut(progress):
        if progress.done > 0.8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(stack, OPTICS, recipe, folder=folder, watch=cut, **more)


def test_both_passes_share_the_budget_and_one_model_comes_out(stack, tmp_path):
    told = []
    learnt = learn(stack, OPTICS, recipe(), folder=tmp_path / "m", watch=told.append)
    facts = learnt.model.facts
    assert facts["steps"] == 20
    steps = [row["step"] for row in facts["history"]]
    assert steps == sorted(steps)
    assert steps[-1] == 20
    assert learnt.model.recipe == recipe()
    done = [p.done for p in told]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1)
    kept = model.load(tmp_path / "m")
    assert kept.sha256 == learnt.model.sha256
    assert [path.name for path in (tmp_path / "m" / "run").iterdir()] == ["history.csv"]
    assert (tmp_path / "m" / "run" / "history.csv").read_text().splitlines()[-1].startswith("20,")


@pytest.mark.parametrize("network", ["auto", "isonet2"])
def test_an_interrupted_second_pass_does_not_repeat_the_first(
    stack, tmp_path, monkeypatch, network
):
    own = recipe(network=network)
    whole = learn(stack, OPTICS, own, folder=tmp_path / "whole").model

    cut_in_the_second_pass(stack, tmp_path / "m", own)
    assert not (tmp_path / "m" / "model.json").exists()
    trained = []
    real = train.fit
    monkeypatch.setattr(train, "fit", lambda made, **k: trained.append(made) or real(made, **k))
    resumed = learn(stack, OPTICS, own, folder=tmp_path / "m").model
    assert len(trained) == 1
    assert resumed.sha256 == whole.sha256


def test_a_first_pass_that_was_damaged_is_learnt_again(stack, tmp_path):
    whole = learn(stack, OPTICS, recipe()).model
    cut_in_the_second_pass(stack, tmp_path / "m")
    weights = tmp_path / "m" / "run" / "first-pass" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9] + b"otherwise")
    mended = learn(stack, OPTICS, recipe(), folder=tmp_path / "m")
    assert mended.model.sha256 == whole.sha256
    assert any("first-pass was damaged" in said for said in mended.warnings)


def test_the_first_pass_of_other_optics_is_not_taken_up(stack, tmp_path, monkeypatch):
    cut_in_the_second_pass(stack, tmp_path / "m")
    trained = []
    real = train.fit
    monkeypatch.setattr(train, "fit", lambda made, **k: trained.append(made) or real(made, **k))
    other = Optics(psf="gaussian", sigma_um=(0.6, 0.2, 0.2))
    kept = tmp_path / "m" / "run" / "first-pass" / "model.json"
    with pytest.raises(OutputError, match="interrupted training of another recipe"):
        learn(stack, other, recipe(), folder=tmp_path / "m")
    assert kept.exists()
    shared = Shared(overwrite=True)
    again = learn(stack, other, recipe(), folder=tmp_path / "m", shared=shared).model
    assert len(trained) == 2
    assert again.sha256 == learn(stack, other, recipe()).model.sha256


def test_sampling_alone_and_one_pass_train_once(stack, monkeypatch):
    trained = []
    real = train.fit
    monkeypatch.setattr(train, "fit", lambda made, **k: trained.append(made) or real(made, **k))
    learn(stack, Optics(), recipe(steps=4))
    learn(stack, OPTICS, recipe(steps=4, passes=1))
    assert [made.pool[0].noise_free for made in trained] == [False, False]


def test_slices_of_a_draft_get_all_of_the_noise(stack):
    """They hold none, so that what blur would have left must be added too."""
    made = pairs.from_volume(stack, Microscope(psf.gaussian((0.8, 0.2, 0.2), (0.2, 0.2, 0.2))))
    (frame,) = stack.frames()
    again = made.again({0: frame}, made.recipe)
    (source,) = made.pool
    rows = 64 + 2 * source.margin[0]
    flat = np.full((1, 1, rows, 4000), 500, np.float32)

    def seen(of):
        return of._degrade(of.pool[0], [np.random.default_rng(0)], flat, 64)[0, 0]

    spreads = [max(seen(of)[k::4].var() for k in range(4)) for of in (made, again)]
    share = 1 - (source.kernel**2).sum()
    assert spreads[0] / spreads[1] == pytest.approx(share, rel=0.03)


def test_the_second_pass_learns_from_some_stacks_of_a_pool(stack, monkeypatch):
    made_again = []
    real = pairs.LateralPairs.again

    def again(self, drafts, recipe):
        made_again.append(drafts)
        return real(self, drafts, recipe)

    monkeypatch.setattr(pairs.LateralPairs, "again", again)
    movie = Image(np.stack([stack.array()] * 6), "TZYX", stack.voxel_um)
    learn(movie, OPTICS, recipe(steps=4))
    (drafts,) = made_again
    assert list(drafts) == [0, 2, 3, 5]
    assert {draft.shape for draft in drafts.values()} == {(1, 61, 96, 112)}


def test_the_second_pass_learns_from_stacks_with_structure(stack, monkeypatch):
    made_again = []
    real = pairs.LateralPairs.again

    def again(self, drafts, recipe):
        made_again.append(drafts)
        return real(self, drafts, recipe)

    monkeypatch.setattr(pairs.LateralPairs, "again", again)
    dark = np.random.default_rng(0).normal(100, 4, stack.shape)
    times = np.stack([dark, dark, stack.array(), dark, dark, dark])
    learn(Image(times, "TZYX", stack.voxel_um), OPTICS, recipe(steps=4))
    (drafts,) = made_again
    assert list(drafts) == [2]


def test_where_drafts_hold_nothing_the_first_pass_is_kept_and_said(stack, tmp_path, monkeypatch):
    def again(self, drafts, recipe):
        zero = {n: Image(np.zeros_like(d.array()), "CZYX", d.voxel_um) for n, d in drafts.items()}
        return real(self, zero, recipe)

    real = pairs.LateralPairs.again
    monkeypatch.setattr(pairs.LateralPairs, "again", again)
    learnt = learn(stack, OPTICS, recipe(), folder=tmp_path / "m")
    assert learnt.model.facts["steps"] == 11
    assert any("no structure from which a second one could learn" in w for w in learnt.warnings)
    assert [path.name for path in (tmp_path / "m" / "run").iterdir()] == ["history.csv"]
    assert model.load(tmp_path / "m").sha256 == learnt.model.sha256


def test_tensorboard_shows_each_pass_and_member_as_a_run(stack, tmp_path, monkeypatch):
    asked = []
    real = train.fit

    def fit(made, tensorboard, **more):
        asked.append(tensorboard)
        return real(made, **more)

    monkeypatch.setattr(train, "fit", fit)
    learn(stack, OPTICS, recipe(steps=2), members=2, shared=Shared(tensorboard=str(tmp_path)))
    assert [path.removeprefix(f"{tmp_path}/") for path in asked] == [
        "member-0/first-pass",
        "member-0/second-pass",
        "member-1/first-pass",
        "member-1/second-pass",
    ]
