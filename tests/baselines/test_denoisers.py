"""Each denoiser against its formula, or against what it promises, in planes and volumes."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope import baselines
from carescope.errors import InputError, UsageError

FAST = [name for name, method in baselines.METHODS.items() if method.package is None]


def noisy(shape, seed=0, sd=20.0):
    """A bright box with soft edges on a dark ground, without noise and with it."""
    truth = np.full(shape, 100.0)
    truth[tuple(slice(n // 4, 3 * n // 4) for n in shape)] = 300
    truth = baselines.low_pass(truth, sigma_px=1.5).astype(float)
    return truth, truth + np.random.default_rng(seed).normal(0, sd, shape)


def typical(name, ndim):
    """A setting from among those that are tried, neither weak nor strong."""
    found = baselines.METHODS[name].settings(ndim)
    return found[len(found) // 3]


def test_low_pass_of_a_point_is_a_gaussian():
    point = np.zeros((41, 41))
    point[20, 20] = 1
    seen = baselines.low_pass(point, sigma_px=2.5)
    y, x = np.indices(seen.shape) - 20
    expected = np.exp(-(y**2 + x**2) / (2 * 2.5**2))
    np.testing.assert_allclose(seen, expected / expected.sum(), atol=1e-5)


@pytest.mark.parametrize(("radius_px", "count"), [(1, 5), (1.5, 9), (2, 13), (3, 29)])
def test_median_is_that_of_a_disk(radius_px, count):
    _, image = noisy((20, 22))
    y, x = np.indices(image.shape)
    disk = (y - 9) ** 2 + (x - 11) ** 2 <= radius_px**2
    assert disk.sum() == count
    seen = baselines.median(image, radius_px=radius_px)
    assert seen[9, 11] == pytest.approx(np.median(image[disk]), rel=1e-6)


def test_bilateral_of_a_pixel_is_its_formula():
    _, image = noisy((24, 24))
    seen = baselines.bilateral(image, sigma_px=1.5, sigma_grey=60)
    y, x = np.indices(image.shape)
    near = np.exp(-((y - 11) ** 2 + (x - 7) ** 2) / (2 * 1.5**2))
    near[(abs(y - 11) > 5) | (abs(x - 7) > 5)] = 0
    weight = near * np.exp(-((image - image[11, 7]) ** 2) / (2 * 60**2))
    assert seen[11, 7] == pytest.approx(np.average(image, weights=weight), rel=1e-5)


@pytest.mark.parametrize("shape", [(24, 24), (12, 14, 16)])
def test_bilateral_that_takes_any_grey_level_is_a_low_pass(shape):
    _, image = noisy(shape)
    seen = baselines.bilateral(image, sigma_px=1, sigma_grey=1e6)
    np.testing.assert_allclose(seen, baselines.low_pass(image, sigma_px=1), atol=0.2)


def test_non_local_means_finds_what_repeats():
    """Stripes with noise: whole stripes are averaged, and the edges stay."""
    stripes = np.where(np.arange(64) // 4 % 2, 300.0, 100.0) * np.ones((64, 1))
    image = stripes + np.random.default_rng(0).normal(0, 20, stripes.shape)
    seen = baselines.non_local_means(
        image, strength_grey=15, sigma_grey=20, patch_px=5, search_px=9
    )
    blurred = baselines.low_pass(image, sigma_px=1)
    assert np.std(seen - stripes) < 6
    assert np.std(blurred - stripes) > 20


@pytest.mark.parametrize("shape", [(32, 32), (8, 16, 16)])
def test_total_variation_finds_the_minimum(shape):
    _, image = noisy(shape)
    weight = 30.0

    def objective(u):
        steps = [np.diff(u, axis=axis, append=u.take([-1], axis)) for axis in range(u.ndim)]
        return 0.5 * np.sum((u - image) ** 2) + weight * np.sum(np.sqrt(sum(s**2 for s in steps)))

    seen = baselines.total_variation(image, weight_grey=weight).astype(float)
    least = objective(seen)
    assert least < objective(image)
    rng = np.random.default_rng(1)
    others = [seen + rng.normal(0, sd, shape) for sd in (1, 3, 10)]
    others += [baselines.low_pass(image, sigma_px=s).astype(float) for s in (0.5, 1, 2)]
    others += [seen + share * (image - seen) for share in (0.05, 0.2)]
    assert all(least < objective(other) for other in others)


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("shape", [(40, 44), (2, 40, 44), (10, 24, 28)])
def test_noise_is_taken_from_planes_and_volumes(name, shape):
    truth, image = noisy(shape)
    for setting in baselines.METHODS[name].settings(len(shape))[::17]:
        seen = baselines.apply(name, image, setting)
        assert seen.shape == shape
        assert seen.dtype == np.float32
        assert np.isfinite(seen).all()
    seen = baselines.apply(name, image, typical(name, len(shape)))
    assert np.std(seen - truth) < 0.8 * np.std(image - truth)


@pytest.mark.parametrize("name", FAST)
@given(gain=st.floats(1e-3, 1e4), offset=st.floats(-1e4, 1e4))
@settings(deadline=None, max_examples=5)
def test_units_do_not_matter(name, gain, offset):
    """Up to the rounding of float32, which an offset makes coarser."""
    _, image = noisy((32, 32))
    image = image.round()
    moved = gain * image + offset
    setting = typical(name, 2)
    expected = gain * baselines.apply(name, image, setting).astype(float) + offset
    span = gain * np.ptp(image)
    tolerance = 2e-3 * span + 1e-5 * np.abs(moved).max()
    np.testing.assert_allclose(baselines.apply(name, moved, setting), expected, atol=tolerance)


@pytest.mark.parametrize("ndim", [2, 3])
def test_every_method_is_tried_with_eight_settings_at_least(ndim):
    methods = baselines.named(ndim)
    assert set(FAST) <= set(methods)
    for name, method in methods.items():
        found = method.settings(ndim)
        assert len(found) >= 8, name
        assert len({tuple(s.items()) for s in found}) == len(found), name


def test_planes_of_a_volume_are_filtered_one_by_one_where_a_setting_says_so():
    _, image = noisy((4, 32, 32))
    setting = {"sigma_px": 2.0}
    whole = baselines.apply("low-pass", image, setting | {"planewise": False})
    apart = baselines.apply("low-pass", image, setting | {"planewise": True})
    plane = baselines.apply("low-pass", image[1], setting)
    np.testing.assert_allclose(apart[1], plane, atol=1e-2)
    assert np.abs(whole - apart).max() > 1


@pytest.mark.parametrize("package", ["bm3d", "bm4d"])
def test_what_is_not_installed_is_neither_run_nor_hidden(package, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setitem(__import__("sys").modules, package, None)
    assert package not in baselines.named(2) | baselines.named(3)
    assert package in baselines.missing(2) + baselines.missing(3)
    with pytest.raises(UsageError, match=f"pip install {package}"):
        baselines.apply(package, noisy((16, 16, 16))[1], {"sigma_noise": 1})


def test_bm3d_where_it_is_installed():
    pytest.importorskip("bm3d")
    truth, image = noisy((32, 32))
    seen = baselines.bm3d(image, sigma_grey=20)
    assert np.std(seen - truth) < 0.6 * np.std(image - truth)


def test_bm4d_where_it_is_installed():
    pytest.importorskip("bm4d")
    truth, image = noisy((5, 24, 24))
    seen = baselines.bm4d(image, sigma_grey=20)
    assert seen.shape == image.shape
    assert np.std(seen - truth) < 0.6 * np.std(image - truth)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros(30),
        np.zeros((2, 2, 30, 30)),
        np.zeros((8, 30)),
        np.zeros((1, 30, 30)),
        np.zeros((30, 30)),
        np.full((30, 30), np.nan),
        np.zeros((30, 30), complex),
    ],
    ids=["line", "4D", "small", "one plane", "constant", "nan", "complex"],
)
def test_what_cannot_be_denoised_is_refused(image):
    with pytest.raises(InputError):
        baselines.apply("low-pass", image, {"sigma_px": 1})


def test_a_method_or_parameter_that_does_not_exist_is_refused():
    _, image = noisy((20, 20))
    with pytest.raises(UsageError, match="non-local means"):
        baselines.apply("nlm", image, {})
    with pytest.raises(UsageError, match="sigma_px"):
        baselines.low_pass(image, sigma_px=0)
    with pytest.raises(UsageError, match="1 dimensions"):
        baselines.median(image[0], radius_px=1)
