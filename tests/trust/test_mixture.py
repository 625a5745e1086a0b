"""Mixtures against their formulas, scipy's distributions, and draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from carescope.errors import InputError, UsageError
from carescope.trust import FAMILIES, calibration, cdf, disagreement, fuse, interval, quantile

PEER = {"laplace": stats.laplace, "gaussian": stats.norm}


def some(count, *space, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, *space)), rng.uniform(0.1, 2, size=(count, *space))


def test_two_views_are_fused_as_the_design_says():
    (mu1, mu2), (s1, s2) = means, scales = some(2, 4, 5)
    mean, scale = fuse(means, scales)
    np.testing.assert_allclose(mean, (mu1 + mu2) / 2, rtol=1e-5)
    variance = s1**2 + s2**2 + ((mu1 - mu2) / 2) ** 2
    np.testing.assert_allclose(scale, np.sqrt(variance / 2), rtol=1e-5)
    assert mean.dtype == scale.dtype == np.float32


@pytest.mark.parametrize("family", FAMILIES)
def test_the_fused_distribution_has_mean_and_variance_of_draws_from_the_mixture(family):
    means, scales = some(4, seed=3)
    rng = np.random.default_rng(0)
    who = rng.integers(4, size=400_000)
    drawn = PEER[family].rvs(means[who], scales[who], random_state=rng)
    mean, scale = fuse(means, scales, family=family)
    assert mean == pytest.approx(drawn.mean(), abs=0.02)
    assert PEER[family].std(scale=scale) == pytest.approx(drawn.std(), rel=0.01)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_distribution_is_its_own_mixture(family):
    means, scales = (a.astype(np.float32) for a in some(1, 3, 2))
    mean, scale = fuse(means, scales, family=family)
    np.testing.assert_allclose(mean, means[0], rtol=1e-6)
    np.testing.assert_allclose(scale, scales[0], rtol=1e-6)
    np.testing.assert_allclose(
        quantile(means, scales, 0.2, family=family),
        PEER[family].ppf(0.2, means[0], scales[0]),
        rtol=1e-5,
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_intervals_are_scipys(family, level):
    (mean,), (scale,) = some(1, 7)
    low, high = interval(mean, scale, level, family=family)
    expected = PEER[family].interval(level, mean, scale)
    np.testing.assert_allclose((low, high), expected, rtol=1e-5, atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    family=st.sampled_from(FAMILIES),
    share=st.floats(1e-4, 1 - 1e-4),
    seed=st.integers(0, 1000),
    count=st.integers(1, 6),
)
def test_quantiles_undo_the_cdf_which_is_the_mean_of_scipys(family, share, seed, count):
    means, scales = some(count, 9, seed=seed)
    x = quantile(means, scales, share, family=family)
    np.testing.assert_allclose(cdf(x, means, scales, family=family), share, rtol=1e-7)
    expected = PEER[family].cdf(x, means, scales).mean(axis=0)
    np.testing.assert_allclose(expected, share, rtol=1e-7)


def test_certainty_is_a_step():
    assert cdf([0.9, 1.1], [[1, 1]], [[0, 0]]).tolist() == [0, 1]
    assert interval([1.0], [0.0], 0.9) == (1, 1)
    assert quantile([[1], [3]], [[0], [0]], 0.75) == pytest.approx(3)


def test_an_unknown_pixel_stays_unknown_and_alone():
    means, scales = some(3, 4)
    means[1, 2] = np.nan
    for fused in fuse(means, scales):
        assert np.isnan(fused).tolist() == [False, False, True, False]


def test_the_type_of_the_arrays_does_not_matter():
    means, scales = [[100, 50000], [200, 60000]], [[10, 1], [20, 1]]
    expected = fuse(np.float64(means), np.float64(scales))
    for kind in (np.uint16, np.int64, np.float32):
        np.testing.assert_allclose(fuse(kind(means), kind(scales)), expected, rtol=1e-6)
        np.testing.assert_allclose(
            disagreement(kind(means), kind(scales)), disagreement(means, scales), atol=1e-6
        )


ALL = {
    "fuse": fuse,
    "disagreement": disagreement,
    "cdf": lambda m, s, **how: cdf(np.zeros(np.shape(m)[1:]), m, s, **how),
    "quantile": lambda m, s, **how: quantile(m, s, 0.5, **how),
    "calibration": lambda m, s, **how: calibration(np.zeros(np.shape(m)[1:]), m, s, **how),
}


@pytest.mark.parametrize("name", ALL)
def test_what_is_no_mixture_is_refused(name):
    means, scales = some(3, 4)
    for wrong, says in [
        ((means, scales[:2]), "the means are"),
        ((means, -scales), "negative"),
        ((means[:0], scales[:0]), "the means are"),
    ]:
        with pytest.raises(InputError, match=says) as refusal:
            ALL[name](*wrong)
        assert refusal.value.remedy
    with pytest.raises(UsageError, match="cauchy"):
        ALL[name](means, scales, family="cauchy")


def test_impossible_levels_and_shapes_are_refused():
    means, scales = some(2, 4)
    with pytest.raises(UsageError, match="confidence"):
        interval(means[0], scales[0], 1.0)
    for share in (0, 1):
        with pytest.raises(UsageError, match="share"):
            quantile(means, scales, share)
    with pytest.raises(InputError, match="the values are"):
        cdf(np.zeros(3), means, scales)
