"""Richardson-Lucy: its formula, its conservation of light, its borders, and as a tuned baseline."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.restoration import richardson_lucy as theirs

from carescope import baselines, metrics
from carescope.errors import InputError, UsageError
from carescope.grid import Grid
from carescope.physics import blur, sampling

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


def turned_views(seed=3):
    """A volume seen along z and along x with the same long PSF, and both PSFs."""
    kernel = gaussian(1.0, ndim=3, half=4)
    long = ndimage.gaussian_filter1d(np.pad(kernel, [(4, 4), (0, 0), (0, 0)]), 2.5, axis=0)
    long = (long / long.sum()).astype(np.float32)
    truth = scene((40, 44, 42), seed)
    rng = np.random.default_rng(seed)
    kernels = [long, long.swapaxes(0, 2)]
    images = [rng.poisson(np.maximum(blur.blur(truth, k), 0)).astype(np.float32) for k in kernels]
    return truth, images, kernels


def test_one_view_is_richardson_lucy():
    _, images, kernels = turned_views()
    alone = baselines.richardson_lucy(images[0], kernels[0], iterations=4)
    np.testing.assert_array_equal(baselines.multiview(images[:1], kernels[:1], iterations=4), alone)
    # The same view twice, as a likelihood, is that view.
    twice = baselines.multiview(images[:1] * 2, kernels[:1] * 2, iterations=4)
    np.testing.assert_allclose(twice, alone, rtol=1e-4, atol=1e-3)


def test_two_views_tell_more_than_either_and_their_likelihood_never_falls():
    truth, images, kernels = turned_views()
    best = {
        name: max(metrics.psnr(truth, baselines.multiview(i, k, iterations=n)) for n in (3, 8, 20))
        for name, i, k in (
            ("first", images[:1], kernels[:1]),
            ("second", images[1:], kernels[1:]),
            ("both", images, kernels),
        )
    }
    assert best["both"] > max(best["first"], best["second"]) + 1

    def misfit(iterations):
        found = baselines.multiview(images, kernels, iterations=iterations)
        expected = [np.maximum(blur.blur(found, k, boundary="zero"), 1e-3) for k in kernels]
        inner = (slice(8, -8),) * 3
        return sum(
            float((e - g * np.log(e))[inner].sum()) for g, e in zip(images, expected, strict=True)
        )

    values = [misfit(n) for n in (1, 2, 4, 8)]
    assert values == sorted(values, reverse=True)


def test_views_that_do_not_go_together_are_refused():
    _, images, kernels = turned_views()
    with pytest.raises(InputError, match="40 x 44 x 42"):
        baselines.multiview([images[0], images[1][1:]], kernels, iterations=1)
    with pytest.raises(UsageError, match="2 images and 1 PSFs"):
        baselines.multiview(images, kernels[:1], iterations=1)
    with pytest.raises(UsageError, match="0 images"):
        baselines.multiview([], [], iterations=1)


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_a_widened_psf_is_what_a_thinned_stack_shows_of_a_point(factor):
    kernel = gaussian(2.0, ndim=3, half=6)
    wide = baselines.widened(kernel, factor)
    planes = 2 * 6 * factor + 1
    point = np.zeros((planes, *kernel.shape[1:]), np.float32)
    point[planes // 2 - 6 : planes // 2 + 7] = kernel
    grid = Grid(planes // factor + 1, float(factor), float(factor))
    seen = np.maximum(sampling.upsample(sampling.sample(point, factor), grid), 0)
    rim = (planes - len(wide)) // 2
    np.testing.assert_allclose(wide, (seen / seen.sum())[rim : planes - rim], atol=1e-6)
    assert wide.sum() == pytest.approx(1)


def test_a_psf_of_all_planes_is_not_widened():
    kernel = gaussian(2.0, ndim=3, half=6)
    np.testing.assert_allclose(baselines.widened(kernel, 1), kernel, atol=1e-7)
