"""Cells followed over time: on films whose links are known, and by the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope import phantoms
from carescope.errors import InputError, UsageError
from carescope.metrics import track, tracking

SHAPE = (96, 96)


def tissue(time):
    """Cells of an epithelium in one frame of its movie: numbers stay."""
    return phantoms.Epithelium((16, *SHAPE), 4, area_per_cell_px2=250, time=time).cells


def square(frames, shape=(20, 40)):
    """A film of squares: for each frame a number and where it starts."""
    film = np.zeros((len(frames), *shape), int)
    for frame, squares in zip(film, frames, strict=True):
        for number, (row, column) in squares.items():
            frame[row : row + 8, column : column + 8] = number
    return film


def scrambled(film, seed):
    """The same objects with other numbers in each frame."""
    rng = np.random.default_rng(seed)
    other = np.zeros_like(film)
    for before, after in zip(film, other, strict=True):
        numbers = np.unique(before[before > 0])
        for n, m in zip(numbers, rng.choice(999, len(numbers), replace=False), strict=True):
            after[before == n] = m + 1
    return other


def links_by_definition(truth, found, iou):
    """(true links, found links, matched), object by object; for IoU over a half."""

    def partner(frame, n):
        mask = truth[frame] == n
        for m in np.unique(found[frame][mask]):
            other = found[frame] == m
            if m and (mask & other).sum() / (mask | other).sum() >= iou:
                return m
        return None

    def of(film):
        return [
            (frame, n)
            for frame in range(len(film) - 1)
            for n in set(film[frame].flat) & set(film[frame + 1].flat) - {0}
        ]

    right = [partner(t, n) is not None and partner(t, n) == partner(t + 1, n) for t, n in of(truth)]
    return len(right), len(of(found)), sum(right)


def test_cells_that_move_keep_their_number():
    film = square([{1: (2, 2), 2: (2, 20)}, {1: (4, 4), 2: (3, 18)}, {1: (6, 6), 2: (4, 16)}])
    found = track(film)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, film)
    assert tracking(film, track(scrambled(film, 0))).f1 == 1


def test_numbers_of_a_tissue_are_found_again():
    film = np.stack([tissue(time) for time in (0, 3, 6, 9)])
    found = track(scrambled(film, 1))
    scores = tracking(film, found)
    assert scores.truth_links > 100
    # At the edge a cell may all but leave; anywhere else none is lost.
    assert scores.recall > 0.97
    assert scores.precision > 0.97


@given(seed=st.integers(0, 999))
@settings(deadline=None, max_examples=15)
def test_tracking_again_changes_nothing_and_numbers_mean_nothing(seed):
    film = np.random.default_rng(seed).integers(0, 4, (3, 6, 7))
    once = track(film)
    np.testing.assert_array_equal(track(once), once)
    np.testing.assert_array_equal((once > 0), (film > 0))
    for before, after in zip(film, once, strict=True):
        pairs = {(int(a), int(b)) for a, b in zip(before.flat, after.flat, strict=True)}
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_who_comes_late_or_comes_back_is_new():
    film = square([{1: (2, 2)}, {1: (2, 2), 2: (2, 20)}, {2: (2, 20)}, {1: (2, 2), 2: (2, 20)}])
    found = track(film)
    assert [sorted(set(f.flat) - {0}) for f in found] == [[1], [1, 2], [2], [2, 3]]


def test_too_little_overlap_is_no_link():
    film = square([{1: (2, 2)}, {1: (2, 6)}])  # 4 of 8 columns: an IoU of one third
    assert track(film, iou=0.3).max() == 1
    assert track(film, iou=0.4).max() == 2


def test_all_links_are_chosen_together():
    """The best partner of the first would leave the second without any."""
    before = np.array([[1] * 4 + [2] * 10 + [0] * 6])
    after = np.array([[9] * 9 + [8] * 11])
    # 1-9: 4 of 9; 2-9: 5 of 14; 2-8: 5 of 16. Greedy or not, 1-9 and 2-8 is the most.
    np.testing.assert_array_equal(track([before, after])[1], [[1] * 9 + [2] * 11])


def test_a_daughter_takes_over_and_the_other_is_new():
    mother = np.ones((10, 10), int)
    daughters = np.ones((10, 10), int)
    daughters[6:] = 2
    assert [list(np.unique(f)) for f in track([mother, daughters])] == [[1], [1, 2]]
    assert (track([mother, daughters])[1][:6] == 1).all()


@given(seed=st.integers(0, 999), iou=st.sampled_from([0.51, 0.6, 0.8]))
@settings(deadline=None, max_examples=30)
def test_links_are_those_of_the_definition(seed, iou):
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.integers(0, 5, (4, 3, 4)), 3, axis=2)
    found = np.where(rng.random(truth.shape) < 0.15, rng.integers(0, 5, truth.shape), truth)
    found[2] = np.array([0, 2, 1, 3, 4])[found[2]] if seed % 2 else found[2]
    scores = tracking(truth, found, iou=iou)
    counts = (scores.truth_links, scores.links, scores.matched)
    assert counts == links_by_definition(truth, found, iou)


@given(seed=st.integers(0, 99))
@settings(deadline=None, max_examples=10)
def test_the_same_film_is_followed_in_full(seed):
    film = np.random.default_rng(seed).integers(0, 4, (3, 2, 5, 6))
    found = tracking(film, 7 * film)
    assert found.matched == found.links == found.truth_links
    assert found.f1 == found.recall == found.precision == 1


def test_what_an_error_costs():
    film = np.stack([tissue(0)] * 4)
    cells = len(np.unique(film))
    assert tracking(film, film).truth_links == 3 * cells
    middle = film[0, 48, 48]

    lost = film.copy()
    lost[2][lost[2] == middle] = 0
    assert tracking(film, lost).matched == 3 * cells - 2
    assert tracking(film, lost).precision == 1
    assert tracking(film, lost).recall == pytest.approx(1 - 2 / (3 * cells))

    renamed = film.copy()  # for good, from the third frame on
    renamed[2:][renamed[2:] == middle] = 5000
    scores = tracking(film, renamed)
    assert (scores.links, scores.matched) == (3 * cells - 1, 3 * cells - 1)

    one, other = np.argsort(np.bincount(film[0].flat))[-2:]
    swapped = film.copy()
    swapped[1][film[1] == one], swapped[1][film[1] == other] = other, one
    assert tracking(film, swapped).matched == 3 * cells - 4
    assert tracking(film, swapped).links == 3 * cells


def test_true_links_that_are_missed_are_the_edges_that_py_ctcmetrics_misses(tmp_path):
    """Objects are the same or absent, so that its rule for matches is no other than this one."""
    representations = pytest.importorskip("ctc_metrics.utils.representations")
    import tifffile

    truth = np.stack([tissue(time) for time in (0, 4, 8, 12)])
    truth[:, :3] = 0  # it takes the first number of each frame for the background
    numbers = np.unique(truth)[1:]
    unrelated = np.stack([numbers, 0 * numbers, 0 * numbers + 3, 0 * numbers], axis=1)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        names = np.stack([np.arange(truth.max() + 1)] * 4)
        for frame in names:
            frame[rng.random(frame.shape) < 0.1] = 0
            one, other = rng.choice(numbers, 2, replace=False)
            frame[[one, other]] = frame[[other, one]]
        found = np.stack([name[frame] for name, frame in zip(names, truth, strict=True)])
        matched = []
        for true, ours in zip(truth, found, strict=True):
            paths = [str(tmp_path / f"{name}.tif") for name in "ab"]
            for path, image in zip(paths, (true, ours), strict=True):
                tifffile.imwrite(path, image.astype(np.uint16))
            matched.append(representations.match(*paths)[:4])
        theirs = representations.count_acyclic_graph_correction_operations(
            unrelated, unrelated, *map(list, zip(*matched, strict=True))
        )
        scores = tracking(truth, found)
        assert scores.truth_links == theirs["num_edges"]
        assert scores.truth_links - scores.matched == theirs["EA"]
        assert 0.5 < scores.recall < 0.95


def test_shares_of_nothing_are_no_numbers():
    film = square([{1: (2, 2)}, {2: (2, 20)}])
    scores = tracking(film, film)
    assert (scores.truth_links, scores.links) == (0, 0)
    assert np.isnan([scores.recall, scores.precision, scores.f1]).all()
    assert np.isnan(tracking(film[:1], film[:1]).f1)
    nothing = tracking(np.ones((2, 3, 3), int), np.zeros((2, 3, 3), int))
    assert (nothing.recall, nothing.f1) == (0, 0)
    assert np.isnan(nothing.precision)


@pytest.mark.parametrize(
    ("truth", "found", "says"),
    [
        (np.ones((3, 4, 4), int), np.ones((2, 4, 4), int), "different numbers of frames"),
        (np.ones((2, 4, 4), int), np.ones((3, 4, 4), int), "different numbers of frames"),
        (np.ones((2, 4, 4), int), np.ones((2, 4, 5), int), "4 x 4, but the labels 4 x 5"),
        ([np.ones((4, 4), int), np.ones((4, 5), int)], np.ones((2, 4, 4), int), "4 x 5"),
        (np.ones((2, 4, 4), int), np.full((2, 4, 4), 0.5), "found, frame 0, is no label image"),
        (np.ones((0, 4, 4), int), np.ones((0, 4, 4), int), "no frames"),
        (np.ones((4, 4), int), np.ones((4, 4), int), "frames (Y, X)"),
    ],
)
def test_what_are_no_two_films_is_refused(truth, found, says):
    with pytest.raises(InputError) as refused:
        tracking(truth, found)
    assert says in f"{refused.value.what} {refused.value.remedy}"


def test_impossible_overlaps_are_refused():
    film = np.ones((2, 3, 3), int)
    for iou in (0, 1.5):
        with pytest.raises(UsageError, match="iou"):
            track(film, iou=iou)
        with pytest.raises(UsageError, match="iou"):
            tracking(film, film, iou=iou)
