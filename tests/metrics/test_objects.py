"""SEG and matching of label images: by the definition, by hand, and as py-ctcmetrics has it."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from carescope.errors import InputError, UsageError
from carescope.metrics import matching, seg


def blobs(seed, shape=(30, 40), like=None):
    """Labels of random blobs, or of blobs much like those of another seed."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, shape), 2)
    if like is not None:
        field = ndimage.gaussian_filter(np.random.default_rng(like).normal(0, 1, shape), 2) + (
            0.4 * field
        )
    return ndimage.label(field > 0.3 * field.std())[0]


def seg_by_definition(truth, labels):
    total = 0.0
    objects = [truth == n for n in np.unique(truth) if n]
    for one in objects:
        for n in np.unique(labels[one]):
            shared = np.count_nonzero(one & (labels == n))
            if n and shared > one.sum() / 2:
                total += shared / np.count_nonzero(one | (labels == n))
    return total / len(objects)


def most_pairs(truth, labels, iou):
    """The best of all ways to pair objects, tried one by one."""
    rows, columns = ([n for n in np.unique(a) if n] for a in (truth, labels))
    table = np.array(
        [
            [
                np.count_nonzero((truth == r) & (labels == c))
                / np.count_nonzero((truth == r) | (labels == c))
                for c in columns
            ]
            for r in rows
        ]
    ).reshape(len(rows), len(columns))
    if len(rows) > len(columns):
        table = table.T
    if table.size == 0:
        return 0, 0.0
    ways = itertools.permutations(range(table.shape[1]), len(table))
    values = ([v for v in table[range(len(table)), list(way)] if v >= iou] for way in ways)
    return max((len(v), sum(v)) for v in values)


@pytest.mark.parametrize("shape", [(30, 40), (10, 20, 24)])
@given(seed=st.integers(0, 999))
@settings(deadline=None, max_examples=15)
def test_seg_is_the_definition(shape, seed):
    truth, labels = blobs(seed, shape), blobs(seed + 1000, shape, like=seed)
    assert seg(truth, labels) == pytest.approx(seg_by_definition(truth, labels))
    assert seg(truth, truth) == 1


def test_seg_by_hand():
    truth = np.array([1, 1, 1, 1, 0, 2, 2, 0, 3, 3])
    labels = np.array([5, 5, 5, 0, 5, 6, 7, 7, 0, 0])
    # The first is covered by 3 of 4, in a union of 5; half of the second is not more than half.
    assert seg(truth, labels) == pytest.approx(3 / 5 / 3)


def test_what_was_found_and_is_none_costs_nothing_in_seg_but_is_counted():
    truth = np.array([[1, 1, 0, 0, 0, 0]])
    labels = np.array([[4, 4, 0, 9, 0, 8]])
    assert seg(truth, labels) == 1
    found = matching(truth, labels)
    assert (found.matched, found.missed, found.spurious) == (1, 0, 2)
    assert found.unmatched_fraction == 0
    assert found.spurious_fraction == pytest.approx(2 / 3)


@given(seed=st.integers(0, 999), iou=st.sampled_from([0.1, 0.3, 0.5, 0.7]))
@settings(deadline=None, max_examples=40)
def test_matching_makes_the_most_pairs_of_the_largest_overlap(seed, iou):
    rng = np.random.default_rng(seed)
    truth, labels = rng.integers(0, 5, 14), rng.integers(0, 5, 14)
    labels = np.where(rng.random(14) < 0.5, truth, labels)
    found = matching(truth, labels, iou=iou)
    count, total = most_pairs(truth, labels, iou)
    assert found.matched == count
    if count:
        assert found.mean_iou == pytest.approx(total / count)
    assert found.truth_objects == len(set(truth) - {0})
    assert found.objects == len(set(labels) - {0})


def test_two_halves_are_one_match():
    """Each half has an IoU of exactly a half with the whole; only one can be its partner."""
    found = matching([1, 1, 1, 1], [1, 1, 2, 2])
    assert (found.matched, found.missed, found.spurious) == (1, 0, 1)


@given(seed=st.integers(0, 99))
@settings(deadline=None, max_examples=10)
def test_numbers_of_objects_mean_nothing(seed):
    truth, labels = blobs(seed), blobs(seed + 1000, like=seed)
    names = np.random.default_rng(seed).choice(10**6, labels.max() + 1, replace=False) + 1
    names[0] = 0
    other = names[labels].astype(np.float32)  # as some programs write labels
    assert seg(truth, other) == seg(truth, labels)
    assert matching(truth, other) == matching(truth, labels)


def test_nothing_found_is_nothing_matched():
    truth = blobs(0)
    nothing = np.zeros_like(truth)
    assert seg(truth, nothing) == 0
    found = matching(truth, nothing)
    assert found.unmatched_fraction == 1
    assert np.isnan(found.spurious_fraction)
    assert np.isnan(found.mean_iou)
    assert np.isnan(matching(nothing, truth).unmatched_fraction)


@pytest.mark.parametrize(
    ("truth", "labels", "says"),
    [
        (np.zeros((3, 3), int), np.ones((3, 3), int), "no objects"),
        (np.ones((3, 3), int), np.ones((3, 4), int), "3 x 3, but the labels 3 x 4"),
        (np.ones((3, 3), int), np.full((3, 3), 0.5), "not all whole numbers"),
        (np.ones((3, 3), int), np.full((3, 3), -1), "some below 0"),
        (np.ones((3, 3), int), np.full((3, 3), np.nan), "no label image"),
    ],
)
def test_what_is_no_pair_of_label_images_is_refused(truth, labels, says):
    with pytest.raises(InputError, match=says):
        seg(truth, labels)


@pytest.mark.parametrize("iou", [0, -0.1, 1.5, float("nan")])
def test_an_impossible_overlap_is_refused(iou):
    with pytest.raises(UsageError, match="--iou"):
        matching([1], [1], iou=iou)


@pytest.mark.parametrize("shape", [(40, 50), (10, 20, 24)])
def test_seg_is_that_of_py_ctcmetrics(shape, tmp_path):
    representations = pytest.importorskip("ctc_metrics.utils.representations")
    import tifffile
    from ctc_metrics.metrics.technical.seg import seg as theirs

    for seed in range(10):
        truth, labels = blobs(seed, shape), blobs(seed + 1000, shape, like=seed)
        paths = [tmp_path / f"{name}.tif" for name in "ab"]
        for path, image in zip(paths, (truth, labels), strict=True):
            tifffile.imwrite(path, image.astype(np.uint16))
        every, _, _, _, ious = representations.match(*map(str, paths))
        assert seg(truth, labels) == pytest.approx(theirs([every], [ious]), abs=1e-12)
