"""Factors that follow the noise of an image: found on some images, right on noisier ones."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carescope import Image, normalize
from carescope.trust import FAMILIES, Rescaling, Trend, combined, noise_of, tally, trend, widened


def counted(noise, slope, seed=0, off=1.0):
    """An image whose errors grow as a power of its noise, and whose scales do not."""
    errors = np.random.default_rng(seed).normal(0, off * noise**slope, 40_000)
    return tally(errors, np.zeros(40_000), np.ones(40_000))


@pytest.mark.parametrize("slope", [0.0, 0.4, 0.9])
def test_the_power_is_found_and_holds_for_images_half_again_as_noisy(slope):
    known = [0.05, 0.08, 0.1, 0.15]
    found = trend([counted(n, slope, i) for i, n in enumerate(known)], np.log(known), "gaussian")
    assert found.slope == pytest.approx(slope, abs=0.05)
    unseen = 0.22
    usual = math.exp(found.noise) ** slope
    scales = Rescaling("gaussian", usual * found.factor(math.log(unseen)))
    assert combined([counted(unseen, slope, 9)], scales).error < 0.02


def test_images_that_are_alike_in_noise_tell_little():
    known = [0.1, 0.1001, 0.0999]
    errors = [
        counted(n, 0, i, off) for i, (n, off) in enumerate(zip(known, (1, 1.2, 0.8), strict=True))
    ]
    assert abs(trend(errors, np.log(known), "laplace").slope) < 0.1


def test_two_images_or_unknown_noise_tell_nothing():
    two = [counted(0.1, 1), counted(0.2, 1)]
    assert trend(two, np.log([0.1, 0.2]), "laplace") == Trend()
    assert trend([*two, two[0]], [None, math.nan, 0.0], "laplace").factor(3.0) == 1


def test_a_trend_is_not_followed_for_ever():
    found = Trend(0.5, math.log(0.1), math.log(2))
    assert found.factor(math.log(0.2)) == pytest.approx(math.sqrt(2))
    assert found.factor(10.0) == found.factor(math.log(0.2))
    assert found.factor(-10.0) == pytest.approx(1 / math.sqrt(2))
    assert found.factor(None) == found.factor(-math.inf) == 1


@given(st.floats(0.3, 3), st.floats(0.3, 3), st.sampled_from(FAMILIES))
def test_wider_scales_count_as_those_that_were_predicted_wider(factor, off, family):
    one = counted(0.1, 0, off=off)
    expected = combined([one], Rescaling(family, factor)).covered
    found = combined([widened(one, factor)], Rescaling(family)).covered
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_the_noise_is_that_of_the_pixels_in_units_of_the_range():
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 1000, 256) + np.zeros((256, 256))
    for sigma in (10, 40):
        image = Image(slope + rng.normal(0, sigma, slope.shape), "YX")
        (level,) = noise_of(image.array()[None], normalize.fit(image))
        assert math.exp(level) == pytest.approx(sigma / 1000, rel=0.1)
