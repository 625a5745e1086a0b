"""Axial sampling and upsampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope.errors import UsageError
from carescope.grid import Grid
from carescope.physics.sampling import (
    cubic_matrix,
    positions,
    resample,
    sample,
    upsample,
    upsample_window,
)

RNG = np.random.default_rng(11)
factors = st.one_of(st.integers(1, 12).map(float), st.floats(1, 12), st.just(10.2))


def test_whole_positions_take_the_planes_as_they_are():
    volume = RNG.random((17, 6, 5)).astype(np.float32)
    np.testing.assert_array_equal(sample(volume, 4), volume[::4])
    np.testing.assert_array_equal(sample(volume, 3, phase=2), volume[2::3])


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 40), factors)
def test_recorded_planes_survive_upsampling_untouched(planes, factor):
    grid = Grid(planes, factor, 1.0)
    coarse = RNG.random((planes, 3)).astype(np.float32)
    fine = upsample(coarse, grid)
    assert len(fine) == grid.restored_planes
    exact = np.flatnonzero(grid.is_recorded())
    recorded = np.rint(exact / factor).astype(int)
    np.testing.assert_array_equal(fine[exact], coarse[recorded])
    if float(factor).is_integer():
        assert len(exact) == planes


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 40), factors)
def test_sampling_the_restored_planes_gives_as_many_as_were_recorded(planes, factor):
    grid = Grid(planes, factor, 1.0)
    count = len(positions(factor, 0, grid.restored_planes))
    # The last recorded plane may lie beyond the last restored one, by less than one plane.
    lost = grid.recorded_at()[-1] > grid.restored_planes - 1 + 1e-6
    assert count == planes - lost


@settings(deadline=None, max_examples=60)
@given(st.data(), st.integers(2, 30), factors)
def test_a_window_equals_the_whole_to_the_last_bit(data, planes, factor):
    grid = Grid(planes, factor, 1.0)
    start = data.draw(st.integers(0, grid.restored_planes - 1))
    stop = data.draw(st.integers(start + 1, grid.restored_planes))
    coarse = RNG.random((planes, 7, 9)).astype(np.float32)
    matrix, used = upsample_window(grid, start, stop)
    assert used.stop - used.start <= (stop - start) / factor + 5
    window = resample(matrix, coarse[used])
    assert window.tobytes() == upsample(coarse, grid)[start:stop].tobytes()


def test_cubic_weights_are_those_of_keys():
    # Keys (1981): at the middle, -1/16, 9/16, 9/16, -1/16.
    np.testing.assert_array_equal(
        cubic_matrix([2.5], 6), [[0, -1 / 16, 9 / 16, 9 / 16, -1 / 16, 0]]
    )
    np.testing.assert_array_equal(cubic_matrix([0.5], 2), [[0.5, 0.5]])


def test_a_parabola_is_reproduced_away_from_the_ends():
    place = np.linspace(1, 8, 53)
    parabola = 2 - 3 * np.arange(10.0) + 0.5 * np.arange(10.0) ** 2
    got = cubic_matrix(place, 10) @ parabola
    np.testing.assert_allclose(got, 2 - 3 * place + 0.5 * place**2, atol=1e-5)


def test_a_structure_keeps_its_place():
    grid = Grid(30, 3.4, 1.0)
    z = np.arange(grid.restored_planes)
    blob = np.exp(-0.5 * ((z - 41.3) / 8) ** 2)[:, None]
    coarse = np.exp(-0.5 * ((grid.recorded_at() - 41.3) / 8) ** 2)[:, None]
    np.testing.assert_allclose(upsample(coarse, grid), blob, atol=5e-3)


@pytest.mark.parametrize(("factor", "phase"), [(0.5, 0), (4, -1), (4, 10), (np.nan, 0)])
def test_impossible_sampling_is_refused(factor, phase):
    with pytest.raises(UsageError, match="--factor"):
        positions(factor, phase, 10)


def test_planes_that_are_not_there_are_refused():
    with pytest.raises(UsageError, match="from 0 to 8"):
        upsample_window(Grid(3, 4.0, 1.0), 5, 10)
