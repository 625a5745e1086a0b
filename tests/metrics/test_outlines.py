"""Cells of an image of their outlines, on tissues whose cells are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope import phantoms
from carescope.errors import InputError, UsageError
from carescope.metrics import best_cells, cells, matching, seg


def tissue(seed, side=96):
    """The surface of an epithelium and its cells."""
    made = phantoms.Epithelium((16, side, side), seed)
    return made.surface, made.cells


def noisy(image, seed, strength=0.3):
    return image + np.random.default_rng(seed).normal(0, strength, image.shape)


def grid(shape=(40, 60), step=10):
    """Bright lines between dark squares, and the squares' numbers without gaps."""
    row, column = np.indices(shape)
    lines = ((row % step == 0) | (column % step == 0)).astype(float)
    return lines, (row // step) * (shape[1] // step) + column // step + 1


def test_a_grid_of_lines_has_square_cells():
    image, truth = grid()
    found = cells(image, sigma_px=0, depth=0.5)
    assert found.dtype == np.int32
    # What lies on a line goes to either side; all else is as drawn.
    inside = image == 0
    assert len(np.unique(found)) == 24
    assert len({*zip(truth[inside], found[inside], strict=True)}) == 24
    assert seg(np.where(inside, truth, 0), np.where(inside, found, 0)) == 1


def test_a_gap_in_a_wall_is_as_deep_as_it_is_dark():
    image, _ = grid((21, 21), 10)
    image[1:10, 10] = 1.0
    image[5, 10] = 0.4  # the way between two squares lies 0.4 above them
    assert cells(image, sigma_px=0, depth=0.3).max() == 4
    assert cells(image, sigma_px=0, depth=0.5).max() == 3


def test_blocks_of_a_volume():
    row, column, plane = np.indices((18, 18, 18)) % 9 == 0
    image = (row | column | plane).astype(float)
    assert cells(image, sigma_px=0.5, depth=0.2).max() == 8


@given(seed=st.integers(0, 99), gain=st.floats(0.01, 1000), offset=st.floats(-100, 1000))
@settings(deadline=None, max_examples=10)
def test_cells_do_not_depend_on_the_scale_of_grey_levels(seed, gain, offset):
    image = np.round(noisy(tissue(1, 48)[0], seed), 3)
    one = cells(image, sigma_px=1.5, depth=0.1)
    other = cells(gain * image + offset, sigma_px=1.5, depth=0.1)
    assert (one != other).mean() < 0.02  # ties of rounded sums aside
    assert set(np.unique(one)) == set(range(1, one.max() + 1))


@given(seed=st.integers(0, 99))
@settings(deadline=None, max_examples=10)
def test_more_depth_finds_fewer_cells(seed):
    image = noisy(tissue(2, 48)[0], seed)
    counts = [cells(image, sigma_px=1, depth=depth).max() for depth in (0.01, 0.1, 0.3, 2)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 1
    assert counts[-1] == 1


def test_cells_of_an_epithelium_are_found_also_in_noise():
    image, truth = tissue(3)
    assert seg(truth, cells(image, sigma_px=0.5, depth=0.02)) > 0.9
    found = cells(noisy(image, 0), sigma_px=2, depth=0.1)
    assert seg(truth, found) > 0.7
    assert matching(truth, found).unmatched_fraction < 0.15


def test_the_best_setting_is_found_on_the_images_given():
    images, truths = zip(*(tissue(seed, 64) for seed in (5, 6)), strict=True)
    images = [noisy(image, 1) for image in images]
    sigmas_px, depths = (0.5, 2, 6), (0.02, 0.1, 0.5)
    setting = best_cells(images, truths, sigmas_px=sigmas_px, depths=depths)

    def score(sigma_px, depth):
        found = [cells(i, sigma_px=sigma_px, depth=depth) for i in images]
        return np.mean([seg(t, f) for t, f in zip(truths, found, strict=True)])

    assert score(**setting) == max(score(s, d) for s in sigmas_px for d in depths)
    assert setting["sigma_px"] == 2
    with pytest.raises(InputError, match="1 images and 2"):
        best_cells(images[:1], truths)


@pytest.mark.parametrize("image", [np.ones((9, 9)), np.eye(200)[:, :3] * 0 + 5])
def test_an_image_that_shows_nothing_has_no_cells(image):
    with pytest.raises(InputError, match="constant"):
        cells(image, sigma_px=1, depth=0.1)


@pytest.mark.parametrize("setting", [{"sigma_px": -1, "depth": 0.1}, {"sigma_px": 1, "depth": 0}])
def test_impossible_settings_are_refused(setting):
    with pytest.raises(UsageError, match="sigma_px"):
        cells(tissue(1, 48)[0], **setting)
