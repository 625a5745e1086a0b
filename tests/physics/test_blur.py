"""Blur against SciPy's direct convolution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import convolve

from carescope.errors import UsageError
from carescope.physics.blur import blur, blur_batch, transfer

odd = st.integers(0, 6).map(lambda n: 2 * n + 1)


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.tuples(odd, odd),
    st.sampled_from([("reflect", "reflect"), ("zero", "constant")]),
    st.integers(0, 9),
)
def test_is_the_convolution_that_scipy_does_directly(shape, size, borders, seed):
    ours, theirs = borders
    rng = np.random.default_rng(seed)
    image, kernel = rng.random(shape), rng.random(size)
    expected = convolve(image, kernel, mode=theirs)
    np.testing.assert_allclose(blur(image, kernel, boundary=ours), expected, atol=1e-10)


def test_three_dimensions():
    rng = np.random.default_rng(0)
    image, kernel = rng.random((6, 9, 8)), rng.random((7, 3, 5))
    np.testing.assert_allclose(blur(image, kernel), convolve(image, kernel, mode="reflect"))


def test_a_bright_image_is_not_darkened_at_its_frame():
    kernel = np.full((31, 31), 1 / 31**2)
    np.testing.assert_allclose(blur(np.full((40, 40), 3e4, np.float32), kernel), 3e4, rtol=1e-6)


def test_patches_equal_the_inside_of_the_blurred_image():
    rng = np.random.default_rng(1)
    patches = rng.random((5, 40, 33)).astype(np.float32)
    kernel = rng.random((9, 5))
    kernel /= kernel.sum()
    inside = np.stack([blur(p, kernel)[4:-4, 2:-2] for p in patches])
    got = blur_batch(patches, kernel)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, inside, atol=1e-6)
    again = blur_batch(patches, kernel, transfer(kernel, (40, 33)))
    np.testing.assert_array_equal(again, got)


@pytest.mark.parametrize("size", [(4, 3), (3,), (3, 3, 3)])
def test_a_kernel_that_does_not_fit_is_refused(size):
    with pytest.raises(UsageError, match="odd length"):
        blur(np.zeros((9, 9)), np.ones(size))


def test_patches_smaller_than_the_kernel_are_refused():
    with pytest.raises(UsageError, match="7 x 9"):
        blur_batch(np.zeros((2, 7, 9), np.float32), np.ones((9, 9)))
