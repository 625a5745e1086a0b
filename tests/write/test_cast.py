"""Values become pixels without ever wrapping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from carescope.errors import OutputError
from carescope.write.cast import cast

INTEGERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32"]
FLOATS = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    hnp.array_shapes(max_dims=3, max_side=5),
    elements={"allow_nan": False},
)


@given(FLOATS, st.sampled_from(INTEGERS))
def test_f41_floats_round_clip_and_count(values, dtype):
    result, clipped = cast(values, dtype)
    limits = np.iinfo(dtype)
    assert result.dtype == dtype
    # Python's integers have no limits, so this is what the numbers ought to be.
    for value, pixel in zip(values.ravel(), result.ravel(), strict=True):
        bounded = min(max(float(value), limits.min), limits.max)
        assert int(pixel) == round(bounded)
    exact = [float(v) if np.isinf(v) else round(float(v)) for v in values.ravel()]
    assert clipped == sum(not limits.min <= v <= limits.max for v in exact)


@given(
    hnp.arrays(st.sampled_from([*INTEGERS, "int64", "uint64"]), hnp.array_shapes(max_dims=2)),
    st.sampled_from(INTEGERS),
)
def test_f41_integers_clip_and_count(values, dtype):
    result, clipped = cast(values, dtype)
    limits = np.iinfo(dtype)
    wanted = [min(max(int(v), limits.min), limits.max) for v in values.ravel()]
    assert [int(p) for p in result.ravel()] == wanted
    assert clipped == sum(int(v) != w for v, w in zip(values.ravel(), wanted, strict=True))


def test_f41_what_others_wrap():
    result, clipped = cast(np.array([-1.0, 70000.0, 65535.4, 0.5, 1.5]), np.uint16)
    assert result.tolist() == [0, 65535, 65535, 0, 2]
    assert clipped == 2


@given(hnp.arrays(np.float32, 5, elements={"allow_nan": True}))
def test_f41_float32_passes_through(values):
    result, clipped = cast(values, np.float32)
    np.testing.assert_array_equal(result, values)
    assert clipped == 0


def test_f41_nan_cannot_become_an_integer():
    with pytest.raises(OutputError, match=r"2 NaN.*--dtype float32"):
        cast(np.array([1.0, np.nan, np.nan]), np.uint8)


def test_f41_float64_beyond_float32_is_clipped_not_infinite():
    result, clipped = cast(np.array([1e300, -1e300, np.inf, np.nan, 1.0]), np.float32)
    largest = np.finfo(np.float32).max
    np.testing.assert_array_equal(result, [largest, -largest, np.inf, np.nan, 1.0])
    assert clipped == 2


@pytest.mark.parametrize("dtype", ["int64", "complex64", "float16", "bool"])
def test_types_no_file_can_hold_are_refused(dtype):
    with pytest.raises(OutputError, match="--dtype"):
        cast(np.array([1.5]), dtype)
