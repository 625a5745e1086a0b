"""Training learns, repeats itself exactly, and stops with reason where it cannot go on."""

import math

import numpy as np
import pytest
import torch

from carescope import Image, Microscope, net, pairs, train
from carescope.errors import ModelError, UsageError
from carescope.recipe import LEARNING_RATES
from carescope.train import loop, losses, state


def test_it_learns(fit, made):
    """On patches it never saw the restoration is nearer to the truth than the interpolation."""
    model = fit(steps=300, loss="mse")
    inputs, targets = made().validation()[0]
    before = np.square(inputs - targets).mean()
    after = np.square(model.apply(inputs) - targets).mean()
    assert after < 0.8 * before
    rows = model.facts["history"]
    assert rows[-1]["val_loss"] < rows[0]["val_loss"]
    assert model.facts["best_validation_loss"] == min(row["val_loss"] for row in rows)


def test_the_best_weights_are_kept_and_not_the_last(fit, made):
    model = fit()
    best = model.facts["best_validation_loss"]
    values = [np.square(model.apply(i) - t).mean() for i, t in made().validation()]
    assert np.mean(values) == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize("network", ["auto", "isonet2"])
def test_f24_the_same_recipe_gives_the_same_weights(fit, same, network):
    steps = {"auto": 30, "isonet2": 4}[network]
    first = fit(network=network, steps=steps)
    assert same(first, fit(network=network, steps=steps))
    assert not same(first, fit(network=network, steps=steps, seed=1))


def test_training_leaves_the_random_numbers_of_the_program_alone(fit):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit(steps=2)
    torch.testing.assert_close(torch.rand(3), expected)


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_every_seed_works(fit, seed):
    fit(steps=1, seed=seed)


def test_too_large_a_seed_is_refused(recipe):
    with pytest.raises(UsageError, match="seed"):
        recipe(seed=2**32)


@pytest.mark.parametrize("network", ["auto", "care", "isonet1", "isonet2"])
def test_one_step_is_enough_for_a_model(fit, made, network):
    model = fit(network=network, steps=1, loss="mae", schedule="plateau")
    assert model.facts["steps"] == 1
    assert np.isfinite(model.apply(made().validation()[0][0])).all()


def test_a_budget_too_short_for_a_step_still_takes_one(fit):
    assert fit(steps=None, minutes=1e-9).facts["steps"] == 1


def test_training_by_the_clock_ends_with_a_validation(fit):
    seen = []
    model = fit(steps=None, minutes=0.6 / 60, watch=seen.append, steps_per_epoch=1000)
    assert 0.6 <= model.facts["seconds"] < 3
    assert [p.step for p in seen] == list(range(1, model.facts["steps"] + 1))
    assert seen[-1].done >= 1 > seen[-2].done
    assert model.facts["history"][-1]["step"] == model.facts["steps"]


def test_a_watcher_is_told_of_every_step(fit):
    seen = []
    fit(steps=12, watch=seen.append)
    assert [p.step for p in seen] == list(range(1, 13))
    assert [p.done for p in seen] == pytest.approx([n / 12 for n in range(1, 13)])
    assert math.isnan(seen[0].val_loss)
    assert math.isfinite(seen[-1].val_loss)


def poison(monkeypatch, *, after):
    """The loss becomes NaN in training, that many steps of training later."""
    healthy, count = losses.mse, [0]

    def mse(restored, target):
        if restored.requires_grad:
            count[0] += 1
            if count[0] > after:
                return healthy(restored, target) * math.nan
        return healthy(restored, target)

    monkeypatch.setitem(losses.LOSSES, "mse", mse)


def test_f20_a_loss_that_becomes_nan_ends_training_with_the_best_weights(fit, monkeypatch, made):
    healthy = [row["val_loss"] for row in fit().facts["history"]]
    poison(monkeypatch, after=25)
    model = fit()
    (warning,) = model.facts["warnings"]
    assert "NaN or infinite at step 25" in warning
    assert "learning rate 0.002" in warning
    assert [row["val_loss"] for row in model.facts["history"]] == healthy[:2]
    values = [np.square(model.apply(i) - t).mean() for i, t in made().validation()]
    assert np.mean(values) == pytest.approx(min(healthy[:2]), rel=1e-4)


def test_f20_a_loss_that_is_nan_before_anything_was_learnt_is_refused(fit, monkeypatch):
    poison(monkeypatch, after=3)
    with pytest.raises(ModelError, match=r"NaN or infinite at step 3.*--learning-rate below 0.01"):
        fit(learning_rate=0.01)


@pytest.mark.parametrize("steps", [1, 2, 60])
@pytest.mark.parametrize("network", ["auto", "isonet2"])
def test_f20_an_absurd_learning_rate_gives_no_model(fit, monkeypatch, network, steps):
    """Whatever happens first: the loss, the weights or the validation losing all sense."""
    monkeypatch.setitem(LEARNING_RATES, network, 1e30)
    with pytest.raises(ModelError, match=r"NaN or infinite.*--learning-rate below 1e\+30"):
        fit(network=network, steps=steps, steps_per_epoch=30)


def kill(monkeypatch, times):
    """The first networks of IsoNet-1 to be built are dead: their last ReLU gives 0 everywhere."""
    build, built = net.build, []

    def deadly(name, **options):
        network = build(name, **options)
        built.append(options["seed"])
        if len(built) <= times:
            torch.nn.init.constant_(network.layers[-1][0].bias, -1e3)
        return network

    monkeypatch.setattr(state.net, "build", deadly)
    return built


def test_a_dead_network_is_restarted_with_other_weights_and_reported(fit, monkeypatch, made):
    seeds = kill(monkeypatch, 2)
    model = fit(network="isonet1", steps=8, steps_per_epoch=2, batch_size=2)
    assert len(set(seeds)) == 3
    assert model.facts["restarts"] == 2
    first, second, *_ = model.facts["warnings"]
    assert "died" in first
    assert "at step 2" in first
    assert "0.5 x the learning rate" in first
    assert "at step 4" in second
    assert np.ptp(model.apply(made(batch_size=2).validation()[0][0])) > 0


def test_a_network_that_dies_again_and_again_is_given_up(fit, monkeypatch):
    kill(monkeypatch, 100)
    with pytest.raises(ModelError, match=rf"died {loop.MOST_RESTARTS} times.*--network auto"):
        fit(network="isonet1", steps=40, steps_per_epoch=1, batch_size=1)


def test_a_network_that_dies_at_the_end_is_no_model(fit, monkeypatch):
    kill(monkeypatch, 100)
    with pytest.raises(ModelError, match="died"):
        fit(network="isonet1", steps=2, steps_per_epoch=2, batch_size=1)


def test_a_network_that_dies_late_leaves_what_it_had_learnt(fit, monkeypatch):
    """Death wipes out the weights of the moment, not the best ones of before."""
    healthy = fit(network="isonet1", steps=4, steps_per_epoch=2, batch_size=2)
    networks, build, step = [], net.build, torch.optim.Adam.step

    def remember(name, **options):
        networks.append(build(name, **options))
        return networks[-1]

    def die_at_step_4(adam, closure=None):
        step(adam)
        if int(adam.state[networks[0].layers[0][0].weight]["step"]) == 4:
            torch.nn.init.constant_(networks[0].layers[-1][0].bias, -1e3)

    monkeypatch.setattr(state.net, "build", remember)
    monkeypatch.setattr(torch.optim.Adam, "step", die_at_step_4)
    model = fit(network="isonet1", steps=4, steps_per_epoch=2, batch_size=2)
    assert model.facts["restarts"] == 1
    assert model.facts["best_validation_loss"] == healthy.facts["history"][0]["val_loss"]


def test_a_flat_validation_band_is_no_sign_of_death(stack, recipe, monkeypatch):
    """Where there is nothing to see, showing nothing is right."""
    grey = stack.array().copy()
    grey[:, :, -20:] = 100
    flat = Image(grey, "ZYX", stack.voxel_um)
    made = pairs.from_volume(flat, Microscope(), recipe(noise="none", network="isonet1"))
    model = train.fit(made, recipe(noise="none", network="isonet1", steps=4, steps_per_epoch=1))
    assert model.facts["restarts"] == 0


def test_unknown_device_is_refused():
    with pytest.raises(UsageError, match=r"--device: there is no device 'nope'"):
        loop.choose_device("nope")
