"""Percentiles equal NumPy's exactly, whatever the type; the affine map is undone exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from carescope import Image, normalize, percentiles
from carescope.errors import InputError
from carescope.percentiles import ChannelLevels

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
    image = Image(volume)
    (found,) = ChannelLevels.of(image).channels[0].percentiles(image, (percent,))
    expected = np.percentile(volume.astype(np.float64), percent)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.fixture
def passes(monkeypatch):
    """The passes that were made over images for percentiles."""
    made = []
    real = percentiles.map_pieces

    def noting(image, function):
        made.append(image)
        real(image, function)

    monkeypatch.setattr(percentiles, "map_pieces", noting)
    return made


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("offset", [0, 100, -3000])
def test_one_pass_is_enough_for_large_stacks_of_floats(passes, dtype, offset):
    """Planes grow dimmer with depth, so that no plane has the percentiles of the whole."""
    rng = np.random.default_rng(1)
    depth = np.exp(-np.arange(160) / 300)[:, None, None]
    volume = (depth * rng.gamma(2, 100, (160, 60, 60)) + offset).astype(dtype)
    (one,) = normalize.fit(Image(volume), (2.0, 99.8))
    assert (one.low, one.high) == pytest.approx(np.percentile(volume, (2.0, 99.8)))
    # Around zero each bin holds few grey levels, and the sample must be lucky.
    assert len(passes) == 1 or offset == 0


def test_percentiles_far_from_those_of_a_sample_take_another_pass_and_are_exact(passes):
    """All that is bright lies in one plane of 100, of which the sample may know nothing."""
    volume = np.random.default_rng(2).normal(100, 5, (100, 40, 40)).astype(np.float32)
    volume[37] *= 50
    (one,) = normalize.fit(Image(volume), (2.0, 99.8))
    assert (one.low, one.high) == pytest.approx(np.percentile(volume, (2.0, 99.8)))
    assert len(passes) == 2


def test_the_lower_bits_of_each_channel_are_counted_near_its_own_percentiles(passes):
    volume = np.random.default_rng(3).normal(0, 1, (50, 3, 40, 40)).astype(np.float32)
    volume = volume * np.float32([[[1]], [[30]], [[900]]]) + np.float32([[[50]], [[900]], [[-1e5]]])
    maps = normalize.fit(Image(volume, "ZCYX"), (2.0, 99.8))
    for channel, one in enumerate(maps):
        expected = np.percentile(volume[:, channel].astype(np.float64), (2.0, 99.8))
        assert (one.low, one.high) == pytest.approx(expected)
    assert len(passes) == 1


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
