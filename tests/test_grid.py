"""Recorded and restored planes: the geometry that everything else asks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carescope import Grid, Image
from carescope.errors import InputError


@given(st.integers(2, 400), st.sampled_from([1.0, 2.0, 4.0, 10.2, 7.5, 1.115, 3.333]))
def test_no_restored_plane_lies_beyond_the_last_recorded_one(planes, factor):
    grid = Grid(planes, factor, 2.0)
    last = grid.recorded_at()[-1]
    assert grid.restored_planes - 1 <= last + 1e-6
    assert grid.restored_planes > last - 1e-6
    assert grid.spacing_um * factor == pytest.approx(2.0)


def test_whole_factor_keeps_every_recorded_plane():
    grid = Grid(15, 4.0, 1.16)
    assert grid.restored_planes == 57
    assert np.flatnonzero(grid.is_recorded()).tolist() == list(range(0, 57, 4))


def test_fractional_factor_meets_recorded_planes_where_both_fall_together():
    grid = Grid(11, 10.2, 2.0)
    assert grid.restored_planes == 103
    assert np.flatnonzero(grid.is_recorded()).tolist() == [0, 51, 102]


def stack(voxel, shape=(4, 32, 32)):
    return Image(np.zeros(shape, np.uint8), "ZYX", voxel, source="stack.tif")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (stack(None), "how large its voxels are"),
        (stack((2, 0.2, 0.2), (1, 32, 32)), "there is 1"),
        (stack((2, 0.2, 0.3)), "not square"),
        (stack((0.1, 0.2, 0.2)), "not between 1 and 100"),
        (stack((50, 0.2, 0.2)), "not between 1 and 100"),
        (Image(np.zeros((2, 8, 8), np.uint8), "CYX", (2, 1, 1), (), "stack.tif"), "images of CYX"),
    ],
)
def test_impossible_geometry_is_refused_by_file_with_a_remedy(image, message):
    with pytest.raises(InputError, match=message) as caught:
        Grid.of(image)
    assert str(caught.value).startswith("stack.tif: ")
    assert caught.value.remedy


def test_planes_as_far_apart_as_pixels_within_rounding_have_factor_one():
    assert Grid.of(stack((0.2003, 0.2, 0.2))).factor == 1.0


@pytest.mark.parametrize(("step", "pixel"), [(1.3, 0.325), (0.3, 0.1), (0.65, 0.065), (0.7, 0.07)])
def test_rounding_in_metadata_costs_no_plane(step, pixel):
    """ImageJ keeps resolutions as fractions of a million: 1.3 / 0.325 comes to 3.9999999."""
    written = 1 / (round(1e6 / pixel) / 1e6)
    grid = Grid.of(stack((step, written, written), (60, 32, 32)))
    assert grid.factor == round(step / pixel)
    assert grid.restored_planes == 59 * grid.factor + 1
    assert grid.is_recorded().sum() == 60
