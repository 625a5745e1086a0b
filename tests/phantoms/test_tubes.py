"""Simulated tubes: as long, wide and stiff as asked for, without direction."""

import numpy as np
import pytest

from carescope import metrics, phantoms
from carescope.errors import UsageError
from carescope.phantoms import texture
from carescope.phantoms.tubes import _chains

SHAPE = (48, 80, 64)


def test_same_seed_same_tubes_and_another_seed_others():
    density, labels = phantoms.tubes(SHAPE, 5)
    again, same = phantoms.tubes(SHAPE, 5)
    np.testing.assert_array_equal(density, again)
    np.testing.assert_array_equal(labels, same)
    assert not np.array_equal(labels, phantoms.tubes(SHAPE, 6)[1])


def test_the_slabs_leave_no_trace(monkeypatch):
    density, labels = phantoms.tubes(SHAPE, 5)
    monkeypatch.setattr(texture, "SLAB_VOXELS", 7 * 80 * 64)
    thin, same = phantoms.tubes(SHAPE, 5)
    np.testing.assert_allclose(thin, density, atol=1e-5)
    assert (labels != same).mean() < 1e-4


@pytest.mark.parametrize("width_px", [3.0, 5.0])
def test_tubes_fill_the_share_that_their_length_and_width_ask_for(width_px):
    shares = []
    for seed in range(3):
        density, labels = phantoms.tubes(
            (96, 96, 96), seed, width_px=width_px, length_per_px3=0.002, length_px=150
        )
        assert density.dtype == np.float32
        assert labels.dtype == np.int32
        assert 0.02 <= density.min() < density.max() <= 1
        assert density[labels > 0].min() > density[labels == 0].mean()
        shares.append((labels > 0).mean())
    assert np.mean(shares) == pytest.approx(0.002 * np.pi * (width_px / 2) ** 2, rel=0.15)


def test_a_tube_forgets_its_direction_over_its_persistence_length():
    chains, _ = _chains((400, 400, 400), 0, 40.0, 160, 0.002, 4)
    steps = np.diff(chains, axis=1)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=2), 1, atol=1e-9)
    for apart in (10, 40, 80):
        cosine = (steps[:, apart:] * steps[:, :-apart]).sum(axis=2).mean()
        assert cosine == pytest.approx(np.exp(-apart / 40), abs=0.03)


def test_only_tubes_that_reach_the_volume_are_kept():
    """Long ones may come from far away, so that nearly all that are drawn lie outside."""
    chains, brightness = _chains((32, 64, 64), 3, 60.0, 1500, 0.005, 10)
    assert len(brightness) == len(chains) + 1
    assert 0 < chains.nbytes < 10e6  # 2 GB of all of them
    inside = ((chains > -10) & (chains < np.array([42, 74, 74]))).all(axis=2)
    assert inside.any(axis=1).all()


def test_labels_are_numbered_without_gaps():
    _, labels = phantoms.tubes(SHAPE, 1)
    counts = np.bincount(labels.ravel())
    assert len(counts) > 10
    assert (counts > 0).all()


def test_tubes_have_no_direction():
    ratios = [metrics.spectral_isotropy(phantoms.tubes((144,) * 3, s)[0]) for s in range(4)]
    assert np.mean(ratios) == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize(
    ("shape", "options", "says"),
    [
        ((8, 64, 64), {}, "too small for tubes"),
        ((32, 32, 32), {"persistence_px": 1}, "a knot"),
        ((32, 32, 32), {"width_px": 1}, "thinner than voxels"),
    ],
)
def test_what_cannot_be_made_is_refused(shape, options, says):
    with pytest.raises(UsageError, match=says):
        phantoms.tubes(shape, 0, **options)
