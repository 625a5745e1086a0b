"""Settings are chosen by validation error, on parts of images that stand for the whole."""

import os
from pathlib import Path

import numpy as np
import pytest

from carescope import baselines, metrics, read
from carescope.errors import InputError, UsageError
from carescope.physics import blur, psf

DATA = os.environ.get("CARESCOPE_DATA")


def smooth(shape, sigma_px, seed=0):
    field = np.random.default_rng(seed).normal(0, 1, shape)
    ones = (1.0,) * 3
    kernel = psf.gaussian((sigma_px,) * 3, ones).values
    kernel = kernel.sum(axis=0) if len(shape) == 2 else kernel
    field = blur.blur(field[np.newaxis], kernel[np.newaxis])[0] if len(shape) == 2 else field
    return 100 + 50 * field / field.std()


def with_noise(truth, sd, seed=1):
    return truth + np.random.default_rng(seed).normal(0, sd, truth.shape)


def test_the_setting_of_least_error_is_chosen():
    pairs = []
    for seed in (0, 1):
        truth = smooth((96, 96), 4, seed)
        pairs.append((with_noise(truth, 40), truth))
    tried = baselines.trials("low-pass", pairs)
    assert len(tried) == len(baselines.METHODS["low-pass"].settings(2))
    setting, error = tried[4]
    by_hand = [
        metrics.nrmse(high, baselines.apply("low-pass", low, setting)) for low, high in pairs
    ]
    assert error == pytest.approx(np.mean(by_hand))
    assert baselines.tune("low-pass", pairs) == min(tried, key=lambda t: t[1])[0]


def test_smoother_truths_and_more_noise_ask_for_more_smoothing():
    def chosen(sigma_px, sd):
        truth = smooth((96, 96), sigma_px)
        return baselines.tune("low-pass", [(with_noise(truth, sd), truth)])["sigma_px"]

    assert chosen(2, 20) < chosen(5, 20)
    assert chosen(4, 10) < chosen(4, 60)


def test_settings_carry_over_to_another_exposure():
    """The noise is counted in itself, so at ten times the grey levels all settings do as well."""
    truth = smooth((96, 96), 4)
    low = with_noise(truth, 40)
    for name in ("low-pass", "total variation"):
        errors, brighter = (
            [error for _, error in baselines.trials(name, [(image, truth)])]
            for image in (low, 10 * low + 7)
        )
        np.testing.assert_allclose(brighter, errors, rtol=1e-3)


def test_of_a_large_image_a_window_like_the_whole_is_looked_at():
    contrast = np.repeat(np.repeat([[0.0, 10.0], [20.0, 80.0]], 100, axis=0), 100, axis=1)
    truth = contrast * np.random.default_rng(0).normal(0, 1, (60, 200, 200))
    low, high = baselines.window(truth + 1, truth, pixels=16 * 50 * 50)
    assert low.shape == high.shape == (16, 50, 50)
    np.testing.assert_array_equal(low, high + 1)
    assert truth.std() == pytest.approx(41.5, rel=0.01)
    assert high.std() == pytest.approx(20, rel=0.05)
    whole = baselines.window(truth[0], truth[0], pixels=2**18)[0]
    assert whole.shape == (200, 200)


def test_arguments_are_left_alone():
    truth = smooth((48, 48), 3)
    low = with_noise(truth, 30)
    before = truth.copy(), low.copy()
    for name, method in baselines.METHODS.items():
        if method.package is None:
            baselines.apply(name, low, method.settings(2)[-1])
    baselines.tune("median", [(low, truth)])
    np.testing.assert_array_equal((truth, low), before)


def test_pairs_that_are_none_are_refused():
    truth = smooth((48, 48), 3)
    with pytest.raises(InputError, match="48 x 40"):
        baselines.tune("median", [(truth[:, :40], truth)])
    with pytest.raises(InputError, match="no pairs"):
        baselines.tune("median", [])
    with pytest.raises(UsageError, match="no baseline 'blur'"):
        baselines.tune("blur", [(truth, truth)])


@pytest.mark.skipif(not DATA, reason="CARESCOPE_DATA is not set")
def test_on_real_pairs_every_method_takes_most_of_the_error():
    def pair(field):
        found = (
            read.open(Path(DATA) / "paired_w2s" / part / f"{field}_1.tif").array()
            for part in ("avg1", "avg400")
        )
        return tuple(found)

    low, high = pair("015")
    before = metrics.nrmse(high, low)
    for name, method in baselines.METHODS.items():
        if method.package is None:
            setting = baselines.tune(name, [pair("012"), pair("014")], pixels=2**14)
            assert metrics.nrmse(high, baselines.apply(name, low, setting)) < 0.5 * before, name
