"""Inputs get more noise where noise is all that they have beside their targets."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from carescope import Image, Recipe, pairs


@pytest.fixture(scope="module")
def scene():
    draw = np.random.default_rng(0)
    return 400 * gaussian_filter(draw.random((128, 128)), 3).astype(np.float32) * 20


def made(low, high, **recipe):
    options = {"patch_px": 32, "batch_size": 8, "steps": 1, **recipe}
    return pairs.from_pairs([(Image(low, "YX"), Image(high, "YX"))], Recipe(**options))


def poisson(scene, photon=50):
    return (np.random.default_rng(1).poisson(scene / photon) * photon).astype(np.float32)


def spread(batch):
    low, high = batch
    return (low - high).std(axis=(1, 2, 3))


def test_inputs_have_up_to_so_many_times_their_noise(scene):
    low = poisson(scene)
    plain = made(low, scene, most_noise=1)
    more = made(low, scene, most_noise=3)
    for number in range(3):
        (seen, target), (noisier, same) = plain.batch(number), more.batch(number)
        np.testing.assert_array_equal(target, same)
        factors = spread((noisier, same)) / spread((seen, target))
        assert factors.min() >= 1 - 1e-5
        assert factors.max() <= 3 + 1e-5
        assert np.ptp(factors) > 0.5
        # The same noise, only more of it.
        grown = factors[:, None, None, None] * (seen - target)
        np.testing.assert_allclose(noisier - same, grown, atol=1e-5)
    for one, other in zip(plain.validation(), more.validation(), strict=True):
        np.testing.assert_array_equal(one[0], other[0])


@pytest.mark.parametrize(
    "low",
    [
        lambda scene: gaussian_filter(scene, 2),
        lambda scene: shift(scene, (2, 1), mode="nearest"),
        lambda scene: gaussian_filter(poisson(scene), 1),
    ],
    ids=["blurred", "shifted", "noise of several pixels"],
)
def test_any_other_difference_stays_as_it_is(scene, low):
    plain, more = (made(low(scene), scene, most_noise=most).batch(0) for most in (1, 3))
    np.testing.assert_array_equal(plain[0], more[0])


def test_by_default_where_scales_are_learnt(scene):
    low = poisson(scene)
    plain = made(low, scene, most_noise=1).batch(0)
    np.testing.assert_array_equal(made(low, scene).batch(0)[0], plain[0])
    assert not np.array_equal(made(low, scene, loss="laplace").batch(0)[0], plain[0])


def test_a_target_with_noise_of_its_own_is_not_amplified(scene):
    high = (np.random.default_rng(3).poisson(scene / 50) * 50).astype(np.float32)
    plain, more = (made(poisson(scene), high, most_noise=most).batch(0) for most in (1, 3))
    np.testing.assert_array_equal(plain[0], more[0])


def test_networks_that_make_planes_or_find_surfaces_are_not_concerned(scene):
    stack = np.repeat(poisson(scene)[None], 8, 0)
    draw = np.random.default_rng(2)
    stack = (draw.poisson(stack / 50) * 50).astype(np.float32)
    images = [(Image(stack, "ZYX"), Image(scene, "YX"))]
    options = {"patch_px": 32, "batch_size": 2, "steps": 1}
    plain, more = (
        pairs.from_pairs(images, Recipe(**options, most_noise=most), kind="project").batch(0)
        for most in (1, 3)
    )
    np.testing.assert_array_equal(plain[0], more[0])
