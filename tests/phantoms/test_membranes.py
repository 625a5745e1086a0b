"""Simulated membranes: thin, closed, between cells of similar size, without direction."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, label

from carescope import metrics, phantoms
from carescope.errors import UsageError
from carescope.phantoms import texture

SHAPE = (56, 80, 64)


@pytest.fixture(scope="module")
def made():
    return phantoms.membranes((128, 128, 128), 4)


def test_same_seed_same_membranes_and_another_seed_others():
    density, labels = phantoms.membranes(SHAPE, 5)
    again, same = phantoms.membranes(SHAPE, 5)
    np.testing.assert_array_equal(density, again)
    np.testing.assert_array_equal(labels, same)
    assert not np.array_equal(labels, phantoms.membranes(SHAPE, 6)[1])


def test_the_slabs_leave_no_trace(monkeypatch):
    density, labels = phantoms.membranes(SHAPE, 5)
    monkeypatch.setattr(texture, "SLAB_VOXELS", 7 * 80 * 64)
    thin, same = phantoms.membranes(SHAPE, 5)
    np.testing.assert_allclose(thin, density, atol=2e-4)
    assert (labels != same).mean() < 1e-5


def test_a_membrane_lies_where_cells_touch_and_nowhere_else(made):
    density, labels = made
    assert density.dtype == np.float32
    assert labels.dtype == np.int32
    assert 0.02 <= density.min() < density.max() <= 1
    touching = np.zeros(labels.shape, bool)
    for axis in range(3):
        ahead = np.diff(labels, axis=axis) != 0
        pads = [[(0, 1) if a == axis else (0, 0) for a in range(3)]]
        pads.append([p[::-1] for p in pads[0]])
        touching |= np.pad(ahead, pads[0]) | np.pad(ahead, pads[1])
    inner = (slice(6, -6),) * 3
    away = distance_transform_edt(~touching)[inner]
    assert density[inner][touching[inner]].mean() > 0.45
    np.testing.assert_allclose(density[inner][away > 7], 0.02, atol=1e-6)
    # 2.5 voxels wide at half maximum: half as bright 1.25 voxels from the middle.
    assert density[inner][away == 2].mean() < 0.3 * density[inner][away == 0].mean()


def test_cells_are_whole_and_of_similar_size(made):
    _, labels = made
    faces = np.concatenate(
        [np.take(labels, end, axis=axis).ravel() for axis in range(3) for end in (0, -1)]
    )
    whole = np.setdiff1d(np.arange(1, labels.max() + 1), faces)
    assert len(whole) > 15
    sizes = np.bincount(labels.ravel())[whole]
    # Those that no face cuts are the smaller ones.
    assert 0.6 * 30_000 < sizes.mean() < 1.2 * 30_000
    assert sizes.std() < 0.4 * sizes.mean()
    assert all(label(labels == number)[1] == 1 for number in whole)
    assert (np.bincount(labels.ravel())[1:] > 0).all()


def test_membranes_have_no_direction():
    ratios = [metrics.spectral_isotropy(phantoms.membranes((128,) * 3, s)[0]) for s in range(3)]
    assert np.mean(ratios) == pytest.approx(1, abs=0.08)
    assert max(abs(r - 1) for r in ratios) < 0.15


def test_cells_of_the_size_asked_for():
    _, labels = phantoms.membranes((96, 96, 96), 1, volume_per_cell_px3=4000)
    assert labels.max() > 96**3 / 4000
    assert labels.max() < 3 * 96**3 / 4000


@pytest.mark.parametrize(
    ("shape", "options", "says"),
    [
        ((8, 64, 64), {}, "too small for cells"),
        ((32, 32, 32), {"volume_per_cell_px3": 20}, "too small to have membranes"),
        ((32, 32, 32), {"width_px": 0.5}, "thinner than voxels"),
    ],
)
def test_what_cannot_be_made_is_refused(shape, options, says):
    with pytest.raises(UsageError, match=says):
        phantoms.membranes(shape, 0, **options)
