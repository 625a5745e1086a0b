"""Several channels, time points, scales and members: what is restored of each, and as what."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from carescope import Ensemble, Grid, Image, Recipe, metrics, net, normalize, predict, read
from carescope.errors import InputError, ModelError, UsageError
from carescope.model import Model
from carescope.physics import sampling
from carescope.task import Task
from carescope.trust import FAMILIES, disagreement

PART = {"name": "shuffle", "ndim": 2, "cell": [2, 2], "depth": 1, "first_filters": 4}


def model(
    channels=1, loss="mse", seed=0, std=0.2, separate=False, factor=4.0, step_um=0.8, pixel_um=0.2
):
    """A small network with something to say; with a `std` of 0 it leaves the interpolation."""
    part = PART | ({"scales": True} if loss in FAMILIES else {})
    architecture = part | {"channels": channels}
    if separate:
        architecture = {"name": "separate", "ndim": 2, "channels": channels, "part": part}
    network = net.build(**architecture, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, net.ShuffleUNet):
            torch.nn.init.normal_(module.head.weight, std=std, generator=generator)
    if loss in FAMILIES:  # scales that differ from place to place
        for name, weight in network.named_parameters():
            if "scale" in name and weight.ndim > 1:
                torch.nn.init.normal_(weight, std=std, generator=generator)
    sizes = {"channels_in": channels, "channels_out": channels}
    task = Task(kind="isotropic", factor=factor, step_um=step_um, pixel_um=pixel_um, **sizes)
    return Model(network, architecture, Recipe(loss=loss), task)


def ensemble(channels=1, loss="laplace", size=3):
    return Ensemble([model(channels, loss, seed) for seed in range(size)])


@pytest.fixture(scope="module")
def two(stack):
    """Two channels of other brightness, (2, 6, 40, 36)."""
    grey = stack.array()[:6, 30:70, 40:76].astype(np.float32)
    return Image(
        np.stack([grey, 5000 - 3 * grey[:, ::-1]]), "CZYX", stack.voxel_um, ("DNA", "actin"), "two"
    )


@pytest.fixture(scope="module")
def film(two):
    """Two time points of two channels, the second dimmer."""
    return replace(two, data=np.stack([two.array(), 0.6 * two.array()]), axes="TCZYX")


def interpolated(stack):
    """Cubic interpolation of the one stack, (Z, Y, X)."""
    return sampling.upsample(np.asarray(stack, np.float32), Grid(len(stack), 4.0, 0.8))


@pytest.mark.parametrize("axes", ["ZYX", "CZYX", "TZYX", "TCZYX"])
def test_a_restoration_has_the_axes_of_its_image(film, axes):
    """A network with nothing to say gives the interpolation of every channel and time point."""
    image = film
    for axis in set("TC") - set(axes):
        image = image.select(axis, 0)
    restored = predict.restore(model(image.size("C"), std=0), image)
    assert restored.mean.axes == axes
    assert restored.mean.channel_names == (("DNA", "actin") if "C" in axes else ("DNA",))
    assert restored.mean.voxel_um == pytest.approx((0.2, 0.2, 0.2))
    assert restored.scale is restored.disagreement is None
    lead = image.shape[:-3]
    for index in np.ndindex(*lead):
        expected = interpolated(image.array()[index])
        np.testing.assert_allclose(restored.mean.array()[index], expected, atol=0.02)


def test_channels_may_stand_anywhere_in_a_file(film):
    m = model(2)
    turned = replace(film, data=film.array().transpose(2, 0, 1, 3, 4), axes="ZTCYX")
    restored = predict.restore(m, turned).mean
    assert restored.axes == "TCZYX"
    np.testing.assert_array_equal(restored.array(), predict.restore(m, film).mean.array())


def test_time_points_are_normalised_as_one(film):
    """The dim one is restored with the percentiles of both: a film does not flicker."""
    m = model(2)
    restored = predict.restore(m, film).mean.array()
    maps, grid = normalize.fit(film), Grid.of(film)
    whole = tuple(slice(0, n) for n in restored.shape[2:])
    for time, frame in enumerate(film.frames()):
        alone = predict.restore_block(m, frame, maps, whole, grid=grid).mean
        np.testing.assert_array_equal(restored[time], alone)
    own = predict.restore(m, film.select("T", 1)).mean.array()
    assert np.abs(restored[1] - own).max() > 1


@pytest.mark.parametrize("separate", [False, True])
def test_a_channel_sees_the_others_only_when_restored_jointly(two, separate):
    m = model(2, separate=separate)
    other = two.array().copy()
    other[1] = other[1, :, ::-1]  # the same percentiles
    before = predict.restore(m, two).mean.array()
    after = predict.restore(m, replace(two, data=other)).mean.array()
    assert np.array_equal(before[0], after[0]) is separate
    assert not np.array_equal(before[1], after[1])


@pytest.mark.parametrize("loss", ["mse", "laplace", "gaussian"])
@pytest.mark.parametrize("channels", [1, 2])
def test_tiles_equal_the_whole(two, loss, channels):
    """Of means, scales and disagreement alike."""
    several = ensemble(channels, loss, size=2)
    image = two if channels == 2 else two.select("C", 0)
    grid, maps = Grid.of(image), normalize.fit(image)

    def restored(*block):
        found = predict.restore_block(several, image, maps, block, grid=grid)
        return np.stack([part for part in found if part is not None])

    whole = restored(slice(0, 21), slice(0, 40), slice(0, 36))
    assert len(whole) == (1 if loss == "mse" else 3)
    pieces = np.full_like(whole, np.nan)
    for z in (slice(0, 10), slice(10, 21)):
        for y in (slice(0, 17), slice(17, 40)):
            for x in (slice(0, 33), slice(33, 36)):
                pieces[:, :, z, y, x] = restored(z, y, x)
    for part, piece in zip(whole, pieces, strict=True):
        assert np.abs(part - piece).max() <= 1e-6 * np.ptp(part)


def by_hand(m, image):
    """(mu, scale) of each view in normalised units, (2, C, Z, Y, X), from whole padded slices."""
    maps, grid = normalize.fit(image), Grid.of(image)
    normalised = normalize.apply(maps, image.array())
    fine = np.stack([sampling.upsample(channel, grid) for channel in normalised])
    pad = [(0, 0), (32, 33), (32, 32), (32, 32)]  # up to even lengths: the cell is 4 by 4
    pad[1] = (32, 32 + -(fine.shape[1] + 64) % 4)
    wide = np.pad(fine, pad, mode="reflect")
    inside = (slice(None), *(slice(32, 32 + n) for n in fine.shape[1:]))
    xz = m.apply(wide.transpose(2, 0, 1, 3)).transpose(1, 2, 0, 3)
    yz = m.apply(wide.transpose(3, 0, 1, 2)).transpose(1, 2, 3, 0)
    both = np.stack([xz[inside], yz[inside]]).astype(float)
    return both[:, : m.task.channels_out], both[:, m.task.channels_out :]


def mixture(mu, scale, unit):
    """Mean and scale of equal mixtures over axis 0."""
    return mu.mean(0), np.sqrt(((unit * scale**2).mean(0) + mu.var(0)) / unit)


@pytest.mark.parametrize("loss", ["laplace", "gaussian"])
def test_views_then_members_are_fused_as_mixtures(two, loss):
    """From the formulas: views into one for each member, D over members, members into one."""
    several = ensemble(2, loss)
    unit = {"laplace": 2, "gaussian": 1}[loss]
    fused = [mixture(*by_hand(m, two), unit) for m in several.members]
    mu, scale = np.stack([f[0] for f in fused]), np.stack([f[1] for f in fused])
    mean, spread = mixture(mu, scale, unit)
    widths = [one.width for one in normalize.fit(two)]
    restored = predict.restore(several, two)
    for c, (width, one) in enumerate(zip(widths, normalize.fit(two), strict=True)):
        found = restored.mean.array()[c]
        np.testing.assert_allclose(found, mean[c] * width + one.low, atol=1e-4 * width)
        np.testing.assert_allclose(restored.scale.array()[c], spread[c] * width, rtol=1e-3)
    expected = disagreement(mu, scale, family=loss)
    np.testing.assert_allclose(restored.disagreement.array(), expected, atol=1e-3)
    assert 0.02 < expected.mean() < 0.98
    assert restored.spread == loss


def test_one_model_with_scales_has_nobody_to_disagree_with(two):
    m = model(2, "laplace")
    restored = predict.restore(m, two)
    _, spread = mixture(*by_hand(m, two), 2)
    widths = np.array([one.width for one in normalize.fit(two)])[:, None, None, None]
    np.testing.assert_allclose(restored.scale.array(), spread * widths, rtol=1e-3)
    assert restored.disagreement is None
    assert restored.scale.axes == restored.mean.axes
    assert restored.scale.voxel_um == restored.mean.voxel_um


def test_an_ensemble_without_scales_is_the_mean_of_its_members(two):
    several = ensemble(2, "mse")
    each = [predict.restore(m, two).mean.array() for m in several.members]
    restored = predict.restore(several, two)
    np.testing.assert_allclose(restored.mean.array(), np.mean(each, axis=0), rtol=1e-5, atol=0.01)
    assert np.std(each, axis=0).max() > 1
    assert restored.scale is restored.disagreement is None
    assert restored.provenance["model_sha256"] == several.sha256


def test_f34_spread_follows_the_gain_and_not_the_offset(two):
    several = ensemble(2, "laplace", size=2)
    once = predict.restore(several, two)
    twice = predict.restore(several, replace(two, data=7 * two.array() + 300))
    np.testing.assert_allclose(twice.scale.array(), 7 * once.scale.array(), rtol=2e-3)
    np.testing.assert_allclose(twice.disagreement.array(), once.disagreement.array(), atol=2e-3)


def test_an_interval_lies_around_the_mean(two):
    """Laplace: half of it reaches b log 2 to each side."""
    restored = predict.restore(model(2, "laplace"), two)
    low, high = restored.interval(0.5)
    half = np.log(2) * restored.scale.array()
    np.testing.assert_allclose(high.array(), restored.mean.array() + half, rtol=1e-5)
    np.testing.assert_allclose(low.array(), restored.mean.array() - half, rtol=1e-4, atol=0.01)
    assert (low.axes, low.voxel_um) == (restored.mean.axes, restored.mean.voxel_um)
    with pytest.raises(UsageError):
        restored.interval(1.5)


def test_without_scales_there_is_no_interval(two):
    with pytest.raises(ModelError, match="--laplace"):
        predict.restore(model(2), two).interval(0.9)


def test_f09_other_channels_are_refused_with_what_the_model_expects(two):
    with pytest.raises(InputError, match=r"two: has 2 channels.*restores 1\. .*--channel N.* 1"):
        predict.restore(model(1), two, force=True)
    for image in (two.select("C", 1), replace(two, data=two.array()[:1], channel_names=())):
        with pytest.raises(InputError, match=r"has 1 channel .*restores 2\. .*without --channel"):
            predict.restore(model(2), image)


def test_channels_in_another_order_are_refused_unless_forced(two):
    trained = model(2)
    trained.facts["channel_names"] = ["actin", "DNA"]
    with pytest.raises(InputError, match="order DNA, actin, and the model was trained for actin"):
        predict.restore(trained, two)
    assert predict.restore(trained, two, force=True).mean.axes == "CZYX"
    predict.restore(trained, replace(two, channel_names=("a", "b")))


def test_a_block_of_much_takes_no_more_memory():
    """Channels, scales and members make blocks smaller in proportion."""

    def largest(m):
        blocks = predict.plan(m, (400, 800, 800), 1 << 30)
        return max(np.prod([s.stop - s.start for s in block]) for block in blocks)

    alone = largest(model())
    assert largest(model(2)) < alone
    assert largest(ensemble(1, "laplace", 5)) <= alone / 2
    assert largest(ensemble(2, "laplace", 5)) <= alone / 4


def test_the_share_that_is_done_covers_all_time_points(film):
    told = []
    there = predict.outline(model(2), film)
    predict.restore_into(lambda *_: None, model(2), film, there, watch=told.append)
    assert told == sorted(told)
    assert told[0] == 0.5
    assert told[-1] == 1


@pytest.mark.skipif(not os.environ.get("CARESCOPE_DATA"), reason="CARESCOPE_DATA is not set")
def test_a_real_stack_with_channels_in_every_plane():
    """ImageJ writes channels within planes: ZCYX. Interpolation passes through its planes."""
    path = Path(os.environ["CARESCOPE_DATA"]) / "neubias_3d" / "xyzc_16bit__spots.tif"
    image = read.open(path)
    assert image.axes == "ZCYX"
    step, _, pixel = image.voxel()
    m = model(2, std=0, factor=Grid.of(image).factor, step_um=step, pixel_um=pixel)
    restored = predict.restore(m, image).mean
    assert restored.axes == "CZYX"
    assert restored.shape[:1] + restored.shape[2:] == (2, 88, 89)
    recorded = image.array().transpose(1, 0, 2, 3)
    first, second = restored.array()
    np.testing.assert_allclose(first[0], recorded[0, 0], atol=0.02)
    np.testing.assert_allclose(second[0], recorded[1, 0], atol=0.02)
    middle = first[round(8 * Grid.of(image).factor)]
    assert metrics.nrmse(recorded[0, 8].astype(float), middle) < 0.02
