"""Images are looked over before work begins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope.errors import InputError
from carescope.image import Image
from carescope.read.check import filled, refuse_unfit, scan


@settings(max_examples=40, deadline=None)
@given(
    bad=st.sets(st.integers(0, 119), min_size=1),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_f06_values_that_are_not_finite_are_counted_and_placed(bad, value):
    values = np.arange(120, dtype="f4")
    values[sorted(bad)] = value
    image = Image(values.reshape(2, 3, 4, 5), "CZYX", source="cell.tif")
    c, z, y, x = np.unravel_index(min(bad), image.shape)
    with pytest.raises(InputError) as caught:
        refuse_unfit(scan(image), image)
    message = str(caught.value)
    assert message.startswith(f"cell.tif: holds {len(bad)} values")
    assert f"the first at C={c} Z={z} Y={y} X={x}" in message
    assert "--fill-nonfinite" in message
    mended = filled(image)
    whole = np.asarray(mended.data[...])
    np.testing.assert_array_equal(whole, np.where(np.isfinite(image.data), image.data, 0))
    np.testing.assert_array_equal(mended.data[1, :, 2], whole[1, :, 2])
    if len(bad) < 120:
        seen = scan(image)
        refuse_unfit(seen, image, fill_nonfinite=True)
        assert seen.nonfinite == len(bad)
        assert seen.minimum == min(set(range(120)) - bad)


def test_f06_an_image_without_any_finite_value_is_refused_anyway():
    image = Image(np.full((3, 4), np.nan), "YX")
    with pytest.raises(InputError, match="no finite value"):
        refuse_unfit(scan(image), image, fill_nonfinite=True)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4", "?"])
def test_f07_a_constant_image_is_refused(dtype):
    image = Image(np.ones((3, 4, 5), dtype))
    assert scan(image).minimum == scan(image).maximum == 1
    with pytest.raises(InputError, match="same value everywhere, 1"):
        refuse_unfit(scan(image), image)


def test_f07_an_empty_image_is_refused():
    with pytest.raises(InputError, match="no pixels"):
        scan(Image(np.zeros((0, 4, 5))))


def test_f07_saturation_is_measured():
    values = np.zeros((4, 5, 5), "u2")
    values[1] = 65535
    assert scan(Image(values)).saturated == 0.25
    assert scan(Image(values.astype("f4"))).saturated == 0


def test_integers_need_no_filling():
    image = Image(np.ones((3, 4), "u2"), "YX")
    assert filled(image) is image
