"""What a validation says of a network: its loss, whether it is dead or lost, whether it helps."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from carescope import Recipe
from carescope.task import Task
from carescope.train.judge import Judge

CPU = torch.device("cpu")
RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.random((2, 3, 2, 8, 8), np.float32)
INPUTS = TARGETS + RANDOM.normal(0, 0.1, TARGETS.shape).astype(np.float32)
PLAIN = float(np.square(INPUTS - TARGETS).mean())


class Pairs:
    """Two validation batches of two channels."""

    task = Task(kind="isotropic", channels_in=2, channels_out=2, step_um=1, pixel_um=1)

    def __init__(self, targets=TARGETS):
        self.targets = targets

    def validation(self):
        return list(zip(INPUTS, self.targets, strict=True))


class Answers(nn.Module):
    """A network that gives, batch by batch, what it was told to."""

    def __init__(self, means, scales=None):
        super().__init__()
        self.means, self.scales, self.asked = means, scales, 0

    def forward(self, x):
        means = torch.from_numpy(self.means[self.asked % 2])
        self.asked += 1
        return means if self.scales is None else torch.cat([means, means * 0 + self.scales], 1)


@pytest.fixture(params=["mse", "psnr", "laplace", "gaussian"])
def loss(request):
    return request.param


def judged(loss, means, scales=0.1, pairs=None):
    scales = scales if loss in ("laplace", "gaussian") else None
    return Judge(pairs or Pairs(), Recipe(loss=loss), CPU), Answers(means, scales)


def test_a_healthy_network_is_alive_and_has_its_loss(loss):
    judge, network = judged(loss, INPUTS * 0.9)
    verdict = judge.look(network)
    assert not verdict.dead
    assert not verdict.lost
    error = np.abs(INPUTS * 0.9 - TARGETS)
    expected = {
        "mse": np.square(error).mean(),
        "laplace": (error / 0.1).mean() + math.log(0.2),
        "gaussian": np.square(error / 0.1).mean() / 2 + math.log(0.1 * math.sqrt(2 * math.pi)),
    }
    if loss in expected:
        assert verdict.loss == pytest.approx(expected[loss], rel=1e-4)


def test_flat_means_are_death_whatever_the_scales(loss):
    scales = torch.rand(3, 2, 8, 8)
    judge, network = judged(loss, np.full_like(TARGETS, 0.3), scales)
    assert judge.look(network).dead
    judge, network = judged(loss, np.full_like(TARGETS, 0.3), scales, Pairs(TARGETS * 0))
    assert not judge.look(network).dead


def test_one_flat_channel_is_death_unless_it_should_be_flat(loss):
    means, targets = INPUTS.copy(), TARGETS.copy()
    means[:, :, 1] = 0
    judge, network = judged(loss, means)
    assert judge.look(network).dead
    targets[:, :, 1] = 0
    judge, network = judged(loss, means, pairs=Pairs(targets))
    assert not judge.look(network).dead


def test_means_far_from_all_sense_are_lost_though_the_loss_is_a_number(loss):
    judge, network = judged(loss, TARGETS + 1e6)
    assert judge.look(network).lost
    judge, network = judged(loss, TARGETS + 10)
    assert not judge.look(network).lost


def test_nan_is_neither_death_nor_a_loss(loss):
    judge, network = judged(loss, TARGETS * np.float32(math.nan))
    verdict = judge.look(network)
    assert (math.isnan(verdict.loss), verdict.dead, verdict.lost) == (True, False, False)


def test_the_means_are_held_against_plain_interpolation(loss):
    judge, network = judged(loss, (INPUTS + TARGETS) / 2)
    assert judge.doubts(network) == []
    judge, network = judged(loss, INPUTS + 0.2, scales=1e-3)
    (doubt,) = judge.doubts(network)
    assert "no better than that of plain interpolation" in doubt
    if loss != "psnr":
        assert f"{np.square(INPUTS + 0.2 - TARGETS).mean():.4g}" in doubt
        assert f"{PLAIN:.4g}" in doubt
