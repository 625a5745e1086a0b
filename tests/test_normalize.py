"""Percentiles equal NumPy's exactly, whatever the type; the affine map is undone exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from carescope import Image, normalize
from carescope.errors import InputError
from carescope.percentiles import Levels, percentiles_of

TYPES = [np.uint8, np.uint16, np.int16, np.float32]


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(TYPES).flatmap(
        lambda t: hnp.arrays(
            t,
            hnp.array_shapes(min_dims=3, max_dims=3, max_side=9),
            elements=None
            if t is not np.float32
            else st.floats(-1e6, 1e6, width=32, allow_nan=False),
        )
    ),
    st.floats(0, 100),
)
def test_streaming_percentile_equals_numpy(volume, percent):
    (found,) = percentiles_of(Image(volume), (percent,), Levels.of(Image(volume)).counts[0])
    expected = np.percentile(volume.astype(np.float64), percent)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_percentiles_become_zero_and_one():
    volume = np.random.default_rng(0).gamma(2, 100, (5, 40, 40)).astype(np.float32)
    (affine,) = normalize.fit(Image(volume), (2.0, 99.8))
    scaled = affine.apply(volume)
    assert np.percentile(scaled, 2) == pytest.approx(0, abs=1e-4)
    assert np.percentile(scaled, 99.8) == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(affine.undo(scaled), volume, rtol=1e-4, atol=1e-3)


def test_sparse_image_is_still_normalised():
    volume = np.zeros((4, 64, 64), np.uint16)
    volume[2, 30, 30] = 500
    (only,) = normalize.fit(Image(volume))
    assert only.high == 500


def test_constant_image_is_refused():
    with pytest.raises(InputError, match="constant"):
        normalize.fit(Image(np.full((3, 8, 8), 7, np.uint8)))


def test_each_channel_has_its_own_range_and_time_points_share_it():
    grey = np.random.default_rng(0).gamma(2, 100, (3, 2, 4, 20, 20)).astype(np.float32)
    grey[:, 1] *= 10
    grey[2] *= 5
    maps = normalize.fit(Image(grey, "TCZYX"), (2.0, 99.8))
    for channel, one in enumerate(maps):
        assert (one.low, one.high) == pytest.approx(np.percentile(grey[:, channel], [2, 99.8]))
    scaled = normalize.apply(maps, grey[0])
    np.testing.assert_allclose(normalize.undo(maps, scaled), grey[0], rtol=1e-4)
