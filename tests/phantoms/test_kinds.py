"""Packed nuclei, tissue, granules, epithelia and flat tubes are what they say they are."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, label, map_coordinates

from carescope import phantoms
from carescope.errors import UsageError
from carescope.phantoms.tubes import _chains


@pytest.fixture(scope="module")
def packed():
    return phantoms.Nuclei((96, 112, 104), 3, packed=True, volume_per_nucleus_px3=30_000)


@pytest.fixture(scope="module")
def tissue():
    return phantoms.tissue((72, 80, 88), 4, volume_per_cell_px3=12_000)


@pytest.fixture(scope="module")
def sheet():
    return phantoms.epithelium((48, 128, 128), 2)


def test_packed_nuclei_fill_space_and_touch(packed):
    _, labels = packed.whole()
    assert 0.45 < (labels > 0).mean() < 0.65
    inside = ((packed.nuclei.centres >= 0) & (packed.nuclei.centres < packed.shape)).all(axis=1)
    assert inside.sum() == pytest.approx(labels.size / 30_000, rel=0.35)
    assert all(label(labels == number)[1] == 1 for number in range(1, labels.max() + 1))
    # Labels that differ in voxels that are neighbours: nuclei that touch.
    pairs = set()
    for axis in range(3):
        a, b = np.moveaxis(labels, axis, 0)[:-1], np.moveaxis(labels, axis, 0)[1:]
        both = (a != b) & (a > 0) & (b > 0)
        pairs |= set(zip(a[both].tolist(), b[both].tolist(), strict=True))
    assert len(pairs) > 10


def test_loose_nuclei_never_overlap_even_where_they_are_crowded():
    made = phantoms.Nuclei((64, 80, 72), 3, radius_px=(5, 8), volume_per_nucleus_px3=3000)
    taken = np.zeros(made.shape, np.int8)
    for number in range(len(made.nuclei)):
        window = made.nuclei.window(number, (0, 0, 0), made.box)
        taken[window] += made.nuclei.inside(number, window)
    assert taken.max() == 1
    assert taken.mean() > 0.15


def test_each_nucleus_of_a_tissue_lies_in_its_cell_off_the_walls(tissue):
    density, (nuclei, cells) = tissue
    assert density.shape == (2, 72, 80, 88)
    inside = nuclei > 0
    np.testing.assert_array_equal(nuclei[inside], cells[inside])
    assert (cells > 0).all()
    walls = density[1] > 0.3
    assert not (walls & inside).any()
    counts = np.bincount(nuclei[inside], minlength=cells.max() + 1)
    faces = np.ones(cells.shape, bool)
    faces[1:-1, 1:-1, 1:-1] = False
    whole = np.setdiff1d(np.arange(1, cells.max() + 1), np.unique(cells[faces]))
    assert len(whole) >= 5
    shares = counts[whole] / 12_000
    assert shares.min() > 0.03
    assert shares.max() < 0.27
    assert all(label(nuclei == number)[1] == 1 for number in whole)


def test_both_stains_of_a_tissue_in_one_channel(tissue):
    density, labels = phantoms.tissue((72, 80, 88), 4, volume_per_cell_px3=12_000, summed=True)
    np.testing.assert_array_equal(density, tissue[0].max(axis=0))
    np.testing.assert_array_equal(labels, tissue[1])


def test_flat_tubes_keep_to_the_plane_and_their_persistence():
    chains, _ = _chains((400, 400), 0, 40.0, 160, 0.05, 4)
    assert (chains[..., 0] == 0).all()
    steps = np.diff(chains, axis=1)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=2), 1, atol=1e-9)
    for apart in (10, 40, 80):
        cosine = (steps[:, apart:] * steps[:, :-apart]).sum(axis=2).mean()
        assert cosine == pytest.approx(np.exp(-apart / 40), abs=0.06)
    share = np.mean([(phantoms.tubes((256, 256), s)[1] > 0).mean() for s in range(4)])
    assert 0.08 < share < 0.05 * 3 * 1.05  # crossings are counted once


@pytest.mark.parametrize(("shape", "volume"), [((48, 64, 56), 900), ((160, 160), 150)])
def test_granules_have_the_sizes_asked_for_and_never_touch(shape, volume):
    made = phantoms.Granules(
        shape, 2, diameters_px=(0, 5, 8), volume_per_granule_px3=volume, clustering=0
    )
    density, labels = made.whole()
    sizes = np.bincount(labels.ravel())[1:]
    assert len(sizes) == len(made.centres)
    assert (sizes > 0).all()
    assert label(labels > 0)[1] == len(sizes)
    whole = ((made.centres >= 5) & (made.centres < np.array(made.box) - 5))[:, -len(shape) :]
    for diameter in (5, 8):
        chosen = (made.diameters == diameter) & whole.all(axis=1)
        assert chosen.sum() > 3
        ball = (4 / 3 if len(shape) == 3 else 1) * np.pi * (diameter / 2) ** len(shape)
        assert sizes[chosen].mean() == pytest.approx(ball, rel=0.1)
    assert sizes[made.diameters == 0].max() <= 8
    assert density[labels > 0].mean() > 10 * density[labels == 0].mean()


def test_granules_gather_where_asked_to():
    def unevenness(clustering):
        counts = []
        for seed in range(3):
            made = phantoms.Granules((400, 400), seed, clustering=clustering)
            grid = np.histogram2d(*made.centres[:, 1:].T, bins=8, range=[(0, 400)] * 2)[0]
            counts.append(grid.var() / grid.mean())
        return np.mean(counts)

    assert unevenness(2.0) > 1.5 > unevenness(0.0)


def test_the_stack_at_the_sheets_height_is_the_surface(sheet):
    y, x = np.indices(sheet.height.shape)
    seen = map_coordinates(sheet.density, [sheet.height, y, x], order=3)
    away = np.abs(seen - sheet.surface)
    assert away.mean() < 0.02
    assert np.quantile(away, 0.99) < 0.12
    # The brightest plane is the sheet's, where there is a junction.
    junction = sheet.surface > 0.5
    off = np.abs(sheet.density.argmax(axis=0) - sheet.height)[junction]
    assert np.quantile(off, 0.95) < 1.5


def test_the_sheet_is_smooth_and_runs_over_the_planes_asked_for():
    for amplitude in (0.0, 10.0, 30.0):
        height = phantoms.epithelium((48, 128, 160), 3, amplitude_px=amplitude).height
        assert np.abs(height - 23.5).max() <= amplitude / 2
        assert np.ptp(height) >= 0.5 * amplitude
        assert max(np.abs(np.diff(height, axis=a)).max() for a in (0, 1)) <= 0.08 * amplitude


def test_cells_of_the_sheet_are_enclosed_by_its_junctions(sheet):
    edge = np.zeros(sheet.labels.shape, bool)
    edge[:, 1:] |= np.diff(sheet.labels, axis=1) != 0
    edge[1:] |= np.diff(sheet.labels, axis=0) != 0
    away = distance_transform_edt(~edge)
    assert sheet.surface[edge].mean() > 0.45
    inner = slice(6, -6)  # a wall may lie just outside
    assert sheet.surface[inner, inner][away[inner, inner] > 4].max() < 0.25
    sizes = np.bincount(sheet.labels.ravel())
    assert 0.6 * 400 < np.median(sizes[sizes > 0]) < 1.5 * 400


def test_the_second_sheet_is_weaker_lower_and_can_be_left_out(sheet):
    without = phantoms.epithelium((48, 128, 128), 2, second=0)
    np.testing.assert_array_equal(without.surface, sheet.surface)
    more = sheet.density - without.density
    assert more.min() >= 0
    assert 0.1 < more.max() < 0.4
    below = np.argmax(more.sum(axis=(1, 2))) - np.argmax(without.density.sum(axis=(1, 2)))
    assert below > 0


def test_debris_outshines_the_sheet_from_above_only(sheet):
    dirty = phantoms.epithelium((48, 128, 128), 2, debris=2)
    np.testing.assert_array_equal(dirty.surface, sheet.surface)
    more = dirty.density - sheet.density
    assert dirty.density.max() > 1.2
    z = np.arange(48)[:, None, None]
    assert more[z > sheet.height].max() == 0
    assert (more > 0.5).any()


def test_cells_keep_their_number_while_the_sheet_moves(sheet):
    next_one = phantoms.epithelium((48, 128, 128), 2, time=1)
    later = phantoms.epithelium((48, 128, 128), 2, time=15)
    assert not np.array_equal(next_one.labels, sheet.labels)
    assert (next_one.labels == sheet.labels).mean() > 0.85
    assert (later.labels == sheet.labels).mean() < 0.85
    assert 0 < np.abs(next_one.height - sheet.height).max() < 1.5
    assert len(np.intersect1d(later.labels, sheet.labels)) > 0.7 * len(np.unique(sheet.labels))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: phantoms.epithelium((20, 64, 64), 0, amplitude_px=40), "does not fit"),
        (lambda: phantoms.epithelium((20, 64, 64), 0, fold_px=2), "no epithelium"),
        (lambda: phantoms.tissue((32, 32, 32), 0, nucleus_share=(0.2, 1.5)), "do not fit"),
        (lambda: phantoms.granules((64, 64), 0, diameters_px=(-1.0,)), "are none"),
        (lambda: phantoms.nuclei((32, 32, 32), 0, radius_px=(9, 3)), "no nuclei"),
    ],
)
def test_what_cannot_be_made_is_refused(make, says):
    with pytest.raises(UsageError, match=says):
        make()
