"""Richardson-Lucy: its formula, its conservation of light, its borders, and as a tuned baseline."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.restoration import richardson_lucy as theirs

from carescope import baselines, metrics
from carescope.errors import InputError, UsageError
from carescope.physics import blur

INNER = (slice(12, -12),) * 2


def gaussian(sigma_px, ndim=2, half=6):
    axes = np.meshgrid(*[np.arange(-half, half + 1)] * ndim, indexing="ij")
    kernel = np.exp(-sum(a**2 for a in axes) / 2 / sigma_px**2)
    return (kernel / kernel.sum()).astype(np.float32)


def scene(shape=(64, 72), seed=0):
    rng = np.random.default_rng(seed)
    points = (rng.random(shape) > 0.98) * rng.random(shape)
    return (1 + 1000 * ndimage.gaussian_filter(points, 1.0)).astype(np.float32)


def seen(truth, kernel, seed=None):
    """What a frame in the middle of a scene shows of it: light enters from outside."""
    half = [n // 2 for n in kernel.shape]
    inside = tuple(slice(h, n - h) for h, n in zip(half, truth.shape, strict=True))
    image = blur.blur(truth, kernel)[inside]
    if seed is not None:
        image = np.random.default_rng(seed).poisson(np.maximum(image, 0)).astype(np.float32)
    return image, truth[inside]


@pytest.mark.parametrize("ndim", [2, 3])
def test_far_from_the_border_it_is_that_of_scikit_image(ndim):
    kernel = gaussian(1.2, ndim, half=4)
    image, _ = seen(scene((48,) * ndim if ndim == 3 else (96, 96)), kernel)
    ours = baselines.richardson_lucy(image, kernel, iterations=2)
    other = theirs(image, kernel, num_iter=2, clip=False, filter_epsilon=1e-12)
    middle = (slice(18, -18),) * ndim
    # scikit-image starts from 0.5 everywhere, and we from the mean: after a step no difference.
    np.testing.assert_allclose(ours[middle], other[middle], rtol=2e-3)


@given(seed=st.integers(0, 99), iterations=st.integers(1, 12))
@settings(deadline=None, max_examples=10)
def test_nothing_is_negative_and_the_likelihood_never_falls(seed, iterations):
    kernel = gaussian(1.5)
    image, _ = seen(scene(seed=seed), kernel, seed)

    def likelihood(steps):
        found = baselines.richardson_lucy(image, kernel, iterations=steps)
        assert found.min() >= 0
        assert found.dtype == np.float32
        return baselines_likelihood(image, kernel, steps)

    assert likelihood(iterations + 1) >= likelihood(iterations) - 1e-3 * abs(likelihood(iterations))


def baselines_likelihood(image, kernel, steps):
    """Of the object in the frame alone, away from the border, where it explains the image."""
    found = baselines.richardson_lucy(image, kernel, iterations=steps)
    expected = np.maximum(blur.blur(found, kernel), 1e-6)
    return float(np.sum((image * np.log(expected) - expected)[INNER], dtype=np.float64))


def test_it_sharpens_what_was_blurred():
    kernel = gaussian(1.5)
    image, truth = seen(scene(), kernel)
    errors = [
        metrics.nrmse(truth, baselines.richardson_lucy(image, kernel, iterations=n))
        for n in (5, 20, 80)
    ]
    assert metrics.nrmse(truth, image) > errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("shape", [(40, 44), (12, 24, 28)])
def test_a_border_neither_rings_nor_darkens(shape):
    """A flat scene goes on beyond the frame, and stays flat in it."""
    kernel = gaussian(1.5, len(shape), half=5)
    found = baselines.richardson_lucy(np.full(shape, 50.0), kernel, iterations=40)
    np.testing.assert_allclose(found, 50, rtol=5e-3)


def test_a_border_gains_as_well():
    """scikit-image takes the world beyond for black, and loses there what it gains inside."""
    kernel = gaussian(1.5)
    image, truth = seen(scene((120, 120)) + 20, kernel)
    rim = np.ones(image.shape, bool)
    rim[4:-4, 4:-4] = False
    found = baselines.richardson_lucy(image, kernel, iterations=30)
    errors = [
        np.abs(i - truth)[rim].mean() for i in (found, image, theirs(image, kernel, 30, clip=False))
    ]
    assert errors[0] < 0.65 * errors[1] < errors[2]


def test_background_is_left_out():
    kernel = gaussian(1.5)
    image, truth = seen(scene(), kernel)
    plain = baselines.richardson_lucy(image, kernel, iterations=20)
    lifted = baselines.richardson_lucy(image + 30, kernel, iterations=20, background_grey=30)
    ignored = baselines.richardson_lucy(image + 30, kernel, iterations=20)
    dark = truth < np.percentile(truth, 30)
    assert lifted[dark].mean() < 5 < 29 < ignored[dark].mean()
    assert np.corrcoef(lifted.ravel(), plain.ravel())[0, 1] > 0.98


def test_iterations_are_tuned_like_any_setting():
    """Noise asks for fewer; what is tuned does better than the blurred image and than too many."""
    kernel = gaussian(1.5)
    method = baselines.deconvolution(kernel)

    def chosen(light):
        truths = [light * scene((96, 96), s) for s in (1, 2)]
        return baselines.tune(method, [seen(t, kernel, 7) for t in truths])

    few, many = chosen(0.02), chosen(3)
    assert few["iterations"] < many["iterations"]
    image, truth = seen(scene((96, 96), 5), kernel, 8)
    setting = chosen(1)
    error = metrics.nrmse(truth, baselines.apply(method, image, setting))
    assert error < 0.9 * metrics.nrmse(truth, image)
    assert error < metrics.nrmse(truth, baselines.apply(method, image, {"iterations": 300}))
    again = baselines.apply(method, 3 * image + 100, setting)
    np.testing.assert_allclose(again, 3 * baselines.apply(method, image, setting) + 100, rtol=1e-2)


def test_volumes_are_deconvolved_as_a_whole():
    method = baselines.deconvolution(gaussian(1.0, 3, half=3))
    assert [s["planewise"] for s in method.settings(3)] == [False] * 10


@pytest.mark.parametrize(
    ("image", "psf", "given", "error"),
    [
        (scene(), gaussian(1, 3), {}, UsageError),
        (scene(), gaussian(1)[:-1], {}, UsageError),
        (scene(), -gaussian(1), {}, UsageError),
        (scene(), gaussian(1), {"iterations": 0}, UsageError),
        (scene(), gaussian(1), {"background_grey": -1}, UsageError),
        (scene()[0], gaussian(1)[6], {}, InputError),
        (np.full((20, 20), np.nan), gaussian(1), {}, InputError),
    ],
)
def test_what_cannot_be_deconvolved_is_refused(image, psf, given, error):
    with pytest.raises(error):
        baselines.richardson_lucy(image, psf, **{"iterations": 3} | given)


def test_arguments_are_left_alone():
    image, kernel = scene(), gaussian(1) * 7
    before = image.copy(), kernel.copy()
    baselines.richardson_lucy(image, kernel, iterations=2)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(kernel, before[1])
