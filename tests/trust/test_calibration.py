"""Calibration curves of predictions whose calibration is known."""

import numpy as np
import pytest
from scipy import stats

from carescope.errors import InputError, UsageError
from carescope.trust import FAMILIES, calibration

PEER = {"laplace": stats.laplace, "gaussian": stats.norm}
SHAPE = (4, 200, 250)


def scene(count, family, seed=0):
    """Predictions of `count` members, and a truth drawn from their mixture."""
    rng = np.random.default_rng(seed)
    means = 3 * rng.normal(size=(count, *SHAPE))
    scales = rng.uniform(0.1, 2, size=means.shape)
    who = rng.integers(count, size=(1, *SHAPE))
    mean, scale = (np.take_along_axis(a, who, axis=0)[0] for a in (means, scales))
    return PEER[family].rvs(mean, scale, random_state=rng), means, scales


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("count", [1, 4])
def test_a_truth_drawn_from_the_prediction_is_covered_as_promised(family, count):
    found = calibration(*scene(count, family), family=family)
    assert found.error < 0.005
    np.testing.assert_allclose(found.covered, found.levels, atol=0.01)
    assert found.levels[[0, -1]].tolist() == [0.01, 0.99]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_wrong_scale_gives_the_curve_that_follows_from_it(family, factor):
    """The c-interval of a scale that is `factor` times the true one holds F(factor q) of it."""
    truth, means, scales = scene(1, family)
    found = calibration(truth, means, factor * scales, family=family)
    half = PEER[family].ppf((1 + found.levels) / 2)
    expected = 2 * PEER[family].cdf(factor * half) - 1
    np.testing.assert_allclose(found.covered, expected, atol=0.01)
    assert found.error == pytest.approx(np.abs(expected - found.levels).mean(), abs=0.005)
    if family == "laplace" and factor == 0.5:
        np.testing.assert_allclose(expected, 1 - np.sqrt(1 - found.levels))


def test_the_wrong_family_is_noticed():
    truth, means, scales = scene(1, "gaussian")
    assert calibration(truth, means, scales, family="laplace").error > 0.03


def test_one_prediction_needs_no_axis_of_members():
    truth, means, scales = scene(1, "laplace")
    with_axis, without = (
        calibration(truth, m, s) for m, s in [(means, scales), (means[0], scales[0])]
    )
    assert with_axis.covered.tolist() == without.covered.tolist()


def test_asked_levels_are_counted_by_hand():
    """Truths at the median, the upper quartile, and far out of a Laplace distribution."""
    truth = np.array([0.0, np.log(2) - 1e-9, 100.0])
    found = calibration(truth, np.zeros(3), np.ones(3), levels=[0, 0.5, 0.9, 1])
    assert found.covered == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1])
    assert found.error == pytest.approx(np.mean([1 / 3, 1 / 6, 0.9 - 2 / 3, 0]))


def test_what_cannot_be_judged_is_refused():
    truth, means, scales = (np.zeros(4), np.zeros((2, 4)), np.ones((2, 4)))
    with pytest.raises(InputError, match="the truth is"):
        calibration(np.zeros(3), means, scales)
    with pytest.raises(InputError, match="at least one"):
        calibration(truth[:0], means[:, :0], scales[:, :0])
    for wrong in ([np.nan, 0, 0, 0], truth):
        broken = means if wrong is not truth else np.full_like(means, np.nan)
        with pytest.raises(InputError, match="no numbers"):
            calibration(wrong, broken, scales)
    for levels in ([], [0.5, 0.4], [0.5, 1.1], [-0.1, 0.5], [[0.5]]):
        with pytest.raises(UsageError, match="levels"):
            calibration(truth, means, scales, levels=levels)
