"""Pairs of few planes and more: interpolated as in restoring, in place, checked all at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope import Grid, Image, Recipe, normalize, pairs
from carescope.errors import InputError
from carescope.pairs.planes import coarser, finer
from carescope.pairs.registration import aligned
from carescope.physics import sampling
from carescope.predict.seen import interpolated

VOXEL_UM = (0.3, 0.2, 0.2)


def smooth(planes, seed=0, size=(64, 96)):
    """A stack that cubic interpolation gives back from every fourth plane, but at its ends."""
    rng = np.random.default_rng(seed)
    z = np.arange(planes)[:, None, None] / 12
    grey = 300 + 100 * np.sin(z + 6 * rng.random(size)) * rng.random(size)
    return Image(grey.astype(np.float32), "ZYX", VOXEL_UM, (), f"{seed}.tif")


def recipe(**changes):
    return Recipe.of(**({"steps": 4, "batch_size": 4, "patch_px": 32} | changes))


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(["ZYX", "CZYX", "TZCYX"]),
    st.floats(1, 6),
    st.data(),
)
def test_any_part_equals_that_of_the_whole(axes, factor, data):
    lengths = {"T": 2, "C": 2, "Z": 5, "Y": 6, "X": 7}
    shape = [lengths[a] for a in axes]
    grey = np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16)
    at = axes.index("Z")
    made = finer(Image(grey, axes, VOXEL_UM), factor)
    grid = Grid(5, factor, VOXEL_UM[0])
    whole = np.moveaxis(sampling.upsample(np.moveaxis(grey, at, 0), grid), 0, at)
    assert (made.shape, made.axes) == (whole.shape, axes)
    assert made.voxel_um[0] == pytest.approx(grid.spacing_um)
    np.testing.assert_allclose(made.array(), whole, rtol=1e-6)
    parts = []
    for n in made.shape:
        first = data.draw(st.integers(0, n - 1))
        last = data.draw(st.integers(first + 1, n))
        parts.append(data.draw(st.sampled_from([first, slice(first, last)])))
    np.testing.assert_allclose(made.data[tuple(parts)], whole[tuple(parts)], rtol=1e-6)


def test_every_fourth_plane_is_kept_as_it_is():
    stack = smooth(22)
    few = coarser(stack, 4)
    np.testing.assert_array_equal(few.array(), stack.array()[::4])
    assert few.voxel_um == pytest.approx((1.2, 0.2, 0.2))
    assert coarser(stack, 2.5).shape[0] == 9


@pytest.mark.parametrize("factor", [2.0, 4.0, 2.5])
def test_a_patch_is_what_restoring_would_see(factor):
    """Interpolated by the same kernel, normalised by the same rule."""
    high = smooth(61)
    few = coarser(high, factor)
    low = Image(few.array(), "ZYX", few.voxel_um, (), "low.tif")
    made = pairs.from_pairs([(low, high)], recipe(), kind="upsample", factor=factor)
    shot = made.training[0]
    seen = normalize.apply(shot.low_maps, shot.low.data[...])
    grid = Grid(low.size("Z"), factor, 1.0)
    indices = [np.arange(n) for n in (grid.restored_planes, 64, 96)]
    maps = normalize.fit(low)
    frame = low.frames()[0]
    np.testing.assert_allclose(seen, interpolated(frame, grid, maps, *indices), atol=1e-5)
    assert shot.high.shape == (1, *map(len, indices))


@pytest.mark.parametrize("surplus", [0, 3])
def test_both_patches_show_the_same_place(surplus):
    high = smooth(41 + surplus)
    low = coarser(high.cropped({"Z": slice(0, 41)}), 4)
    dim = Image(0.1 * low.array() + 50, "ZYX", low.voxel_um)
    made = pairs.from_pairs([(dim, high)], recipe(), kind="upsample", factor=4)
    inputs, targets = made.batch(0)
    assert inputs.shape == targets.shape == (4, 1, 16, 32, 32)
    # The grey levels too, though the one is dimmer: they are compared where both were recorded.
    assert np.abs(inputs - targets).mean() < 0.01
    assert made.task.kind == "upsample"
    assert (made.task.factor, made.task.step_um) == (4, pytest.approx(1.2))
    other = pairs.from_pairs([(dim, high)], recipe(), kind="upsample", factor=4.05)
    assert other.identity() != made.identity()


def test_a_film_has_as_many_pairs_as_time_points():
    high = smooth(21)
    film = Image(np.stack([high.array(), 2 * high.array()]), "TZYX", VOXEL_UM)
    made = pairs.from_pairs([(coarser(film, 4), film)], recipe(), kind="upsample", factor=4)
    assert len(made.training) == 2
    assert made.planes == 21


def test_all_that_does_not_fit_is_named_at_once():
    def pair(number, few, many, step_um=1.2, pixel_um=0.2):
        low, high = (
            Image(np.ones((n, 64, 96), np.uint8), "ZYX", (z, x, x), (), f"{number}.tif")
            for n, z, x in ((few, step_um, pixel_um), (many, 0.3, 0.2))
        )
        return low, high

    good = [pair(0, 6, 21), pair(1, 6, 24)]
    pairs.check_pairs(good, "upsample", 4)
    bad = [pair(2, 6, 20), pair(3, 6, 25), pair(4, 6, 21, 0.6), pair(5, 6, 21, 1.2, 0.3)]
    flat = tuple(image.select("Z", 0) for image in pair(6, 6, 21))
    with pytest.raises(InputError) as caught:
        pairs.check_pairs([*good, *bad, flat], "upsample", 4)
    for said in (
        "2.tif has 6 planes, which a factor of 4 makes 21, and its target 20",
        "3.tif has 6 planes, which a factor of 4 makes 21, and its target 25",
        "4.tif has planes 0.6 um apart, and its target 0.3 um: a factor of 2, not 4",
        "5.tif has pixels of 0.3 um, and its target of 0.2 um",
        "5.tif has planes 4 pixels apart, not 6",
        "6.tif has single planes of 1 channel, not stacks",
    ):
        assert said in caught.value.what
    assert "0.tif" not in caught.value.what
    assert "1.tif" not in caught.value.what
    assert "--factor" in caught.value.remedy


@pytest.mark.parametrize("shift", [(0, 3, -2), (2, 0, 0), (-3, 0, 1), (5, 1, 1)])
def test_shifted_stacks_are_moved_back(shift):
    truth = np.random.default_rng(0).random((60, 40, 40))
    z, y, x = shift
    low = Image(truth[8:49:4, 8:28, 8:28], "ZYX")
    high = Image(truth[8 - z : 49 - z, 8 - y : 28 - y, 8 - x : 28 - x], "ZYX")
    one, other = aligned(low, high, shift, 4)
    np.testing.assert_array_equal(one.array(), other.array()[::4])
    assert other.size("Z") == 4 * (one.size("Z") - 1) + 1
    assert one.size("Z") >= 9
