"""Long gradients are shortened to some times their usual length, and nothing else is changed."""

import math

import pytest
import torch
from torch import nn

from carescope.train import clip


def network(*gradients):
    made = nn.ParameterList(nn.Parameter(torch.zeros(len(g))) for g in gradients)
    for weights, gradient in zip(made, gradients, strict=True):
        weights.grad = torch.tensor(gradient)
    return made


def lengths(made):
    return [weights.grad.tolist() for weights in made]


def test_usual_gradients_stay_as_they_are():
    made = network([3.0, 0.0], [0.0, 4.0])
    usual = clip.shorten(made, 0.0)
    assert usual == pytest.approx(5)
    assert lengths(made) == [[3.0, 0.0], [0.0, 4.0]]


def test_long_ones_keep_their_direction():
    made = network([300.0, 0.0], [0.0, 400.0])
    usual = clip.shorten(made, 5.0)
    (a, _), (_, b) = lengths(made)
    assert math.hypot(a, b) == pytest.approx(clip.MOST * 5, rel=1e-4)
    assert b / a == pytest.approx(4 / 3)
    assert 5 < usual < 5.5


def test_what_is_usual_follows_lasting_growth():
    usual = 1.0
    for _ in range(300):
        usual = clip.shorten(network([10.0]), usual)
    assert usual == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_no_number_is_left_to_the_loss(bad):
    made = network([bad, 1.0])
    assert clip.shorten(made, 2.0) == 2.0
