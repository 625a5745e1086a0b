"""A training run small enough to be repeated, on one thread so that it repeats exactly."""

import numpy as np
import pytest

from carescope import Microscope, Recipe, pairs, train


@pytest.fixture(autouse=True)
def _repeatable(one_thread):
    pass


@pytest.fixture
def recipe():
    """A recipe with a few things changed: quick, in float32."""

    def recipe(**changes):
        quick = {"steps": 40, "batch_size": 4, "patch_px": 32, "steps_per_epoch": 10}
        return Recipe.of(**(quick | {"precision": "float32"} | changes))

    return recipe


@pytest.fixture
def made(stack, recipe):
    """Pairs of the small stack that undo its sampling, for a recipe with some changes."""

    def made(**changes):
        return pairs.from_volume(stack, Microscope(), recipe(**({"noise": "none"} | changes)))

    return made


@pytest.fixture
def fit(made):
    """Train by a quick recipe with some changes; what else is given goes to `train.fit`."""

    def fit(out=None, watch=None, tensorboard=None, workers=None, start=None, **changes):
        return train.fit(
            made(**changes),
            out=out,
            watch=watch,
            tensorboard=tensorboard,
            workers=workers,
            start=start,
            device="cpu",
        )

    return fit


@pytest.fixture
def interrupted(fit):
    """Train until Ctrl-C comes at a step."""

    def interrupted(step, out, **changes):
        def watch(progress):
            if progress.step == step:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fit(out=out, watch=watch, **changes)

    return interrupted


@pytest.fixture
def same():
    """Whether two models have the same weights, bit by bit."""

    def same(one, other):
        first, second = (m.network.state_dict() for m in (one, other))
        return first.keys() == second.keys() and all(
            np.array_equal(first[name].numpy(), second[name].numpy()) for name in first
        )

    return same
