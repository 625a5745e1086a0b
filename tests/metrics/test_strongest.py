"""The strongest errors: found where they were put, windows that fit and do not overlap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope.errors import InputError, UsageError
from carescope.metrics import match, match_truth, strongest, strongest_errors
from carescope.metrics.strongest import LOCAL_PX


def truth_of(shape=(200, 240), seed=0):
    return np.random.default_rng(seed).gamma(2, 100, shape)


def test_an_invented_spot_is_found_through_gain_and_offset():
    truth = truth_of()
    restored = truth.copy()
    restored[60:67, 150:157] += 400
    places = strongest_errors(truth, 3 * restored - 50, count=2, size_px=64)
    y, x = places[0].window
    assert (y.stop - y.start, x.stop - x.start) == (64, 64)
    assert abs((y.start + y.stop) / 2 - 63.5) < 4
    assert abs((x.start + x.stop) / 2 - 153.5) < 4
    low, high = np.percentile(truth, (0.1, 99.9))
    assert places[0].value == pytest.approx(400 / (high - low), rel=0.05)
    assert places[1].value < places[0].value / 5


def test_with_a_scale_the_most_surprising_error_is_found():
    truth = np.zeros((100, 100))
    restored, scale = truth.copy(), np.ones((100, 100))
    restored[20:25, 20:25], scale[20:25, 20:25] = 10, 10  # large, and expected
    restored[70:75, 70:75] = 4
    place = strongest_errors(truth, restored, 1, 20, scale=scale)[0]
    assert place.value == pytest.approx(4)
    assert place.window[0].start <= 70 < 75 <= place.window[0].stop


def test_a_single_bright_pixel_is_no_structure():
    values = np.zeros((60, 60))
    values[10, 10] = 5
    values[40:45, 40:45] = 1
    assert strongest(values, 1, 16)[0].value == pytest.approx(1)
    assert strongest(values, 2, 16)[1].value == pytest.approx(5 / LOCAL_PX**2)


@settings(deadline=None, max_examples=40)
@given(
    shape=st.lists(st.integers(1, 40), min_size=2, max_size=3),
    count=st.integers(1, 6),
    size=st.integers(1, 50),
    seed=st.integers(0, 99),
)
def test_windows_lie_within_and_never_overlap(shape, count, size, seed):
    values = np.random.default_rng(seed).random(shape)
    places = strongest(values, count, size)
    assert 1 <= len(places) <= count
    assert [p.value for p in places] == sorted((p.value for p in places), reverse=True)
    shown = np.zeros(shape, int)
    for place in places:
        assert values[place.window].shape[-2:] == tuple(min(n, size) for n in shape[-2:])
        shown[place.window] += 1
    assert shown.max() == 1


def test_what_is_no_number_is_never_strongest():
    values = np.ones((40, 40))
    values[:20] = np.nan
    assert strongest(values, 1, 8)[0].window[0].start >= 16
    assert strongest(np.full((9, 9), np.nan)) == []


def test_the_truth_on_the_restorations_scale_is_the_inverse_of_the_match():
    truth = truth_of()
    restored = 0.2 * truth + 7 + np.random.default_rng(1).normal(size=truth.shape)
    gains = (match(truth, restored) - truth) / (restored - match_truth(truth, restored))
    assert gains.std() < 1e-6 * gains.mean()
    assert gains.mean() == pytest.approx(5, rel=0.01)
    with pytest.raises(InputError, match="not brighter"):
        match_truth(truth, -restored)


def test_impossible_requests_are_refused():
    with pytest.raises(InputError, match="no windows"):
        strongest(np.zeros(5))
    for wrong in ({"count": 0}, {"size_px": 0}):
        with pytest.raises(UsageError, match="cannot be chosen"):
            strongest(np.zeros((5, 5)), **wrong)
    with pytest.raises(InputError, match="truth, restoration and scale"):
        strongest_errors(np.zeros((5, 5)), np.zeros((5, 5)), scale=np.ones((5, 4)))
