"""Restoring: exact tiles, bounded memory, the right geometry, no borders."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope import Grid, Image, Recipe, net, normalize, predict
from carescope.errors import InputError
from carescope.model import Model
from carescope.physics import sampling
from carescope.task import Task


def model(name="shuffle", factor=4.0, step_um=0.8, **options):
    options = {"first_filters": 8} | options if name == "shuffle" else options
    architecture = {"name": name, "ndim": 2, "channels": 1, **options}
    network = net.build(**architecture)
    if name == "shuffle":  # its last layer begins at zero; give it something to say
        torch.nn.init.normal_(
            network.head.weight, std=0.05, generator=torch.Generator().manual_seed(0)
        )
    task = Task(kind="isotropic", factor=factor, step_um=step_um, pixel_um=0.2)
    return Model(network, architecture, Recipe(), task)


@pytest.mark.parametrize("name", ["shuffle", "isonet2", "isonet1", "care"])
def test_tiles_equal_the_whole_whatever_the_plan(stack, name):
    m = model(name, **({"first_filters": 4} if name == "care" else {}))
    small = Image(stack.data[:8, :48, :56], "ZYX", stack.voxel_um)
    grid, maps = Grid.of(small), normalize.fit(small)

    def restored(*block):
        return predict.restore_block(m, small, maps, block, grid=grid).mean[0]

    whole = restored(slice(0, 29), slice(0, 48), slice(0, 56))
    pieces = np.full_like(whole, np.nan)
    for z in (slice(0, 10), slice(10, 29)):
        for y in (slice(0, 17), slice(17, 48)):
            for x in (slice(0, 33), slice(33, 56)):
                pieces[z, y, x] = restored(z, y, x)
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
    grid, (affine,) = Grid.of(stack), normalize.fit(stack)
    fine = affine.apply(sampling.upsample(stack.array().astype(np.float32), grid))
    pad = np.pad(fine, ((32, 35), (32, 32), (32, 32)), mode="reflect")
    assert pad.shape == (128, 160, 176)
    reach = 32
    y, x = 40, 50
    xz = m.apply(pad[None, None, :, reach + y])[0, 0]
    yz = m.apply(np.ascontiguousarray(pad[:, :, reach + x])[None, None])[0, 0]
    both = 0.5 * (xz[reach + 30, reach + x] + yz[reach + 30, reach + y])
    restored = predict.restore(m, stack).mean.array()
    assert restored[30, y, x] == pytest.approx(affine.undo(both), abs=0.05)


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


@settings(deadline=None, max_examples=15)
@given(gain=st.floats(0.01, 100), offset=st.floats(-2, 2))
def test_f34_intensities_follow_the_image(stack, gain, offset):
    """restore(a x + b) = a restore(x) + b, whatever the camera; the offset in widths of x."""
    m = model()
    small = replace(stack, data=stack.array()[:6, :32, :32].astype(np.float64))
    b = offset * gain * 800
    other = replace(small, data=gain * small.array() + b)
    once, twice = (predict.restore(m, image).mean.array() for image in (small, other))
    expected = gain * once.astype(float) + b
    np.testing.assert_allclose(twice, expected, atol=1e-4 * np.ptp(expected))
    assert np.ptp(once) > 100


def test_a_constant_stack_is_refused(stack):
    flat = replace(stack, data=np.full(stack.shape, 7))
    with pytest.raises(InputError, match=r"nuclei.tif: the image is constant"):
        predict.restore(model(), flat)


def test_wide_networks_get_fewer_slices_at_once():
    """What a network takes follows its features: measured on it, not guessed."""
    from carescope.predict import blocks, footprint

    narrow, wide = model("care", first_filters=8), model("care", first_filters=32)
    alive = footprint.alive_per_px(wide.network)
    assert alive > 3 * footprint.alive_per_px(narrow.network)
    # At full size the 32 features of the skip, 32 upsampled ones, and the 64 of both together.
    assert 4 * (32 + 32 + 64) <= alive <= 1.7 * 4 * (32 + 32 + 64)
    assert footprint.bytes_per_px(wide) == footprint.LESS["care", "torch float32"] * alive
    assert blocks.slices_at_once(wide, 1 << 18) == 1
    assert blocks.slices_at_once(narrow, 1 << 18) == 4
    shape = (400, 1000, 1000)
    sides = [s.stop - s.start for block in predict.plan(wide, shape, 1 << 29) for s in block]
    assert max(sides) < 1000
