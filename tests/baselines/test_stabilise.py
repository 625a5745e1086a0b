"""The variance-stabilising transform: noise of 1 everywhere, and no bias on the way back."""

import numpy as np
import pytest

from carescope import baselines
from carescope.baselines import stabilise
from carescope.physics.camera import Noise, expose

CAMERAS = [Noise(0.01, 0.05, 0.02), Noise(0.03, 0.0, 0.0), Noise(0.002, 0.1, 0.05)]


def pictures(level, noise, count=200_000):
    return expose(np.full(count, level), noise, np.random.default_rng(0)).astype(float)


@pytest.mark.parametrize("noise", CAMERAS)
@pytest.mark.parametrize("level", [0.3, 0.6, 1.0])
def test_noise_is_one_in_dark_and_bright_parts(noise, level):
    assert np.std(stabilise.forward(pictures(level, noise), noise)) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("noise", CAMERAS)
@pytest.mark.parametrize("level", [0.15, 0.3, 1.0])
def test_the_mean_of_many_stabilised_pictures_leads_back(noise, level):
    mean = np.mean(stabilise.forward(pictures(level, noise), noise))
    assert stabilise.inverse(mean, noise) == pytest.approx(level, abs=0.003)


@pytest.mark.parametrize("noise", [Noise(0, 0, 0.1), Noise(1e-9, 0.2, 0.1), Noise(0, 0, 0)])
def test_without_photon_noise_it_is_a_scale(noise):
    values = np.linspace(-0.5, 1.5, 9)
    seen = stabilise.forward(values, noise)
    np.testing.assert_allclose(np.diff(seen), np.diff(seen)[0], rtol=1e-6)
    np.testing.assert_allclose(stabilise.inverse(seen, noise), values, atol=1e-9)
    if noise.read_noise:
        assert np.diff(seen)[0] == pytest.approx(0.25 / 0.1)


def test_dark_parts_are_kept_where_noise_says_little_of_them():
    """A dark and a bright half with noise only in the bright one: no offset can be told."""
    rng = np.random.default_rng(0)
    truth = np.repeat([10.0, 60.0, 200.0], 32)[:, np.newaxis] * np.ones(96)
    image = truth + rng.normal(0, 1, truth.shape) * np.repeat([1.0, 2.0, 40.0], 32)[:, np.newaxis]
    seen = baselines.apply("total variation", image, {"weight_noise": 1, "stabilised": True})
    assert seen[4:28].mean() == pytest.approx(10, abs=2)
    assert seen[36:60].mean() == pytest.approx(60, abs=6)
