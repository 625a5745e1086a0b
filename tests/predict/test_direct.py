"""Denoised images: tiles, axes, grey levels, in 2D and 3D."""

import itertools

import numpy as np
import pytest
import torch

from carescope import Ensemble, Image, Recipe, net, normalize, predict
from carescope.errors import InputError
from carescope.model import Model
from carescope.predict.window import canvas
from carescope.task import Task

SMALL = {"shuffle": {"depth": 1, "first_filters": 4}, "care": {"depth": 1, "first_filters": 2}}


def model(ndim=2, name="shuffle", channels=1, out=None, loss="mse", seed=0, margin_px=32, **more):
    architecture = {"name": name, "ndim": ndim, "channels": channels} | SMALL[name] | more
    if out:
        architecture["channels_out"] = out
    if loss != "mse":
        architecture["scales"] = True
    network = net.build(**architecture, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.1, generator=generator)
    sizes = {"channels_in": channels, "channels_out": out or channels, "margin_px": margin_px}
    task = Task(kind="denoise", axes="ZYX"[-ndim:], **sizes)
    return Model(network, architecture, Recipe(loss=loss), task)


def image(axes, seed=0, **sizes):
    lengths = {"T": 2, "C": 1, "Z": 9, "Y": 41, "X": 58} | sizes
    rng = np.random.default_rng(seed)
    grey = 100 + 50 * rng.random([lengths[a] for a in axes])
    return Image(grey.astype(np.float32), axes, (0.5, 0.1, 0.1), source="some.tif")


@pytest.mark.parametrize("name", ["shuffle", "care"])
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("margin_px", [32, 0])
def test_tiles_equal_the_whole_whatever_the_plan(name, ndim, margin_px):
    m, frame = model(ndim, name, margin_px=margin_px), image("ZYX").arranged("CZYX")
    maps = normalize.fit(frame)

    def restored(*block):
        return predict.restore_block(m, frame, maps, block).mean[0]

    whole = restored(slice(0, 9), slice(0, 41), slice(0, 58))
    cuts = [(0, 3, 9), (0, 17, 30, 41), (0, 1, 40, 58)]
    for block in itertools.product(*([slice(*c) for c in itertools.pairwise(cut)] for cut in cuts)):
        assert np.abs(restored(*block) - whole[block]).max() <= 1e-6 * np.ptp(whole)


@pytest.mark.parametrize(
    ("axes", "given"), [("YX", "YX"), ("TYX", "TYX"), ("ZYX", "ZYX"), ("TZYX", "ZTYX")]
)
def test_a_restoration_has_the_axes_of_its_image(axes, given):
    restored = predict.restore(model(), image(given)).mean
    assert restored.axes == axes
    assert [restored.size(a) for a in axes] == [image(given).size(a) for a in axes]
    assert restored.voxel_um == (0.5, 0.1, 0.1)


def test_planes_of_a_stack_are_restored_each_alone_in_2d_and_together_in_3d():
    stack = image("ZYX")
    other = Image(stack.array().copy(), "ZYX", stack.voxel_um)
    other.data[5] = stack.array()[5, ::-1]
    for ndim, changes in ((2, False), (3, True)):
        one, two = (predict.restore(model(ndim), s).mean.array()[4] for s in (stack, other))
        assert np.array_equal(one, two) != changes


def test_a_network_of_zeros_gives_the_image_back():
    m = model(channels=2)
    for weights in m.network.parameters():
        torch.nn.init.zeros_(weights)
    seen = image("CYX", C=2)
    np.testing.assert_allclose(predict.restore(m, seen).mean.array(), seen.array(), atol=1e-3)


def test_gain_and_offset_of_the_image_are_those_of_the_restoration():
    m, seen = model(loss="laplace"), image("YX")
    one = predict.restore(m, seen)
    other = predict.restore(m, Image(3 * seen.array() + 70, "YX"))
    np.testing.assert_allclose(other.mean.array(), 3 * one.mean.array() + 70, rtol=1e-4)
    np.testing.assert_allclose(other.scale.array(), 3 * one.scale.array(), rtol=1e-3)
    low, high = one.interval(0.9)
    assert (low.array() < high.array()).all()


def test_where_other_channels_come_out_they_are_in_units_of_the_targets():
    m, seen = model(channels=1, out=2), image("TYX")
    restored = predict.restore(m, seen).mean
    assert restored.axes == "TCYX"
    assert restored.shape == (2, 2, 41, 58)
    assert np.abs(restored.array()).max() < 20  # not grey levels, which begin at 100


def test_members_disagree_where_they_differ():
    several = Ensemble([model(loss="laplace", seed=s) for s in range(3)])
    restored = predict.restore(several, image("YX"))
    assert restored.disagreement.axes == "YX"
    assert 0 < restored.disagreement.array().max() <= 1


def test_few_planes_need_no_pooling_along_z():
    m = model(3, "care", pool=[1, 2, 2])
    assert net.grid(m.network) == (1, 2, 2)
    assert predict.restore(m, image("ZYX", Z=3)).mean.shape == (3, 41, 58)


def test_images_that_do_not_suit_are_refused():
    with pytest.raises(InputError, match=r"no stack of planes.*model that was trained on planes"):
        predict.restore(model(3), image("TYX"))
    with pytest.raises(InputError, match="has 2 channels"):
        predict.restore(model(), image("CYX", C=2))


@pytest.mark.parametrize(("size", "cell"), [(41, 4), (40, 4), (7, 8), (58, 1)])
def test_without_a_margin_an_axis_is_filled_up_on_both_sides(size, cell):
    first, cells = canvas(size, cell, 0)
    missing = -size % cell
    assert (first, cells * cell) == (-(missing // 2), size + missing)


def test_more_memory_makes_larger_blocks_and_all_cover_the_image():
    for m in (model(2), model(3)):
        counts = []
        for memory in (1 << 24, 1 << 27, 1 << 30):
            blocks = list(predict.plan(m, (60, 300, 400), memory))
            covered = np.zeros((60, 300, 400), int)
            for block in blocks:
                covered[block] += 1
            assert (covered == 1).all()
            counts.append(len(blocks))
        assert counts == sorted(counts, reverse=True)
        assert counts[0] > counts[-1]


@pytest.mark.parametrize(
    ("voxel_um", "said"),
    [
        ((0.5, 0.1, 0.1), None),
        ((0.9, 0.1, 0.1), "planes every 0.9 um"),
        ((0.5, 0.2, 0.2), "pixels of 0.2 um"),
        (None, None),
    ],
)
def test_a_simulated_world_has_voxels_of_its_own(voxel_um, said):
    m = model(3)
    task = m.task.model_copy(update={"step_um": 0.5, "pixel_um": 0.1})
    m = Model(m.network, m.architecture, m.recipe, task)
    stack = Image(image("ZYX").array(), "ZYX", voxel_um)
    if said is None:
        assert predict.outline(m, stack).shape == stack.shape
        return
    with pytest.raises(InputError, match=said):
        predict.outline(m, stack)
    assert predict.outline(m, stack, force=True).shape == stack.shape
