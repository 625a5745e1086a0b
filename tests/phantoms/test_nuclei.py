"""Simulated nuclei: reproducible, labelled, apart, as many as were asked for."""

import numpy as np
import pytest
from scipy.ndimage import label

from carescope import phantoms
from carescope.errors import UsageError
from carescope.phantoms import texture

SHAPE = (48, 80, 96)


def test_same_seed_same_nuclei_and_another_seed_others():
    density, labels = phantoms.nuclei(SHAPE, 5)
    again, same = phantoms.nuclei(SHAPE, 5)
    np.testing.assert_array_equal(density, again)
    np.testing.assert_array_equal(labels, same)
    assert not np.array_equal(labels, phantoms.nuclei(SHAPE, 6)[1])


def test_each_label_is_one_nucleus_of_plausible_size():
    density, labels = phantoms.nuclei(SHAPE, 1, radius_px=(6, 9), volume_per_nucleus_px3=20_000)
    count = labels.max()
    assert count == round(np.prod(SHAPE) / 20_000)
    for number in range(1, count + 1):
        inside = labels == number
        assert label(inside)[1] == 1
        assert inside.sum() <= 4.3 * 9**3
    assert density[labels > 0].mean() > 10 * density[labels == 0].mean()
    assert (density[labels == 0] == np.float32(0.02)).all()
    assert density.min() >= 0


def test_too_small_a_volume_is_refused():
    with pytest.raises(UsageError, match="too small for nuclei"):
        phantoms.nuclei((8, 64, 64), 0)


def test_the_slabs_leave_no_trace(monkeypatch):
    density, labels = phantoms.nuclei(SHAPE, 5)
    monkeypatch.setattr(texture, "SLAB_VOXELS", 7 * 80 * 96)
    thin, same = phantoms.nuclei(SHAPE, 5)
    np.testing.assert_allclose(thin, density, atol=1e-5)
    np.testing.assert_array_equal(labels, same)
