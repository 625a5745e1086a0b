"""Restoring: exact tiles, bounded memory, the right geometry, no borders."""

import numpy as np
import pytest

from carescope import Grid, Image, Recipe, net, predict
from carescope.errors import InputError
from carescope.model import Model
from carescope.normalize import Affine
from carescope.physics import sampling


def model(name="shuffle", factor=4.0, step_um=0.8, **options):
    architecture = {"name": name, "ndim": 2, "channels": 1, **options}
    network = net.build(**architecture)
    if name == "shuffle":  # its last layer begins at zero; give it something to say
        import torch

        torch.nn.init.normal_(network.head.weight, std=0.05)
    return Model(network, architecture, Recipe(), Affine(100, 900), factor, step_um, 0.2)


@pytest.mark.parametrize("name", ["shuffle", "isonet2", "isonet1", "care"])
def test_tiles_equal_the_whole_whatever_the_plan(stack, name):
    m = model(name)
    small = Image(stack.data[:8, :48, :56], "ZYX", stack.voxel_um)
    grid = Grid.of(small)
    whole = predict.restore_block(m, small, grid, (slice(0, 29), slice(0, 48), slice(0, 56)))
    pieces = np.full_like(whole, np.nan)
    for z in (slice(0, 10), slice(10, 29)):
        for y in (slice(0, 17), slice(17, 48)):
            for x in (slice(0, 33), slice(33, 56)):
                pieces[z, y, x] = predict.restore_block(m, small, grid, (z, y, x))
    assert np.abs(pieces - whole).max() <= 1e-6 * np.ptp(whole)


def test_plan_covers_each_voxel_once_and_fits_in_memory():
    m = model()
    shape = (185, 700, 900)
    count = np.zeros(shape, np.uint8)
    blocks = list(predict.plan(m, shape, 1 << 28))
    for block in blocks:
        count[block] += 1
    assert (count == 1).all()
    assert len(blocks) > 1


def test_untrained_network_gives_the_cubic_interpolation(stack):
    """Both views, all borders: with a residual of zero nothing may change."""
    m = model()
    m.network.head.weight.data.zero_()
    restored = predict.restore(m, stack)
    grid = Grid.of(stack)
    expected = sampling.upsample(stack.array().astype(np.float32), grid)
    np.testing.assert_allclose(restored.mean.array(), expected, atol=0.01)
    assert restored.mean.shape == (61, 96, 112)
    assert restored.mean.voxel_um == pytest.approx((0.2, 0.2, 0.2))


def test_the_two_views_are_averaged(stack):
    m = model()
    grid = Grid.of(stack)
    fine = m.affine.apply(sampling.upsample(stack.array().astype(np.float32), grid))
    pad = np.pad(fine, ((32, 35), (32, 32), (32, 32)), mode="reflect")
    assert pad.shape == (128, 160, 176)
    reach = 32
    y, x = 40, 50
    xz = m.apply(pad[None, None, :, reach + y])[0, 0]
    yz = m.apply(np.ascontiguousarray(pad[:, :, reach + x])[None, None])[0, 0]
    both = 0.5 * (xz[reach + 30, reach + x] + yz[reach + 30, reach + y])
    restored = predict.restore(m, stack).mean.array()
    assert restored[30, y, x] == pytest.approx(m.affine.undo(both), abs=0.05)


def test_fractional_factor(stack):
    m = model(factor=2.7, step_um=0.54)
    thin = Image(stack.data, "ZYX", (0.54, 0.2, 0.2))
    restored = predict.restore(m, thin)
    assert restored.mean.shape[0] == int(15 * 2.7) + 1
    assert restored.mean.voxel_um[0] == pytest.approx(0.2)


def test_another_geometry_is_refused_unless_forced(stack):
    other = Image(stack.data, "ZYX", (1.0, 0.2, 0.2), source="other.tif")
    with pytest.raises(InputError, match=r"other.tif: its planes lie 5 pixels apart.*for 4"):
        predict.restore(model(), other)
    assert predict.restore(model(), other, force=True).mean.shape[0] == 61


def test_intensities_scale_with_the_image(stack):
    """restore(a x + b) = a restore(x) + b when the normalisation follows."""
    m = model()
    once = predict.restore(m, stack).mean.array()
    m.affine = Affine(3 * 100 + 50, 3 * 900 + 50)
    brighter = Image(3.0 * stack.array().astype(np.float32) + 50, "ZYX", stack.voxel_um)
    twice = predict.restore(m, brighter).mean.array()
    np.testing.assert_allclose(twice, 3 * once + 50, rtol=1e-4, atol=0.05)
