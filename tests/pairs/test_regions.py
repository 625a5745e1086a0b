"""Where patches train and where they validate: apart, and both with something to see."""

import numpy as np
import pytest

from carescope import Image, Microscope, Recipe, pairs
from carescope.normalize import Affine
from carescope.pairs.regions import CELL_PX, GAP_PX, divide, foreground, split

UNIT = (Affine(0, 1),)


def stack_of(grey):
    return Image(np.asarray(grey, np.float32)[None], "CZYX")


def bright(columns, width=124, planes=6, rows=64):
    grey = np.zeros((planes, rows, width))
    grey[:, 20:44, slice(*columns)] = 1
    return stack_of(grey)


def holds(stack, region):
    return len(foreground(stack, UNIT, region, (CELL_PX, CELL_PX)))


def test_structure_at_the_right_leaves_the_band_where_it_was():
    stack = bright((0, 124))
    training, validation = divide(stack, UNIT, 0.1)
    assert (training.columns, validation.columns) == ((0, 104), (108, 124))


@pytest.mark.parametrize(
    ("columns", "side"),
    [((30, 104), "right"), ((20, 94), "left"), ((0, 60), "left"), ((65, 124), "right")],
)
def test_a_band_beside_the_structure_is_moved_to_where_it_holds_some(columns, side):
    stack = bright(columns)
    training, validation = divide(stack, UNIT, 0.1)
    found, kept = holds(stack, validation), holds(stack, training)
    assert 0 < found < kept
    first, second = sorted([training, validation], key=lambda region: region.columns)
    assert (second is validation) == (side == "right")
    assert second.columns[0] - first.columns[1] == GAP_PX
    assert (first.columns[0], second.columns[1]) == (0, 124)
    assert validation.shape[1] <= 124 / 3 + CELL_PX


@pytest.mark.parametrize("columns", [(60, 62), (0, 0), (56, 68)])
def test_what_cannot_be_shared_is_left_to_training(columns):
    stack = bright(columns)
    training, validation = divide(stack, UNIT, 0.1)
    assert (training.columns, validation.columns) == ((0, 104), (108, 124))


def test_structure_that_only_the_band_would_hold_is_shared():
    stack = bright((190, 256), width=256)
    training, validation = split((64, 256), 0.3)
    assert holds(stack, training) == 0
    training, validation = divide(stack, UNIT, 0.3)
    assert 0 < holds(stack, validation) <= holds(stack, training)


@pytest.mark.parametrize("kind", ["denoise", "isotropic"])
def test_a_centred_object_validates_what_is_learnt_from_it(kind):
    """Weights are chosen on structure, and there is no warning that they were not."""
    draw = np.random.default_rng(0)
    grey = np.zeros((24, 96, 128), np.float32)
    grey[:, 24:72, 28:100] = draw.uniform(100, 1000, (24, 48, 72))
    clean = Image(grey, "ZYX", (1.0, 0.25, 0.25))
    recipe = Recipe(patch_px=32, patch_planes=8, batch_size=4)
    if kind == "denoise":
        noisy = Image(draw.poisson(grey).astype(np.float32), "ZYX", clean.voxel_um)
        made = pairs.from_pairs([(noisy, clean)], recipe)
    else:
        made = pairs.from_volume(clean, Microscope(), recipe)
    assert made.doubts() == []
    assert all(target.max() > 0.4 for _, target in made.validation())
