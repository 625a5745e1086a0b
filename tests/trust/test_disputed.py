"""Where to look at an ensemble."""

import numpy as np
import pytest

from carescope.errors import InputError
from carescope.trust import best_agreed, most_disputed


def scene():
    """Two structures; the members agree on the left one."""
    mean = np.zeros((128, 256))
    y, x = np.mgrid[:128, :256]
    among = 0.05 + 0.75 * np.exp(-((y - 60) ** 2 + (x - 190) ** 2) / 200)
    rng = np.random.default_rng(0)
    mean[50:70, 50:70] = mean[50:70, 180:200] = rng.random((20, 20))
    return among, mean


def middle(window):
    return [(s.start + s.stop) / 2 for s in window[-2:]]


def test_the_disputed_window_shows_where_members_differ():
    among, _ = scene()
    value, window = most_disputed(among, size_px=32)[0]
    assert 0.7 < value < 0.8
    assert middle(window) == pytest.approx([60, 190], abs=2)


def test_the_agreed_window_shows_structure_without_dispute():
    among, mean = scene()
    place = best_agreed(among, mean, size_px=32)[0]
    y, x = middle(place.window)
    assert 50 <= y <= 70
    assert 50 <= x <= 70
    assert place.value > 0.2
    assert among[place.window].max() < 0.1


def test_volumes_have_windows_in_a_plane():
    among, mean = (np.stack([0 * a + 0.05, a, 0 * a + 0.05]) for a in scene())
    for place in (most_disputed(among)[0], best_agreed(among, mean)[0]):
        assert place.window[0] == slice(1, 2)


def test_maps_of_other_pixels_are_refused():
    among, mean = scene()
    with pytest.raises(InputError, match="the disagreement is"):
        best_agreed(among, mean[1:])
