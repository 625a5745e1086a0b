"""Training that begins with a model, and networks that predict scales."""

import numpy as np
import pytest

from carescope import Image, Microscope, Recipe, pairs, train
from carescope.errors import OutputError, UsageError
from carescope.model import Ensemble
from carescope.train import loop


@pytest.fixture
def colourful(stack, recipe):
    """Pairs of a stack of two channels."""

    def colourful(**changes):
        grey = np.stack([stack.array(), stack.array()[:, ::-1]], axis=1)
        two = Image(grey, "ZCYX", stack.voxel_um)
        return pairs.from_volume(two, Microscope(), recipe(**({"noise": "none"} | changes)))

    return colourful


QUICK = {"steps": 4, "steps_per_epoch": 2}


def test_it_goes_on_from_the_weights_of_the_start(fit, same):
    first = fit(**QUICK)
    barely = fit(start=first, learning_rate=1e-30, **QUICK)
    for name, weights in first.network.state_dict().items():
        np.testing.assert_allclose(barely.network.state_dict()[name], weights, rtol=0, atol=1e-25)
    assert barely.facts["started_from"] == first.sha256
    assert first.facts["started_from"] is None
    assert not same(fit(start=first, **QUICK), first)


def test_the_network_of_the_start_is_taken_and_the_rate_of_the_recipe(fit):
    first = fit(network="isonet1", **QUICK)
    second = fit(start=first, network="auto", learning_rate=1e-4, schedule="plateau", **QUICK)
    assert second.architecture == first.architecture
    assert second.facts["history"][0]["learning_rate"] == 1e-4


def test_another_start_is_another_task(fit, interrupted, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    interrupted(2, tmp_path, **QUICK)
    with pytest.raises(OutputError, match="another recipe or other data"):
        fit(out=tmp_path, start=fit(**QUICK), **QUICK)


def test_a_start_of_other_channels_is_refused(fit, colourful):
    with pytest.raises(UsageError, match=r"--from:.*1 channel, and the images have 2 channels"):
        train.fit(colourful(**QUICK), start=fit(**QUICK), device="cpu")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("mse", "laplace", "predicts no scales, and the loss laplace learns them. Give --loss mse"),
        ("gaussian", "mae", "predicts scales, and the loss mae knows none. Give --loss gaussian"),
    ],
)
def test_a_start_without_the_scales_of_the_loss_is_refused(fit, before, after, said):
    start = fit(loss=before, **QUICK)
    with pytest.raises(UsageError, match=f"--from.*{said}"):
        fit(start=start, loss=after, **QUICK)


def test_an_ensemble_is_no_start(fit):
    both = Ensemble((fit(**QUICK), fit(seed=1, **QUICK)))
    with pytest.raises(UsageError, match=r"--from.*ensemble of 2.*member-0"):
        fit(start=both, **QUICK)


@pytest.mark.parametrize("loss", ["laplace", "gaussian"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_a_likelihood_gives_scales_for_every_channel(colourful, loss, per_channel):
    made = colourful(loss=loss, per_channel=per_channel, **QUICK)
    model = train.fit(made, device="cpu")
    inputs, targets = made.validation()[0]
    assert targets.shape[1] == model.task.channels_out == 2
    restored = model.apply(inputs)
    assert restored.shape[1] == 4
    assert (restored[:, 2:] > 0).all()
    assert model.spread == loss


def test_a_recipe_that_is_not_that_of_the_start_is_no_hindrance(fit):
    start = fit(**QUICK)
    assert fit(start=start, patch_px=48, seed=4, **QUICK).recipe == Recipe.of(
        **QUICK, patch_px=48, seed=4, batch_size=4, precision="float32", noise="none"
    )
