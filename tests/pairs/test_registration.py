"""Shifts between the images of a pair, found through noise; and pairs that are none."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope import Image, phantoms, read
from carescope.pairs.planes import coarser
from carescope.pairs.registration import aligned, shift_between

DATA = os.environ.get("CARESCOPE_DATA")


@pytest.fixture(scope="module")
def nuclei():
    density, _ = phantoms.nuclei((24, 128, 144), 5, volume_per_nucleus_px3=15_000)
    return density


def noisy(density, seed=0):
    return np.random.default_rng(seed).poisson(8 * density + 1).astype(np.float32)


def crop(volume, z, y, x):
    return volume[4 + z : 20 + z, 16 + y : 112 + y, 16 + x : 128 + x]


@settings(deadline=None, max_examples=25)
@given(st.tuples(st.integers(-3, 3), st.integers(-15, 15), st.integers(-15, 15)))
def test_a_shift_is_found_and_taken_back(nuclei, shift):
    low = Image(noisy(crop(nuclei, 0, 0, 0)), "ZYX")
    high = Image(crop(nuclei, *(-s for s in shift)), "ZYX")
    found = shift_between(low, high)
    assert found.pixels == shift
    assert found.same
    one, other = aligned(low, high, shift)
    assert (
        one.shape == other.shape == tuple(n - abs(s) for n, s in zip(low.shape, shift, strict=True))
    )
    assert shift_between(one, other).pixels == (0, 0, 0)


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from((2.0, 2.5, 3.0, 4.0)),
    st.tuples(st.integers(-3, 3), st.integers(-15, 15), st.integers(-15, 15)),
)
def test_a_shift_of_few_planes_is_found_in_planes_of_the_many(nuclei, factor, shift):
    low = coarser(Image(crop(nuclei, 0, 0, 0), "ZYX"), factor)
    low = Image(noisy(np.maximum(low.array(), 0)), "ZYX")
    high = Image(crop(nuclei, *(-s for s in shift)), "ZYX")
    assert shift_between(low, high, factor).pixels == shift


@pytest.mark.skipif(not DATA, reason="CARESCOPE_DATA is not set")
@pytest.mark.parametrize("name", ["xyz_16bit__spots", "xyz_nuclear_envelope_drosophila"])
def test_planes_left_out_of_a_real_stack_are_not_shifted(name):
    """Interpolated between those that are left, they are more like their neighbours here."""
    stack = read.open(Path(DATA, "neubias_3d", f"{name}.tif"))
    found = shift_between(coarser(stack, 4.0), stack, 4.0)
    assert found.pixels == (0, 0, 0)
    assert found.same


def test_planes_with_channels_and_time(nuclei):
    film = np.stack([np.stack([p, 5 - 2 * p, p]) for p in nuclei[:3]])
    low = Image(np.random.default_rng(0).normal(film[..., 8:, :-5], 0.3), "TCYX")
    found = shift_between(low, Image(film[..., :-8, 5:], "TCYX"))
    assert found.pixels == (0, 8, -5)


def test_other_scenes_are_not_the_same(nuclei):
    other, _ = phantoms.nuclei((24, 128, 144), 6, volume_per_nucleus_px3=15_000)
    assert not shift_between(Image(noisy(nuclei), "ZYX"), Image(other, "ZYX")).same
    noise = np.random.default_rng(1).normal(size=(128, 144))
    assert not shift_between(Image(nuclei[8], "YX"), Image(noise, "YX")).same
    assert not shift_between(Image(nuclei[8], "YX"), Image(np.ones((128, 144)), "YX")).same


@pytest.mark.skipif(not DATA, reason="CARESCOPE_DATA is not set")
def test_real_pairs():
    def image(kind, field, channel):
        return read.open(Path(DATA, "paired_w2s", kind, f"{field:03}_{channel}.tif"), axes="YX")

    found = [
        shift_between(image("avg1", f, c), image("avg400", f, c)) for f in (1, 9) for c in (0, 1, 2)
    ]
    assert [shift.pixels for shift in found] == [(0, 0, 0)] * 6
    assert all(shift.same for shift in found)
    wrong = [shift_between(image("avg1", f, 0), image("avg400", f + 1, 0)) for f in range(2, 8)]
    assert not any(shift.same for shift in wrong)
    both = read.open(Path(DATA, "neubias_3d", "xyzc_16bit__dna_conf_wf.tif"))
    assert shift_between(both.select("C", 0), both.select("C", 1)).pixels == (-2, 0, 4)
