"""The disagreement against the integral that defines it, and against what it must mean."""

import math
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from carescope.errors import UsageError
from carescope.trust import FAMILIES, disagreement


def integral(means, scales, family):
    """D as it is defined, (1/M) sum_m KL(p_m || p) / log M, each KL by adaptive quadrature."""
    peer = {"laplace": stats.laplace, "gaussian": stats.norm}[family]
    offset = -math.log(2) if family == "laplace" else -math.log(2 * math.pi) / 2
    count = len(means)

    def log_densities(x):
        z = np.abs(x - means) / scales
        return offset - np.log(scales) - (z if family == "laplace" else z * z / 2)

    def difference(x, m):
        logs = log_densities(x)
        top = logs.max()
        mixture = top + math.log(np.exp(logs - top).sum() / count)
        return math.exp(logs[m]) * (logs[m] - mixture)

    at = 0.3
    assert np.exp(log_densities(at)) == pytest.approx(peer.pdf(at, means, scales))
    steps = scales[:, None] * [0, 0.1, 0.5, 1.5, 4, 10, 25]
    bends = np.concatenate([means[:, None] - steps, means[:, None] + steps]).ravel()
    total = 0.0
    for m in range(count):
        reach = (40 if family == "laplace" else 12) * scales[m]
        low, high = means[m] - reach, means[m] + reach
        points = np.unique([low, *bends[(bends > low) & (bends < high)], high])
        # All of the output, so that rounding at its limits is no warning but in the error.
        parts = [
            quad(difference, a, b, args=(m,), epsabs=1e-7, epsrel=1e-5, full_output=1)[:2]
            for a, b in pairwise(points)
        ]
        assert sum(error for _, error in parts) < 1e-4
        total += sum(value for value, _ in parts)
    return total / count / math.log(count)


@st.composite
def ensembles(draw):
    """Scales that differ by up to 10^6, centres up to 1000 scales (of any member) apart."""
    count = draw(st.integers(2, 5))
    exponents = st.floats(-3, 3) if draw(st.booleans()) else st.floats(-0.5, 0.5)
    scales = np.array([10 ** draw(exponents) for _ in range(count)])
    far = draw(st.sampled_from([0.0, 0.3, 3.0, 30.0, 1000.0]))
    units = [scales[draw(st.integers(0, count - 1))] for _ in range(count)]
    means = np.array([u * draw(st.floats(-far, far)) for u in units])
    return means, scales


@settings(deadline=None, max_examples=100)
@given(ensembles(), st.sampled_from(FAMILIES))
def test_it_is_the_integral(ensemble, family):
    means, scales = ensemble
    found = disagreement(means, scales, family=family)
    assert found == pytest.approx(integral(means, scales, family), abs=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_typical_ensembles_are_much_closer_to_the_integral(family):
    rng = np.random.default_rng(0)
    means, scales = rng.normal(size=(4, 12)), rng.uniform(0.5, 1.5, size=(4, 12))
    expected = [integral(means[:, i], scales[:, i], family) for i in range(12)]
    np.testing.assert_allclose(disagreement(means, scales, family=family), expected, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("groups", [(5,), (1, 1), (1, 1, 1, 1, 1), (2, 1), (3, 2), (4, 1)])
def test_members_in_groups_disagree_by_the_entropy_of_the_groups(family, scale, groups):
    """Equal within a group, no overlap between groups: D = H(n_1/M, n_2/M, ...) / log M."""
    who = np.repeat(np.arange(len(groups)), groups)
    means = np.random.default_rng(1).permutation(who) * 1e4 * scale
    share = np.array(groups) / len(who)
    expected = -(share * np.log(share)).sum() / math.log(len(who))
    found = disagreement(means, np.full(len(who), scale), family=family)
    assert found == pytest.approx(expected, abs=1e-4)
    assert 0 <= found <= 1


@settings(deadline=None, max_examples=50)
@given(ensembles(), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.randoms())
def test_neither_order_nor_unit_nor_offset_nor_mirror_matters(ensemble, offset, unit, random):
    means, scales = ensemble
    order = list(range(len(means)))
    random.shuffle(order)
    expected = disagreement(means, scales)
    assert disagreement(means[order], scales[order]) == pytest.approx(expected, abs=1e-6)
    # Exact in the offset only as far as a mean has digits: here 1e-9 of the narrowest scale.
    moved = means + offset * scales.min()
    assert disagreement(-unit * moved, unit * scales) == pytest.approx(expected, abs=1e-3)


def test_it_grows_with_the_distance():
    distance = np.linspace(0, 20, 200)
    found = disagreement(np.stack([0 * distance, distance]), np.ones((2, 200)))
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert (np.diff(found) > -1e-4).all()
    assert found[-1] > 0.999


def test_members_with_one_centre_disagree_about_the_scale():
    found = disagreement(np.zeros((2, 4)), [[1, 1, 1, 1], [1, 2, 10, 1000]])
    assert (np.diff(found) > 0).all()
    assert found[-1] > 0.97


def test_certain_members_agree_or_not_and_nothing_warns():
    found = disagreement([[1, 1, 1], [1, 2, 1]], [[0, 0, 0], [0, 0, 1]])
    assert found == pytest.approx([0, 1, 1], abs=1e-4)


def test_an_unknown_pixel_stays_unknown_and_alone():
    means, scales = np.zeros((3, 5)), np.ones((3, 5))
    expected = disagreement(means, scales)
    means[0, 1], scales[2, 2], means[1, 4] = np.nan, np.inf, -np.inf
    found = disagreement(means, scales)
    assert np.isnan(found).tolist() == [False, True, True, False, True]
    assert found[[0, 3]].tolist() == expected[[0, 3]].tolist()


def test_a_volume_is_its_pixels_in_bounded_memory():
    rng = np.random.default_rng(0)
    means = rng.normal(size=(4, 5, 250, 240)).astype(np.float32)
    scales = rng.uniform(0.1, 1, means.shape).astype(np.float32)
    tracemalloc.start()
    found = disagreement(means, scales)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.shape == means.shape[1:]
    assert found.dtype == np.float32
    assert peak_bytes < found.nbytes + 24e6, "a chunk needs 12 MB, however large the volume"
    assert disagreement(means[:, 3], scales[:, 3]) == pytest.approx(found[3], abs=1e-6)
    assert disagreement(means[:, :0], scales[:, :0]).shape == (0, 250, 240)
    np.testing.assert_array_equal(disagreement(means, scales, threads=3), found)


def test_one_member_is_refused():
    with pytest.raises(UsageError, match="--ensemble"):
        disagreement(np.zeros((1, 4)), np.ones((1, 4)))
