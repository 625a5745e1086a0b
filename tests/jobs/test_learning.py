"""Learning from many stacks, in ensembles, from a model, and with optics nobody named."""

import numpy as np
import pytest

from carescope import Image, Recipe, model, phantoms, predict, train
from carescope.errors import InputError, OutputError, UsageError
from carescope.jobs.blind import found_psf
from carescope.jobs.finding import find_images
from carescope.jobs.inputs import Optics
from carescope.jobs.learning import learn
from carescope.jobs.passes import Shared
from carescope.physics import blur
from carescope.physics.psf import gaussian


def recipe(**changes):
    quick = {"batch_size": 2, "patch_px": 32, "steps_per_epoch": 5, "precision": "float32"}
    return Recipe.of(**(quick | {"steps": 10} | changes))


def test_members_differ_and_are_kept_each_in_its_folder(stack, tmp_path):
    learnt = learn(stack, Optics(), recipe(loss="laplace"), members=3, folder=tmp_path / "m")
    kept = model.load(tmp_path / "m")
    assert kept.sha256 == learnt.model.sha256
    assert len({member.sha256 for member in kept.members}) == 3
    assert [member.recipe.seed for member in kept.members] == [0, 1, 2]
    alone = learn(stack, Optics(), recipe(loss="laplace", seed=1)).model
    assert kept.members[1].sha256 == alone.sha256
    restored = predict.restore(kept, stack)
    assert restored.scale.array().min() > 0
    assert 0 <= restored.disagreement.array().min() < restored.disagreement.array().max() <= 1


def test_minutes_are_shared_by_the_members(stack):
    learnt = learn(stack, Optics(), recipe(steps=None, minutes=0.05), members=3).model
    assert [member.recipe.minutes for member in learnt.members] == [pytest.approx(0.05 / 3)] * 3


def test_an_interrupted_ensemble_keeps_the_members_it_has(stack, tmp_path, monkeypatch):
    whole = learn(stack, Optics(), recipe(), members=3).model

    def cut(progress):
        if progress.done > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(stack, Optics(), recipe(), members=3, folder=tmp_path / "m", watch=cut)
    trained = []
    real = train.fit
    monkeypatch.setattr(train, "fit", lambda made, **k: trained.append(made) or real(made, **k))
    resumed = learn(stack, Optics(), recipe(), members=3, folder=tmp_path / "m").model
    assert [made.recipe.seed for made in trained] == [1, 2]
    assert resumed.sha256 == whole.sha256


def test_an_ensemble_is_replaced_as_a_whole(stack, tmp_path):
    learn(stack, Optics(), recipe(), members=3, folder=tmp_path / "m")
    other = learn(
        stack,
        Optics(),
        recipe(seed=5),
        members=2,
        folder=tmp_path / "m",
        shared=Shared(overwrite=True),
    ).model
    assert model.load(tmp_path / "m").sha256 == other.sha256
    assert not (tmp_path / "m" / "member-2").exists()
    single = learn(
        stack, Optics(), recipe(), folder=tmp_path / "m", shared=Shared(overwrite=True)
    ).model
    assert model.load(tmp_path / "m").sha256 == single.sha256
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [
        "model.json",
        "run",
        "weights.safetensors",
    ]


def test_an_ensemble_stays_until_the_one_that_replaces_it_is_finished(stack, tmp_path):
    old = learn(stack, Optics(), recipe(), members=2, folder=tmp_path / "m").model

    def cut(progress):
        if progress.done > 0.8:
            raise KeyboardInterrupt

    def replace(watch=None):
        shared = Shared(overwrite=True)
        start, folder = tmp_path / "m", tmp_path / "m"
        own = recipe(seed=7)
        return learn(
            stack, Optics(), own, members=2, start=start, folder=folder, shared=shared, watch=watch
        )

    with pytest.raises(KeyboardInterrupt):
        replace(cut)
    assert model.load(tmp_path / "m").sha256 == old.sha256
    new = replace().model
    assert model.load(tmp_path / "m").sha256 == new.sha256 != old.sha256
    assert [one.facts["started_from"] for one in new.members] == [m.sha256 for m in old.members]


def test_members_finished_under_another_recipe_are_not_thrown_away_unasked(stack, tmp_path):
    def cut(progress):
        if progress.done > 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(stack, Optics(), recipe(), members=2, folder=tmp_path / "m", watch=cut)
    kept = tmp_path / "m" / "run" / "member-0" / "model.json"
    with pytest.raises(OutputError, match="what was finished of an interrupted training"):
        learn(stack, Optics(), recipe(seed=9), members=2, folder=tmp_path / "m")
    assert kept.exists()


def test_the_seeds_of_members_go_round(stack):
    members = learn(stack, Optics(), recipe(steps=1, seed=2**32 - 1), members=2).model.members
    assert [one.recipe.seed for one in members] == [2**32 - 1, 0]


def test_fine_tuning_begins_with_the_weights_of_a_model(stack, tmp_path):
    learn(stack, Optics(), recipe(steps=40, network="isonet2"), folder=tmp_path / "old")
    old = model.load(tmp_path / "old")
    tuned = learn(
        stack, Optics(), recipe(steps=1, learning_rate=1e-7), start=tmp_path / "old"
    ).model
    assert tuned.architecture == old.architecture  # not that of --network auto
    assert tuned.facts["started_from"] == old.sha256
    for name, weights in tuned.network.state_dict().items():
        np.testing.assert_allclose(weights, old.network.state_dict()[name], atol=1e-6)


def test_fine_tuning_from_another_factor_or_ensemble_is_refused(stack, tmp_path):
    learn(stack, Optics(), recipe(), members=2, folder=tmp_path / "two")
    with pytest.raises(UsageError, match="ensemble of 2 networks, and 3"):
        learn(stack, Optics(), recipe(), members=3, start=tmp_path / "two")
    thin = Image(stack.data, "ZYX", (0.4, 0.2, 0.2))
    with pytest.raises(UsageError, match="4 planes to each recorded one, and this stack has 2"):
        learn(thin, Optics(), recipe(), members=2, start=tmp_path / "two")


def test_channels_are_learnt_together_or_each_alone(stack, tmp_path):
    grey = stack.array().astype(np.float32)
    two = Image(np.stack([grey, grey[:, ::-1]]), "CZYX", stack.voxel_um)
    joint = learn(two, Optics(), recipe()).model
    alone = learn(two, Optics(), recipe(per_channel=True)).model
    assert joint.task.channels_in == alone.task.channels_out == 2
    changed = Image(np.stack([grey, grey]), "CZYX", stack.voxel_um)
    for learnt, same in ((joint, False), (alone, True)):
        first, second = (predict.restore(learnt, image).mean.array()[0] for image in (two, changed))
        assert np.array_equal(first, second) == same


def test_optics_nobody_named_are_found_and_said(stack, nuclei_volume):
    learnt = learn(stack, Optics(psf="auto"), recipe(steps=2))
    told = learnt.model.facts["optics"]
    if learnt.found.blur.sigma_split_um:
        assert told["psf"] == "gaussian"
        assert told["found_in"] == "the stack itself"
    else:
        assert told == {"psf": "none"}
    noise = np.random.default_rng(0).normal(500, 20, (16, 128, 128)).astype(np.float32)
    noise[8, 40:60, 40:60] += 4000
    learnt = learn(Image(noise, "ZYX", (0.8, 0.2, 0.2)), Optics(psf="auto"), recipe(steps=2))
    assert learnt.model.facts["optics"] == {"psf": "none"}
    assert "only the sampling is undone" in learnt.warnings[0]
    with pytest.raises(UsageError, match="lateral blur"):
        learn(stack, Optics(psf="auto"), recipe(psf_mode="full"))


@pytest.fixture(scope="session")
def blurred():
    """Nuclei blurred by 3 and by 7 voxels along z, every 2nd plane: (2, 48, 96, 96)."""
    density, _ = phantoms.nuclei((96, 96, 96), 3, volume_per_nucleus_px3=15_000)
    seen = [blur.blur(density, gaussian((s, 1.5, 1.5), (1.0,) * 3).values) for s in (3.0, 7.0)]
    noise = np.random.default_rng(0).normal(0, 4, (2, 48, 96, 96))
    return (100 + 800 * np.stack(seen)[:, ::2] + noise).astype(np.float32)


def test_where_the_middle_of_time_shows_nothing_the_blur_is_found_at_another(blurred):
    bright = blurred[1]
    dark = np.random.default_rng(0).normal(100, 4, bright.shape).astype(np.float32)
    film = np.stack([dark, bright, dark, dark])
    found, alone = (
        found_psf([Image(data, axes, (0.4, 0.2, 0.2))], None).blur.sigma_split_um
        for data, axes in ((film, "TZYX"), (bright, "ZYX"))
    )
    assert found == alone == pytest.approx(0.2 * np.sqrt(7**2 - 1.5**2), rel=0.15)


def test_channels_that_are_not_blurred_alike_are_pointed_out(blurred):
    (said,) = found_psf([Image(blurred, "CZYX", (0.4, 0.2, 0.2))], None).warnings
    assert "not blurred alike along z (channel 0 by 0." in said
    same = np.stack([blurred[0], blurred[0]])
    assert not found_psf([Image(same, "CZYX", (0.4, 0.2, 0.2))], None).warnings


def test_cubic_voxels_without_a_blur_to_be_found_are_refused():
    noise = np.random.default_rng(0).normal(500, 20, (32, 64, 96)).astype(np.float32)
    with pytest.raises(InputError, match=r"only blur could be undone\. The axial blur could not"):
        found_psf([Image(noise, "ZYX", (0.2, 0.2, 0.2))], None)


def test_folders_stand_for_the_images_in_them(tmp_path):
    for name in ("b.tif", "a.TIFF", "notes.txt", "._b.tif", ".partial-x.tif"):
        (tmp_path / name).write_bytes(b"")
    found = find_images([tmp_path, tmp_path / "other.tif"])
    assert [path.name for path in found] == ["a.TIFF", "b.tif", "other.tif"]
    assert find_images([tmp_path, tmp_path / "b.tif"]) == find_images([tmp_path])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no [.]tif"):
        find_images([tmp_path / "empty"])
