"""Plane by plane a volume is blurred and sampled as it is at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope.errors import UsageError
from carescope.physics.blur import blur
from carescope.physics.planewise import blurred, recorded
from carescope.physics.sampling import sample

SHAPES = st.tuples(*(st.integers(1, 20),) * 3)
ODD = st.tuples(*(st.integers(0, 6).map(lambda n: 2 * n + 1),) * 3)


@settings(max_examples=60, deadline=None)
@given(shape=SHAPES, sizes=ODD, factor=st.floats(1, 5), seed=st.integers(0, 100))
def test_it_is_what_the_whole_volume_gives(shape, sizes, factor, seed):
    draw = np.random.default_rng(seed)
    volume, kernel = draw.random(shape, np.float32), draw.random(sizes)
    kernel /= kernel.sum()
    asked = []

    def plane(number):
        asked.append(number)
        return volume[number]

    found = np.stack(list(recorded(plane, shape, kernel=kernel, factor=factor)))
    np.testing.assert_allclose(found, sample(blur(volume, kernel), factor).clip(0), atol=2e-6)
    assert asked == sorted(set(asked))
    plain = np.stack(list(recorded(volume.__getitem__, shape, factor=factor)))
    np.testing.assert_allclose(plain, sample(volume, factor).clip(0), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_plane_is_the_same_whichever_others_are_wanted(data):
    draw = np.random.default_rng(0)
    volume, kernel = draw.random((15, 8, 9), np.float32), draw.random((7, 3, 5))
    wanted = sorted(data.draw(st.sets(st.integers(0, 14), min_size=1)))
    whole = list(blurred(volume.__getitem__, volume.shape, kernel, range(15)))
    some = blurred(volume.__getitem__, volume.shape, kernel, wanted)
    for number, values in zip(wanted, some, strict=True):
        np.testing.assert_array_equal(values, whole[number])


def test_a_kernel_that_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="odd length"):
        next(blurred(lambda _: np.ones((3, 3)), (2, 3, 3), np.ones((2, 3, 3)), [0]))
