"""Images drawn from predictions: the right distribution, and the same whenever asked for."""

import numpy as np
import pytest
from scipy import stats

from carescope.errors import InputError, UsageError
from carescope.trust import FAMILIES, calibration, cdf, samples

PEER = {"laplace": stats.laplace, "gaussian": stats.norm}


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_of_one_network_follow_its_distribution(family):
    rng = np.random.default_rng(0)
    mean, scale = rng.normal(size=(1, 150, 200)), rng.uniform(0.1, 2, (1, 150, 200))
    for drawn in samples(mean, scale, 3, family=family, seed=4):
        z = (drawn - mean[0]) / scale[0]
        assert stats.kstest(z.ravel(), PEER[family].cdf).pvalue > 0.01


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_of_an_ensemble_follow_the_mixture(family):
    rng = np.random.default_rng(1)
    means, scales = 3 * rng.normal(size=(4, 150, 200)), rng.uniform(0.1, 2, (4, 150, 200))
    (drawn,) = samples(means, scales, 1, family=family)
    below = cdf(drawn, means, scales, family=family)
    assert stats.kstest(below.ravel(), "uniform").pvalue > 0.01
    assert calibration(drawn, means, scales, family=family).error < 0.005


def test_pixels_and_frames_are_independent():
    first, second = samples(np.zeros((1, 300, 300)), np.ones((1, 300, 300)), 2)
    pairs = {"frames": (first, second), "neighbours": (first[:, 1:], first[:, :-1])}
    for one, other in pairs.values():
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.015


def test_a_frame_is_the_same_whichever_came_before():
    means, scales = np.zeros((2, 30, 40)), np.ones((2, 30, 40))
    five = list(samples(means, scales, 5, seed=9))
    (fourth,) = samples(means, scales, 1, seed=9, first=3)
    assert fourth.tobytes() == five[3].tobytes()
    assert len({frame.tobytes() for frame in five}) == 5
    assert next(samples(means, scales, 1, seed=8)).tobytes() != five[0].tobytes()


def test_frames_are_drawn_when_they_are_asked_for():
    scales = np.ones((1, 8, 8), np.float32)
    many = samples(np.zeros_like(scales), scales, 10**12)
    assert next(many).dtype == np.float32


def test_a_scale_of_zero_is_certain_and_no_number_stays_none():
    means = np.array([[1.0, np.nan, 3.0], [1.0, 2.0, 3.0]])
    scales = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, np.nan]])
    for drawn in samples(means, scales, 20):
        np.testing.assert_array_equal(drawn, [1, np.nan, np.nan])


def test_impossible_requests_are_refused_at_once():
    with pytest.raises(UsageError, match="0 samples"):
        samples(np.zeros((1, 3)), np.ones((1, 3)), 0)
    with pytest.raises(UsageError, match="family"):
        samples(np.zeros((1, 3)), np.ones((1, 3)), 1, family="cauchy")
    with pytest.raises(InputError, match="negative"):
        samples(np.zeros((1, 3)), -np.ones((1, 3)), 1)
