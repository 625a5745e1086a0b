"""Factors on predicted scales: found again where they are known, sound where shapes are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from carescope import trust
from carescope.errors import InputError, UsageError
from carescope.trust import (
    Rescaling,
    calibration,
    combined,
    coverage,
    leave_one_out,
    rescaling,
    tally,
)
from carescope.trust.rescale import LEVELS

PEER = {"laplace": stats.laplace, "gaussian": stats.norm}
SHAPE = (250, 300)


def image(residuals, seed=0):
    """A truth, means and scales with the residuals given, in units of the scale."""
    rng = np.random.default_rng(seed)
    mean, scale = 3 * rng.normal(size=SHAPE), rng.uniform(0.1, 2, SHAPE)
    return mean + scale * residuals(rng), mean, scale


def exact(family, true_scale):
    return lambda rng: PEER[family].rvs(scale=true_scale, size=SHAPE, random_state=rng)


@settings(deadline=None, max_examples=12)
@given(
    family=st.sampled_from(trust.FAMILIES),
    true_scale=st.floats(0.1, 8),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_family_and_the_factor_are_found_again(family, true_scale, seed):
    found = rescaling([tally(*image(exact(family, true_scale), seed))])
    assert found.family == family
    assert found.factor == pytest.approx(true_scale, rel=0.02)


@pytest.mark.parametrize("family", trust.FAMILIES)
def test_held_out_images_are_covered_as_promised(family):
    """The numbers asked of a calibrated model, on images that the factor has not seen."""
    found = rescaling([tally(*image(exact(family, 2.7), seed)) for seed in range(3)])
    unseen = [tally(*image(exact(family, 2.7), seed)) for seed in range(3, 6)]
    assert combined(unseen, found).error < 0.005
    assert abs(coverage(unseen, found).covered - (0.5, 0.8, 0.9, 0.95)).max() < 0.01
    assert combined(unseen, Rescaling(family)).error > 0.2


@pytest.mark.parametrize("family", trust.FAMILIES)
@pytest.mark.parametrize(("factor", "count"), [(0.07, 1), (0.71, 3), (1, 1), (1.1, 3), (16, 1)])
def test_tallies_agree_with_calibration_of_multiplied_scales(family, factor, count):
    truth, mean, scale = image(exact("laplace", 1.3))
    if count > 1:
        truth, mean, scale = (a[:40] for a in (truth, mean, scale))
    rng = np.random.default_rng(5)
    means = mean + 0.5 * rng.normal(size=(count, *mean.shape))
    scales = scale * rng.uniform(0.5, 1.5, size=means.shape)
    found = combined([tally(truth, means, scales)], Rescaling(family, factor))
    expected = calibration(truth, means, factor * scales, family=family)
    assert found.covered == pytest.approx(expected.covered, abs=2e-3)
    assert found.error == pytest.approx(expected.error, abs=1e-3)


@pytest.mark.parametrize("count", [1, 8])
def test_of_a_large_image_enough_is_taken(count):
    rng = np.random.default_rng(0)
    side = 700
    brightness = np.linspace(0.2, 3, side)[:, None] * np.ones((1, side))  # rows differ
    truth = (brightness * rng.laplace(size=(side, side))).astype(np.float32)
    means = np.zeros((count, side, side), np.float32)
    scales = means + 1
    found = tally(truth, means, scales)
    assert found.pixels == side**2
    every = calibration(truth, means, scales)
    assert combined([found], Rescaling("laplace")).covered == pytest.approx(every.covered, abs=6e-3)


def test_members_are_widened_before_they_are_mixed():
    """Members that differ need less widening than the scale of each alone would."""
    rng = np.random.default_rng(0)
    means = 2 * rng.normal(size=(4, 100, 150))
    scales = np.full(means.shape, 0.5)
    who = rng.integers(4, size=(1, 100, 150))
    truth = np.take_along_axis(means, who, axis=0)[0] + rng.normal(0, 1.5, (100, 150))
    found = rescaling([tally(truth, means, scales)])
    assert found.family == "gaussian"
    assert found.factor == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize(
    ("residuals", "family", "most"),
    [
        (lambda rng: rng.standard_t(3, SHAPE), "laplace", 0.02),
        (lambda rng: rng.standard_t(5, SHAPE), "gaussian", 0.02),
        (
            lambda rng: np.exp(0.6 * rng.normal(size=SHAPE)) * rng.normal(size=SHAPE),
            "laplace",
            0.01,
        ),
        (
            lambda rng: np.exp(0.3 * rng.normal(size=SHAPE)) * rng.normal(size=SHAPE),
            "gaussian",
            0.02,
        ),
    ],
)
def test_errors_of_neither_shape_are_within_two_per_cent(residuals, family, most):
    tallies = [tally(*image(residuals, seed)) for seed in range(3)]
    found = rescaling(tallies)
    assert found.family == family
    assert combined(tallies, found).error < most
    assert coverage(tallies, found, levels=[0.9]).covered == pytest.approx(0.9, abs=0.02)


def test_a_few_pixels_far_out_change_little():
    """One in a thousand is a hundred scales off: their mean, the likeliest factor, is 1.1."""

    def residuals(rng):
        z = rng.laplace(size=SHAPE)
        z[rng.random(SHAPE) < 1e-3] += 100
        return z

    assert rescaling([tally(*image(residuals))]).factor == pytest.approx(1, abs=0.02)


def test_no_factor_makes_one_family_of_the_other():
    tallies = [tally(*image(exact("gaussian", 1.0)))]
    laplace = rescaling(tallies, families=["laplace"])
    assert combined(tallies, laplace).error > 0.03
    assert combined(tallies, rescaling(tallies)).error < 0.005


def test_images_count_with_their_pixels():
    truth, mean, scale = image(exact("laplace", 1.0))
    large, small = tally(truth, mean, scale), tally(truth[:25], mean[:25], scale[:25] / 2)
    whole = tally(
        np.concatenate([truth, truth[:25]]),
        np.concatenate([mean, mean[:25]]),
        np.concatenate([scale, scale[:25] / 2]),
    )
    as_is = Rescaling("laplace")
    together = combined([large, small], as_is)
    assert together.covered == pytest.approx(combined([whole], as_is).covered)
    assert coverage([large, small], as_is, levels=LEVELS).covered == pytest.approx(together.covered)


def test_bounds_of_coverage_are_those_of_resampled_fields():
    """Fields whose scales are off by factors of their own; brute force with another generator."""
    rng = np.random.default_rng(3)
    factors = np.exp(0.3 * rng.normal(size=12))
    tallies = [tally(*image(exact("laplace", c), n)) for n, c in enumerate(factors)]
    as_is = Rescaling("laplace")
    found = coverage(tallies, as_is)
    shares = np.array([coverage([t], as_is).covered for t in tallies])
    drawn = shares[rng.integers(12, size=(20000, 12))].mean(axis=1)
    assert found.covered == pytest.approx(shares.mean(axis=0))
    assert found.low == pytest.approx(np.percentile(drawn, 2.5, axis=0), abs=0.005)
    assert found.high == pytest.approx(np.percentile(drawn, 97.5, axis=0), abs=0.005)
    assert (found.low < found.covered).all()
    assert (found.covered < found.high).all()
    again, other = coverage(tallies, as_is), coverage(tallies, as_is, seed=1)
    assert again.low.tolist() == found.low.tolist() != other.low.tolist()


def test_one_image_has_no_error_of_its_coverage():
    found = coverage([tally(*image(exact("laplace", 1.0)))], Rescaling("laplace"))
    assert np.isnan(found.low).all()
    assert np.isnan(found.high).all()
    assert found.covered == pytest.approx([0.5, 0.8, 0.9, 0.95], abs=0.01)


def test_each_image_is_judged_by_the_others():
    """One image of two is sure of itself by half: each is judged as the other is right."""
    tallies = [tally(*image(exact("laplace", c), 0)) for c in (1.0, 2.0)]
    each = leave_one_out(tallies)
    assert [one.factor for one in each] == pytest.approx([2, 1], rel=0.03)
    wide, narrow = (combined([t], one).covered for t, one in zip(tallies, each, strict=True))
    assert combined(tallies, each).covered == pytest.approx((wide + narrow) / 2)
    assert wide[89] == pytest.approx(0.99, abs=0.01)  # 1 - 0.1^2
    assert narrow[89] == pytest.approx(1 - np.sqrt(0.1), abs=0.01)
    with pytest.raises(UsageError, match="cannot be judged by the others"):
        leave_one_out(tallies[:1])


def test_scales_that_have_nothing_to_do_with_the_errors_are_refused():
    truth, mean, scale = image(exact("laplace", 1.0))
    for wrong in (1e-4 * scale, 1e4 * scale):
        with pytest.raises(InputError, match="no factor from 1/16 to 16"):
            rescaling([tally(truth, mean, wrong)])


def test_what_cannot_be_judged_is_refused():
    truth, mean, scale = image(exact("laplace", 1.0))
    good = tally(truth, mean, scale)
    with pytest.raises(InputError, match="the truth is"):
        tally(truth[1:], mean, scale)
    for count in (1, 2):
        with pytest.raises(InputError, match="no numbers"):
            tally(np.full(SHAPE, np.nan), np.stack([mean] * count), np.stack([scale] * count))
    for call in (rescaling, lambda t: combined(t, Rescaling("laplace"))):
        with pytest.raises(UsageError, match="no image"):
            call([])
    with pytest.raises(UsageError, match="no family"):
        combined([good], Rescaling("cauchy"))
    for factor in (0.0, -1.0, 0.06, 16.1, np.nan):
        with pytest.raises(UsageError, match="not within"):
            combined([good], Rescaling("laplace", factor))
    for levels in ([0.0], [1.0], [0.905]):
        with pytest.raises(UsageError, match="not counted"):
            coverage([good], Rescaling("laplace"), levels=levels)
