"""Resolution-scaled error and Pearson: the known blur, gain and offset are found; as in nanopyx."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from carescope.errors import InputError
from carescope.metrics import resolution_scaled_error


def sharp(seed=0, shape=(64, 72), share=0.97):
    rng = np.random.default_rng(seed)
    points = (rng.random(shape) > share) * rng.random(shape)
    return ndimage.gaussian_filter(1000 * points, 0.8)


@given(sigma_px=st.floats(0.8, 5), gain=st.floats(0.1, 50), offset=st.floats(-500, 500))
@settings(deadline=None, max_examples=15)
def test_blur_gain_and_offset_are_found(sigma_px, gain, offset):
    image = sharp()
    found = resolution_scaled_error(ndimage.gaussian_filter(gain * image + offset, sigma_px), image)
    assert found.sigma_px == pytest.approx(sigma_px, rel=1e-3)
    assert found.gain == pytest.approx(gain, rel=1e-3)
    assert found.offset == pytest.approx(offset, abs=1e-3 * gain * image.max())
    assert found.rsp == pytest.approx(1, abs=1e-6)
    assert found.rse < 1e-3 * gain * image.std()


def test_the_numbers_are_those_of_the_error_map():
    image = sharp()
    rng = np.random.default_rng(1)
    seen = 3 * ndimage.gaussian_filter(image, 2) + 50 + rng.normal(0, 4, image.shape)
    found = resolution_scaled_error(seen, image)
    blurred = found.gain * ndimage.gaussian_filter(image, found.sigma_px) + found.offset
    np.testing.assert_allclose(found.error, abs(seen - blurred), rtol=1e-4, atol=1e-4)
    assert found.rse == pytest.approx(np.sqrt(np.mean(found.error.astype(float) ** 2)), rel=1e-6)
    assert found.rsp == pytest.approx(np.corrcoef(seen.ravel(), blurred.ravel())[0, 1])
    assert found.rse == pytest.approx(4, rel=0.05)  # nothing but the noise is left


def test_an_invented_structure_stands_out_where_it_is():
    image = sharp()
    seen = ndimage.gaussian_filter(image, 2)
    wrong = image.copy()
    wrong[30:34, 40:44] += 300
    found = resolution_scaled_error(seen, wrong)
    place = np.unravel_index(np.argmax(found.error), found.error.shape)
    assert np.hypot(place[0] - 31.5, place[1] - 41.5) < 3
    assert found.rsp < resolution_scaled_error(seen, image).rsp


def test_a_sharper_image_may_have_more_pixels():
    image = sharp(0, (96, 120))
    seen = ndimage.gaussian_filter(image, 4).reshape(32, 3, 40, 3).mean(axis=(1, 3))
    found = resolution_scaled_error(seen, image)
    assert found.error.shape == (32, 40)
    assert found.sigma_px == pytest.approx(4, rel=1e-3)


def test_volumes():
    image = sharp(0, (16, 32, 32), 0.99)
    found = resolution_scaled_error(ndimage.gaussian_filter(image, 1.5), image)
    assert found.sigma_px == pytest.approx(1.5, rel=1e-3)


def test_a_negative_is_told():
    image = sharp()
    found = resolution_scaled_error(-ndimage.gaussian_filter(image, 2), image)
    assert found.gain < 0
    assert found.rsp < -0.99


@pytest.mark.parametrize(
    ("wide", "fine", "says"),
    [
        (sharp(), sharp()[:-1], "no whole multiple"),
        (sharp(), np.ones((64, 72)), "constant"),
        (sharp()[0], sharp()[0], "no whole multiple"),
        (np.full((64, 72), np.nan), sharp(), "not finite"),
    ],
)
def test_what_does_not_go_together_is_refused(wide, fine, says):
    with pytest.raises(InputError, match=says):
        resolution_scaled_error(wide, fine)


@pytest.mark.filterwarnings("ignore")
def test_it_is_that_of_nanopyx():
    theirs = pytest.importorskip("nanopyx.methods.squirrel.error_map")
    for seed in range(4):
        image, rng = sharp(seed), np.random.default_rng(seed)
        seen = 3 * ndimage.gaussian_filter(image, 2.2) + 50 + rng.normal(0, 2, image.shape)
        if seed % 2:
            image = image + sharp(seed + 10, share=0.99)
        error, rse, rsp = theirs.calculate_error_map(seen, image)
        found = resolution_scaled_error(seen, image)
        assert found.rse == pytest.approx(rse, rel=1e-4)
        assert found.rsp == pytest.approx(rsp, abs=1e-5)
        np.testing.assert_allclose(found.error, error, atol=1e-3 * error.max())
