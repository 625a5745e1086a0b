"""The papers' measures against their formulas, their peers, and what they may not depend on."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from carescope.errors import InputError
from carescope.metrics import evaluate, match, normalise_truth, nrmse, psnr, ssim

MEASURES = [nrmse, ssim, psnr]


def pair(seed=0, shape=(24, 31)):
    rng = np.random.default_rng(seed)
    truth = rng.gamma(2.0, 100.0, shape)
    return truth, truth + rng.normal(0, 40, shape)


def by_least_squares(truth, restored):
    columns = np.stack([restored.ravel(), np.ones(restored.size)], axis=1)
    gain, offset = np.linalg.lstsq(columns, truth.ravel(), rcond=None)[0]
    return gain * restored + offset


def test_truth_is_normalised_by_its_percentiles_and_not_clipped():
    truth = np.arange(1001.0)
    normalised = normalise_truth(truth)
    assert normalised[1] == pytest.approx(0.0)
    assert normalised[999] == pytest.approx(1.0)
    assert normalised[0] < 0 < 1 < normalised[1000]


@given(seed=st.integers(0, 999), dims=st.integers(1, 4))
@settings(deadline=None, max_examples=20)
def test_match_is_the_least_squares_fit(seed, dims):
    truth, restored = pair(seed, (5,) * dims)
    np.testing.assert_allclose(match(truth, restored), by_least_squares(truth, restored))


@pytest.mark.parametrize("measure", MEASURES)
@given(
    gain=st.floats(1e-3, 1e3) | st.floats(-1e3, -1e-3),
    offset=st.floats(-1e4, 1e4),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=20)
def test_gain_and_offset_of_the_restored_image_do_not_matter(measure, gain, offset, seed):
    truth, restored = pair(seed)
    expected = measure(truth, restored)
    assert measure(truth, gain * restored + offset) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape", [(50,), (24, 31), (9, 10, 11), (2, 3, 9, 10)])
def test_nrmse_is_the_formula(shape):
    truth, restored = pair(1, shape)
    low, high = np.percentile(truth, [0.1, 99.9])
    target = (truth - low) / (high - low)
    expected = np.sqrt(np.mean((target - by_least_squares(target, restored)) ** 2))
    assert nrmse(truth, restored) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("shape", [(24, 31), (9, 10, 11)])
def test_ssim_is_that_of_skimage(shape):
    truth, restored = pair(2, shape)
    target = normalise_truth(truth)
    matched = by_least_squares(target, restored)
    expected = structural_similarity(target, matched, data_range=1.0)
    assert ssim(truth, restored) == pytest.approx(expected, rel=1e-10)


def test_ssim_planewise_is_the_mean_over_planes():
    truth, restored = pair(3, (3, 12, 14))
    target = normalise_truth(truth)
    matched = by_least_squares(target, restored)
    planes = [
        structural_similarity(a, b, data_range=1.0) for a, b in zip(target, matched, strict=True)
    ]
    assert ssim(truth, restored, planewise=True) == pytest.approx(np.mean(planes), rel=1e-10)


def test_psnr_is_that_of_skimage_with_the_peak_as_range():
    truth, restored = pair(4)
    expected = peak_signal_noise_ratio(
        truth, by_least_squares(truth, restored), data_range=truth.max()
    )
    assert psnr(truth, restored) == pytest.approx(expected, rel=1e-10)


def test_equal_images_are_perfect():
    truth, _ = pair(5)
    assert evaluate(truth, truth) == {
        "psnr_db": math.inf,
        "nrmse": 0.0,
        "ssim": pytest.approx(1.0),
    }


def test_integers_count_as_numbers_and_do_not_wrap():
    truth, restored = (np.clip(a, 0, 65535).astype(np.uint16) for a in pair(6))
    assert evaluate(truth, restored) == evaluate(truth.astype(float), restored.astype(float))


def test_tiny_values_are_not_taken_for_a_constant():
    truth, restored = pair(7)
    assert nrmse(truth, restored * 1e-200) == pytest.approx(nrmse(truth, restored))


def test_arguments_are_left_alone():
    truth, restored = pair(8)
    before = truth.copy(), restored.copy()
    evaluate(truth, restored)
    np.testing.assert_array_equal((truth, restored), before)


def with_nan(image):
    image = image.copy()
    image[3, 4] = np.nan
    return image


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("truth", "restored", "says"),
    [
        (np.ones((8, 8)), pair(9, (8, 8))[1], "truth is"),
        (pair(9, (8, 8))[0], np.ones((8, 8)), "restored image is constant"),
        (pair(9, (8, 8))[0], pair(9, (8, 9))[1], "8 x 9"),
        (with_nan(pair(9, (8, 8))[0]), pair(9, (8, 8))[1], r"first at \(3, 4\)"),
        (pair(9, (8, 8))[0], with_nan(pair(9, (8, 8))[1]), "not finite"),
        (np.zeros((0, 8)), np.zeros((0, 8)), "0 values"),
        (np.ones((8, 8), complex), np.ones((8, 8)), "complex"),
    ],
)
def test_what_cannot_be_compared_is_refused(measure, truth, restored, says):
    with pytest.raises(InputError, match=says):
        measure(truth, restored)


def test_psnr_refuses_a_truth_without_a_positive_peak():
    truth, restored = pair(10)
    with pytest.raises(InputError, match="not positive"):
        psnr(truth - truth.max(), restored)


def test_a_truth_that_is_almost_everywhere_constant_has_no_range():
    truth = np.zeros((100, 100))
    truth[0, 0] = 1
    with pytest.raises(InputError, match="percentile"):
        nrmse(truth, pair(11, (100, 100))[1])


@pytest.mark.parametrize("shape", [(6, 20), (5, 20, 20)])
def test_ssim_refuses_what_is_smaller_than_its_window(shape):
    with pytest.raises(InputError, match="7 pixels"):
        ssim(*pair(12, shape))


@pytest.mark.parametrize("shape", [(60,), (2, 8, 8, 8)])
def test_ssim_refuses_other_than_planes_and_volumes(shape):
    with pytest.raises(InputError, match="dimensions"):
        ssim(*pair(13, shape))
