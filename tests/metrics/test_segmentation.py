"""Thresholds and simple segmentations on shapes whose objects are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.filters import threshold_minimum

from carescope import phantoms
from carescope.errors import InputError, UsageError
from carescope.metrics import best_threshold, components, intermodes, matching, seg, watershed


def balls(centres, radius, shape):
    places = np.indices(shape)
    image = np.zeros(shape)
    for centre in centres:
        away = sum((p - c) ** 2 for p, c in zip(places, centre, strict=True))
        image = np.maximum(image, away <= radius**2)
    return image


@given(low=st.floats(-100, 100), apart=st.floats(1, 1e4), share=st.floats(0.2, 0.8))
@settings(deadline=None, max_examples=20)
def test_intermodes_lies_in_the_middle_of_two_modes(low, apart, share):
    rng = np.random.default_rng(0)
    bright = rng.random(40_000) < share
    image = low + apart * (bright + rng.normal(0, 0.12, 40_000))
    assert intermodes(image) == pytest.approx(low + apart / 2, abs=0.08 * apart)


def test_the_least_of_the_histogram_lies_between_the_same_modes():
    """scikit-image smooths the histogram alike, and takes the minimum between the two modes."""
    rng = np.random.default_rng(1)
    image = np.concatenate([rng.normal(100, 10, 30_000), rng.normal(200, 20, 10_000)])
    least = threshold_minimum(image)
    assert 100 < least < 200
    assert intermodes(image) == pytest.approx(150, abs=5)


@pytest.mark.parametrize("image", [np.ones((9, 9)), np.arange(2560)])
def test_one_mode_has_no_middle(image):
    with pytest.raises(InputError):
        intermodes(image)


def test_components_are_what_touches_along_an_edge():
    image = np.array([[9, 9, 0, 0], [0, 0, 9, 0], [0, 0, 9, 5]])
    np.testing.assert_array_equal(components(image, 5), [[1, 1, 0, 0], [0, 0, 2, 0], [0, 0, 2, 0]])
    np.testing.assert_array_equal(
        components(image, 4, least_px=3), [[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]
    )


@pytest.mark.parametrize("shape", [(40, 60), (30, 40, 60)])
def test_touching_balls_are_cut_and_holes_filled(shape):
    middle = [n / 2 for n in shape[:-1]]
    image = balls([(*middle, 20.0), (*middle, 39.0)], 11, shape)
    image[(*map(int, middle), 20)] = 0
    assert components(image, 0.5).max() == 1
    found = watershed(image, 0.5)
    assert found.max() == 2
    assert (found > 0).sum() == image.sum() + 1
    truth = np.where(np.indices(shape)[-1] < 29.5, 1, 2) * (found > 0)
    assert seg(truth, found) > 0.95


def test_depth_and_spacing():
    """A shallow waist cuts at a small depth alone; and distances along coarse z count in full."""
    image = balls([(20.0, 20.0), (20.0, 32.0)], 11, (40, 55))
    assert watershed(image, 0.5).max() == 2
    assert watershed(image, 0.5, depth=3).max() == 1
    stacked = balls([(20.0, 20.0, 20.0), (39.0, 20.0, 20.0)], 11, (60, 40, 40))
    coarse = stacked[::4]
    assert watershed(coarse, 0.5, spacing=(4, 1, 1)).max() == 2
    with pytest.raises(UsageError, match="depth"):
        watershed(image, 0.5, depth=0)


@given(seed=st.integers(0, 99))
@settings(deadline=None, max_examples=15)
def test_every_part_of_the_mask_is_an_object(seed):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, (40, 40)), 1)
    found = watershed(field, 0.1, depth=2)
    mask = ndimage.binary_fill_holes(field > 0.1)
    np.testing.assert_array_equal(found > 0, mask)
    assert found.max() >= ndimage.label(mask, np.ones((3, 3)))[1]
    assert set(np.unique(found)) == set(range(found.max() + 1))


def test_an_image_that_is_all_object_is_one():
    np.testing.assert_array_equal(watershed(np.ones((20, 20)), 0.5), np.ones((20, 20)))


def test_the_papers_segmentation_finds_simulated_nuclei():
    density, truth = phantoms.nuclei((48, 96, 96), 3, volume_per_nucleus_px3=15_000)
    image = ndimage.gaussian_filter(density, 1.5)
    found = watershed(image, intermodes(image), least_px=50)
    assert seg(truth, found) > 0.7
    assert matching(truth, found).unmatched_fraction < 0.15


def test_the_best_threshold_is_found_on_the_images_given():
    truth = components(balls([(20, 20), (20, 44)], 9, (40, 64)), 0.5)
    image = ndimage.gaussian_filter(100.0 * (truth > 0), 3)
    threshold = best_threshold([image], [truth])
    reached = seg(truth, components(image, threshold))
    assert reached > 0.9
    for other in np.linspace(5, 95, 19):
        assert seg(truth, components(image, other)) <= reached + 0.03
    with pytest.raises(InputError, match="0 images"):
        best_threshold([], [])
