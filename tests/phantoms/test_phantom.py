"""What all phantoms promise: reproducible, the same in any slabs, refused where impossible."""

import inspect
from itertools import pairwise

import numpy as np
import pytest

from carescope import phantoms
from carescope.errors import UsageError
from carescope.phantoms import phantom, texture
from carescope.phantoms.numbering import renumbered

SHAPE = (40, 56, 48)
SMALL = {
    "nuclei": {"packed": True, "volume_per_nucleus_px3": 8000},
    "membranes": {"volume_per_cell_px3": 8000},
    "tissue": {"volume_per_cell_px3": 8000},
    "tubes": {},
    "granules": {"volume_per_granule_px3": 2000},
    "epithelium": {},
}
KINDS = sorted(phantoms.KINDS)


def make(kind, seed=5, shape=SHAPE, **more):
    return phantoms.KINDS[kind](shape, seed, **SMALL[kind] | more)


def test_every_phantom_is_tried_here():
    assert set(SMALL) == set(phantoms.KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_phantom_and_another_seed_another(kind):
    density, labels = make(kind).whole()
    again, same = make(kind).whole()
    np.testing.assert_array_equal(density, again)
    np.testing.assert_array_equal(labels, same)
    assert not np.array_equal(density, make(kind, seed=6).whole()[0])
    assert density.dtype == np.float32
    assert labels.dtype == np.int32
    assert density.shape[-3:] == labels.shape[-3:] == SHAPE
    assert 0.02 <= density.min() < density.max() < 2
    assert len(np.unique(labels)) > 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cuts", [(1, 2, 17, 18, 39), (20,)])
def test_planes_one_by_one_are_the_whole_to_the_last_bit(kind, cuts, monkeypatch):
    monkeypatch.setattr(texture, "SLAB_VOXELS", 7 * SHAPE[1] * SHAPE[2])
    density, labels = make(kind).whole()
    world = make(kind)
    edges = [0, *cuts, SHAPE[0]]
    parts = [world.planes(slice(a, b)) for a, b in pairwise(edges)]
    planes, numbers = (np.concatenate(part, axis=-3) for part in zip(*parts, strict=True))
    np.testing.assert_array_equal(planes, density)
    np.testing.assert_array_equal(
        renumbered(numbers.reshape(-1, *SHAPE[1:])).reshape(labels.shape), labels
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_slabs_leave_no_trace(kind, monkeypatch):
    density, labels = make(kind).whole()
    monkeypatch.setattr(texture, "SLAB_VOXELS", 7 * SHAPE[1] * SHAPE[2])
    thin, same = make(kind).whole()
    # Voxels on an edge may round to its other side.
    assert (labels != same).mean() < 2e-4
    agree = labels == same
    both = agree if density.shape == labels.shape else agree.all(axis=0)
    np.testing.assert_allclose(thin[..., both], density[..., both], atol=3e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_made_is_refused(kind):
    with pytest.raises(UsageError, match="too small"):
        make(kind, shape=(8, 64, 64))
    with pytest.raises(UsageError, match="no planes"):
        make(kind).planes(slice(30, 41))
    lengths = "64 x 64" if kind == "epithelium" else "2 x 2 x 64 x 64"
    with pytest.raises(UsageError, match=f"no shape {lengths}"):
        make(kind, shape=[int(n) for n in lengths.split(" x ")])


@pytest.mark.parametrize("kind", ["tubes", "granules"])
def test_a_flat_phantom_is_a_plane(kind):
    density, labels = getattr(phantoms, kind)((128, 120), 3)
    assert density.shape == labels.shape == (128, 120)
    assert labels.max() > 2
    assert density[labels > 0].mean() > 5 * density[labels == 0].mean()


@pytest.mark.parametrize("kind", ["nuclei", "membranes", "tissue"])
def test_a_section_is_the_middle_plane_of_a_volume(kind):
    cut, volume = make(kind, shape=(72, 64)), make(kind, shape=(phantom.SECTIONED_PLANES, 72, 64))
    density, labels = cut.whole()
    middle = (phantom.SECTIONED_PLANES - 1) // 2
    true, numbers = (part[..., 0, :, :] for part in volume.planes(slice(middle, middle + 1)))
    # Voxels on an edge may round to its other side.
    assert np.mean(np.abs(density - true) > 3e-4) < 2e-3
    assert np.mean((labels > 0) != (numbers > 0)) < 2e-3
    assert len(np.unique(labels)) > 5
    np.testing.assert_array_equal(cut.planes(slice(0, 1))[0][..., 0, :, :], density)


@pytest.mark.parametrize("kind", KINDS)
def test_the_function_shows_the_arguments_of_its_class(kind):
    function, made = getattr(phantoms, kind), phantoms.KINDS[kind]
    assert function.__name__ == kind
    if kind == "epithelium":
        return
    assert inspect.signature(function).parameters == inspect.signature(made).parameters
    assert function.__doc__ == made.__doc__


def test_autofluorescence_is_smooth_and_as_strong_as_asked_for():
    light = np.stack([phantoms.autofluorescence((300, 300), s, strength=0.2) for s in range(9)])
    assert light.min() >= 0
    assert light.mean() == pytest.approx(0.2, rel=0.15)
    assert light.std() > 0.05
    for axis in (1, 2):
        assert np.abs(np.diff(light, axis=axis)).max() < 0.04
    volume = phantoms.autofluorescence((20, 40, 50), 1)
    assert volume.shape == (20, 40, 50)
    assert np.abs(np.diff(volume, axis=0)).max() < 0.01
    with pytest.raises(UsageError, match="strength -1"):
        phantoms.autofluorescence((40, 50), 1, strength=-1)
