"""Patches of recorded pairs: alike in place, in range, apart from what validates."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from carescope import Image, Recipe, normalize, pairs
from carescope.errors import InputError, UsageError


def scene(seed, shape=(96, 112), axes="YX", channels=None):
    """A pair whose target names each pixel: its input is the target, dimmer and with an offset."""
    rng = np.random.default_rng(seed)
    high = rng.permutation(np.prod(shape)).reshape(shape).astype(np.float32)
    low = 0.1 * high + 50
    if channels:
        high, low, axes = np.stack([high] * channels), np.stack([low] * channels), "C" + axes
    return Image(low, axes, source=f"{seed}.tif"), Image(high, axes, source=f"{seed}.tif")


def recipe(**changes):
    return Recipe.of(**({"steps": 4, "batch_size": 4, "patch_px": 32} | changes))


@pytest.mark.parametrize(
    ("shape", "axes", "channels", "space"),
    [
        ((96, 112), "YX", None, (32, 32)),
        ((96, 112), "YX", 2, (32, 32)),
        ((20, 64, 80), "ZYX", None, (16, 32, 32)),
        ((7, 64, 80), "ZYX", 3, (7, 32, 32)),
    ],
)
def test_both_patches_show_the_same_place(shape, axes, channels, space):
    made = pairs.from_pairs([scene(s, shape, axes, channels) for s in range(2)], recipe())
    low, high = made.batch(0)
    assert low.shape == high.shape == (4, channels or 1, *space)
    # In their own range both are the same numbers, wherever and however they were cut.
    np.testing.assert_allclose(low, high, atol=1e-4)
    assert made.task.axes == axes
    assert (made.task.channels_in, made.task.channels_out) == (channels or 1,) * 2


def test_of_many_images_whole_ones_validate_and_of_few_a_band():
    many = pairs.from_pairs([scene(s) for s in range(20)], recipe())
    held = {shot.low.source for shot in many.validating}
    assert len(held) == 2
    assert not held & {shot.low.source for shot in many.training}
    few = pairs.from_pairs([scene(s) for s in range(3)], recipe())
    for train, judge in zip(few.training, few.validating, strict=True):
        assert train.region.columns[1] < judge.region.columns[0]


def test_a_batch_depends_on_seed_and_number_alone():
    images = [scene(s) for s in range(3)]
    one, other = (pairs.from_pairs(images, recipe()) for _ in range(2))
    other.batch(0)
    np.testing.assert_array_equal(one.batch(7)[0], other.batch(7)[0])
    assert not np.array_equal(one.batch(7)[0], one.batch(8)[0])
    assert not np.array_equal(one.batch(7)[0], one.under(recipe(seed=1)).batch(7)[0])
    whole, halves = one.batch(3), [one.batch(3, (i, 2)) for i in range(2)]
    for side in (0, 1):
        np.testing.assert_array_equal(whole[side], np.concatenate([h[side] for h in halves]))


def test_time_points_of_a_film_are_normalised_as_one():
    low, high = scene(0)
    film = [Image(np.stack([i.array(), 3 * i.array()]), "TYX") for i in (low, high)]
    made = pairs.from_pairs([tuple(film)], recipe())
    assert len(made.training) == 2
    assert made.training[0].range_maps == normalize.fit(film[1])


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(st.integers(1, 20), st.integers(32, 90), st.integers(60, 130)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([32, 48, 128]),
)
def test_patches_stay_within_their_image(shape, seed, side):
    axes = "ZYX" if shape[0] > 1 else "YX"
    images = [scene(s, shape[-len(axes) :], axes) for s in range(2)]
    made = pairs.from_pairs(images, recipe(seed=seed, patch_px=side))
    for low, high in [made.batch(0), *made.validation(1)]:
        np.testing.assert_allclose(low, high, atol=1e-3)
        assert low.shape[-1] % 16 == 0


def test_a_target_is_what_its_input_is_without_noise():
    """Whatever the gain and offset of each, and however much noise widens the input's range."""
    rng = np.random.default_rng(0)
    truth = gaussian_filter(rng.random((160, 160)), 6)
    truth = (truth - truth.min()) / np.ptp(truth)
    for noise in (0.02, 0.3):
        low = Image(300 * (truth + rng.normal(0, noise, truth.shape)) + 20, "YX")
        high = Image(7 * truth + 1000, "YX")
        made = pairs.from_pairs([(low, high)], recipe(batch_size=16))
        seen, wanted = made.batch(0)
        slope = np.cov(seen.ravel(), wanted.ravel())[0, 1] / wanted.var()
        assert slope == pytest.approx(1, abs=0.05)
        assert (seen - wanted).mean() == pytest.approx(0, abs=0.02)


def test_targets_of_another_contrast_keep_their_own_range():
    low, high = scene(0)
    inverted = Image(-high.array(), "YX")
    made = pairs.from_pairs([(low, inverted)], recipe())
    assert made.training[0].high_maps == made.training[0].range_maps == normalize.fit(inverted)
    noise = Image(np.random.default_rng(5).random(high.shape), "YX")
    made = pairs.from_pairs([(low, noise)], recipe())
    assert made.training[0].high_maps == normalize.fit(noise)


def test_patches_lie_on_structure():
    high = np.full((64, 256), 100, np.float32)
    high[20:40, 40:60] = 1000
    noise = np.random.default_rng(0).normal(0, 1, high.shape)
    image = Image(high + noise, "YX")
    made = pairs.from_pairs([(image, image)], recipe(batch_size=16))
    assert (made.batch(0)[1].max((1, 2, 3)) > 0.4).all()


def test_all_that_does_not_fit_is_named_at_once():
    fine, other = scene(0), scene(1)
    small = (fine[0], scene(2, (64, 80))[1])
    colours = scene(3, channels=2)
    with pytest.raises(InputError) as caught:
        pairs.from_pairs([fine, other, small, colours])
    assert "0.tif is Y=96 X=112 and its target Y=64 X=80" in caught.value.what
    assert "3.tif has single planes of 2 channels, not single planes of 1 channel" in str(
        caught.value
    )
    with pytest.raises(UsageError, match="--low"):
        pairs.from_pairs([])
    flat = Image(np.ones((64, 64), np.float32), "YX", source="flat.tif")
    with pytest.raises(InputError, match="constant"):
        pairs.from_pairs([(flat, flat)])


@pytest.mark.parametrize("odd", ["low", "high", "both"])
def test_channels_in_another_order_are_named(odd):
    def named(pair, wrong):
        orders = {"low": ("A", "B"), "high": ("A", "B")}
        orders |= {name: ("B", "A") for name in wrong}
        return tuple(
            replace(image, channel_names=names, source=f"{name}.tif")
            for image, (name, names) in zip(pair, orders.items(), strict=True)
        )

    whole = named(scene(0, channels=2), [])
    pairs.from_pairs([whole, named(scene(1, channels=2), [])], recipe())
    other = named(scene(1, channels=2), ["low", "high"] if odd == "both" else [odd])
    said = "high" if odd == "high" else "low"
    with pytest.raises(
        InputError, match=rf"{said}\.tif has its channels in the order B, A, not A, B"
    ):
        pairs.from_pairs([whole, other], recipe())


def test_one_channel_may_become_two():
    low, high = scene(0)
    two = Image(np.stack([high.array(), -high.array()]), "CYX")
    made = pairs.from_pairs([(low, two)], recipe())
    inputs, targets = made.batch(0)
    assert (inputs.shape[1], targets.shape[1]) == (1, 2)
    assert not made.task.keeps_channels
