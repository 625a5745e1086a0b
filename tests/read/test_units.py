"""Lengths, however they are spelt."""

import pytest

from carescope.read.units import interval, micrometres, number, pixel_size, seconds, voxel


@pytest.mark.parametrize(
    "unit",
    [
        *("um", "UM", " um ", "\u00b5m", "\u03bcm", "\\u00B5m", "\\u00b5m", "\u00c2\u00b5m"),
        *("micron", "microns", "Micron", "micrometer", "micrometre", "micrometers", "\u00b5"),
    ],
)
def test_every_spelling_of_a_micrometre(unit):
    assert micrometres(unit) == 1


@pytest.mark.parametrize(
    ("unit", "um"),
    [("nm", 1e-3), ("mm", 1e3), ("cm", 1e4), ("m", 1e6), ("inch", 25400), ("\u00c5", 1e-4)],
)
def test_other_lengths(unit, um):
    assert micrometres(unit) == um


@pytest.mark.parametrize("unit", ["pixel", "pixels", "", None, "sec", "reference frame", 3])
def test_what_is_no_length(unit):
    assert micrometres(unit) is None


@pytest.mark.parametrize("bad", [0.0, -1.0, 1e9, 1e-9, float("nan"), float("inf"), None])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_f10_an_absurd_voxel_size_is_unknown(bad, place):
    size = [1.0, 1.0, 1.0]
    size[place] = bad
    assert voxel(*size) is None


def test_numbers_and_resolutions_that_are_none():
    assert number("0.5") == 0.5
    assert [number(v) for v in ("nan", "inf", "x", None)] == [None] * 4
    assert pixel_size((4, 1)) == 0.25
    assert [pixel_size(v) for v in ((0, 1), None, 3)] == [None] * 3


@pytest.mark.parametrize(
    ("unit", "s"), [("sec", 1), ("ms", 1e-3), ("Minutes", 60), ("h", 3600), (" second ", 1)]
)
def test_times(unit, s):
    assert seconds(unit) == s
    assert interval("2.5", unit) == 2.5 * s


@pytest.mark.parametrize(
    ("value", "unit"), [(0, "s"), (-1, "s"), ("x", "s"), (1, "frame"), (None, "s")]
)
def test_what_is_no_interval(value, unit):
    assert interval(value, unit) is None
