"""Surfaces: learnt from stacks and their surfaces, found and restored, in tiles and in films."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from carescope import Image, Recipe, metrics, pairs, predict
from carescope.errors import InputError, ModelError, UsageError
from carescope.jobs import denoise as job
from carescope.phantoms.texture import SmoothNoise

QUICK = {"batch_size": 4, "patch_px": 32, "steps_per_epoch": 20, "precision": "float32"}


def recipe(**changes):
    return Recipe.of(**(QUICK | {"steps": 3} | changes))


def folded(seed, shape=(16, 96, 112)):
    """A noisy stack with a folded surface, the surface, and its height in planes."""
    rng = np.random.default_rng(seed)
    field = (16, *shape[1:])
    height = 8 + 3 * SmoothNoise(field, 40, seed, "height").planes(slice(8, 9))[0]
    surface = np.clip(0.6 + 0.5 * SmoothNoise(field, 6, seed, "skin").planes(slice(8, 9))[0], 0, 1)
    z = np.arange(shape[0])[:, None, None]
    light = surface * np.exp(-((z - height) ** 2) / 2) + 0.1 * (z > height)
    stack = 100 + 10 * rng.poisson(6 * gaussian_filter(light, (0.5, 0.7, 0.7)))
    return (
        Image(stack.astype(np.uint16), "ZYX", (1, 0.2, 0.2), (), f"{seed}.tif"),
        Image(gaussian_filter(surface, 0.7).astype(np.float32), "YX", None, (), f"{seed}.tif"),
        height,
    )


@pytest.fixture(scope="module")
def learnt(one_thread):
    images = [folded(seed)[:2] for seed in range(6)]
    return job.learn_pairs(images, recipe(steps=150, patch_px=48), kind="project").model


def test_a_few_steps_find_the_surface(learnt):
    stack, surface, height = folded(50)
    restored = predict.restore(learnt, stack).mean
    assert (restored.axes, restored.shape, restored.voxel_um) == ("YX", (96, 112), (1, 0.2, 0.2))
    error = metrics.nrmse(surface.array(), restored.array())
    assert error < 0.7 * metrics.nrmse(surface.array(), stack.array().max(axis=0))
    found = predict.heights(learnt, stack)
    assert (found.axes, found.shape) == ("YX", (96, 112))
    off = np.abs(found.array() - height).mean()
    assert off < 0.6 * np.abs(stack.array().argmax(axis=0) - height).mean()


def test_a_small_memory_changes_nothing(learnt):
    stack, _, _ = folded(51, (16, 200, 64))
    assert len(list(predict.plan(learnt, (16, 200, 64), 120 << 20))) > 1
    whole = predict.heights(learnt, stack).array()
    tiled = predict.heights(learnt, stack, memory_bytes=120 << 20).array()
    assert np.abs(tiled - whole).max() < 0.01
    there = predict.outline(learnt, stack)
    parts = np.zeros(there.shape, np.float32)

    def keep(place, part):
        parts[place] = part.mean

    predict.restore_into(keep, learnt, stack, there, memory_bytes=120 << 20)
    mean = predict.restore(learnt, stack).mean.array()
    np.testing.assert_allclose(parts, mean, atol=1e-4 * np.ptp(mean))


def test_a_film_of_stacks_becomes_a_film_of_surfaces(learnt):
    stack, _, _ = folded(52)
    film = Image(np.stack([stack.array(), stack.array()]), "TZYX", stack.voxel_um)
    restored, found = predict.restore(learnt, film).mean, predict.heights(learnt, film)
    assert (restored.axes, found.axes) == ("TYX", "TYX")
    np.testing.assert_array_equal(*restored.array())
    np.testing.assert_array_equal(*found.array())


def test_cares_own_network_and_scales_and_members(one_thread):
    images = [folded(seed)[:2] for seed in range(2)]
    for options in ({"network": "care", "patch_px": 32}, {"loss": "laplace"}):
        learnt = job.learn_pairs(
            images, recipe(steps=1, **options), kind="project", members=2
        ).model
        restored = predict.restore(learnt, images[0][0])
        assert restored.mean.shape == (96, 112)
        assert (restored.disagreement is not None) == ("loss" in options)
        assert predict.heights(learnt, images[0][0]).shape == (96, 112)


def test_two_channels_share_one_surface(one_thread):
    stack, surface, _ = folded(0)
    two = Image(np.stack([stack.array(), stack.array() // 2]), "CZYX", stack.voxel_um)
    both = Image(np.stack([surface.array(), surface.array()]), "CYX")
    learnt = job.learn_pairs([(two, both)], recipe(), kind="project").model
    assert predict.restore(learnt, two).mean.shape == (2, 96, 112)
    with pytest.raises(UsageError, match="one surface"):
        job.learn_pairs([(two, both)], recipe(per_channel=True), kind="project")


def test_stacks_of_different_heights_train_together():
    tall, low = folded(0, (20, 96, 112)), folded(1, (12, 96, 112))
    made = pairs.from_pairs([tall[:2], low[:2]], recipe(), kind="project")
    inputs, targets = made.batch(0)
    assert (inputs.shape, targets.shape) == ((4, 1, 20, 32, 32), (4, 1, 32, 32))
    empty = [
        not patch[0, 12:].any() for patch in np.concatenate([made.batch(n)[0] for n in (0, 1)])
    ]
    assert any(empty)
    assert not all(empty)


def test_target_and_input_are_in_one_unit():
    """A surface in other grey levels than its stack is brought into the stack's."""
    stack, surface, _ = folded(3)
    for gain, offset in ((1, 0), (40, 7)):
        other = Image(gain * surface.array() + offset, "YX")
        made = pairs.from_pairs([(stack, other)], recipe(), kind="project")
        targets = made.batch(0)[1]
        first = targets if gain == 1 else first  # noqa: F821
    np.testing.assert_allclose(targets, first, atol=1e-4)


def test_what_is_no_stack_with_a_surface_is_refused(learnt):
    stack, surface, _ = folded(0)
    with pytest.raises(InputError, match=r"0\.tif is Z=16 Y=96 X=112 and its target Z=16"):
        pairs.check_pairs([(stack, stack)], "project")
    with pytest.raises(InputError, match="single planes of 1 channel, not stacks"):
        pairs.check_pairs([(surface, surface)], "project")
    with pytest.raises(UsageError, match="does not project"):
        job.learn_pairs([(stack, surface)], recipe(network="isonet2"), kind="project")
    plain = job.learn_pairs([(surface, surface)], recipe(steps=1)).model
    with pytest.raises(ModelError, match="does not project"):
        predict.heights(plain, surface)
    with pytest.raises(InputError, match="no stack of planes"):
        predict.restore(learnt, surface)
