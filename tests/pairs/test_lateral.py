"""Pairs: what the network is shown is what an axial slice would show, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carescope import Grid, Image, Microscope, Recipe, normalize, pairs
from carescope.errors import InputError
from carescope.normalize import Affine
from carescope.pairs.regions import GAP_PX, divide, split
from carescope.pairs.source import Source
from carescope.physics import blur, camera, psf, sampling
from carescope.physics.microscope import Kernels

NONE = frozenset()
BOTH = frozenset({"flip", "turn"})


def made(stack, *, kernel=((1.0,),), taken_with=None, symmetries=BOTH, factor=4.0, **recipe):
    recipe = Recipe.of(**({"patch_px": 64, "batch_size": 8, "noise": "none"} | recipe))
    source = one_source(stack, recipe, kernel, taken_with, symmetries, factor)
    return pairs.LateralPairs([source], recipe)


def one_source(stack, recipe, kernel=((1.0,),), noise=None, symmetries=BOTH, factor=4.0):
    kernel = np.asarray(kernel)
    kernels = Kernels(kernel, np.ones((1, 1)), kernel, 0.0, symmetries)
    grid = Grid(stack.size("Z"), factor, stack.voxel_um[0])
    (frame,) = stack.frames()
    channels = frame.size("C")
    noises = [noise] * channels if noise else None
    # Grey levels pass as they are; structure is what exceeds 40 % of the real range.
    maps = normalize.fit(stack)
    parts = divide(frame, maps, recipe.validation_fraction)
    return Plain(frame, grid, kernels, maps, noises, parts, recipe)


class Plain(Source):
    """A source whose batches come in grey levels."""

    def __init__(self, *given):
        super().__init__(*given)
        self.levels = self.maps

    def foreground(self, region, patch_shape):
        self.maps = self.levels
        found = super().foreground(region, patch_shape)
        self.maps = (Affine(0, 1),) * len(self.levels)
        return found


@given(st.integers(32, 2000), st.integers(60, 2000), st.floats(0.01, 0.4))
def test_training_and_validation_share_no_pixel_and_keep_a_gap(rows, columns, fraction):
    training, validation = split((rows, columns), fraction)
    assert training.columns[0] == 0
    assert validation.columns[1] == columns
    assert validation.columns[0] - training.columns[1] == GAP_PX
    assert min(training.shape) >= 32
    assert min(validation.shape) >= 16


def test_planes_too_small_to_be_cut_are_refused():
    with pytest.raises(InputError, match="too small"):
        split((31, 200), 0.1)


@pytest.mark.parametrize("hidden", ["training", "validating"])
def test_no_pixel_of_one_side_reaches_the_other(stack, hidden):
    kernel = psf.gaussian((3, 1, 1), (1.0, 1.0, 1.0)).values.sum(1)
    whole = made(stack, kernel=kernel, taken_with=camera.Noise(1, 100, 2))
    (source,) = whole.pool
    region = getattr(source, hidden)
    grey = stack.array().astype(np.float32)
    grey[:, :, slice(*region.columns)] = np.nan
    (source.stack,) = Image(grey, "ZYX", stack.voxel_um).frames()
    seen = whole.validation() if hidden == "training" else [whole.batch(n) for n in range(10)]
    assert all(np.isfinite(array).all() for batch in seen for array in batch)


def test_targets_are_crops_of_lateral_slices(stack):
    _, targets = made(stack, symmetries=NONE).batch(0)
    planes = stack.array().astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(planes, (64, 64), axis=(1, 2))
    for target in targets[:, 0]:
        corner = windows[..., 0, 0] == target[0, 0]
        assert any((windows[tuple(i)] == target).all() for i in np.argwhere(corner))


def test_sampling_alone_passes_through_the_recorded_lines(stack):
    inputs, targets = made(stack).batch(1)
    for seen, target in zip(inputs[:, 0], targets[:, 0], strict=True):
        same = np.flatnonzero(np.abs(seen - target).max(axis=1) < 1e-3)
        assert np.diff(same).tolist() == [4] * (len(same) - 1)
        assert len(same) == 16


@pytest.mark.parametrize("factor", [4.0, 2.7])
def test_degradation_is_blur_then_sampling_then_cubic_interpolation(stack, factor):
    """Against the plain operators of physics on a whole slice, one line at a time."""
    kernel = psf.gaussian((2, 0.8, 0.8), (1.0, 1.0, 1.0)).values.sum(1)
    maker = made(stack, kernel=kernel, symmetries=NONE, factor=factor)
    plane = np.random.default_rng(0).normal(size=(400, 64)).astype(np.float32)
    rows = 64
    reach = kernel.shape[0] // 2
    (source,) = maker.pool
    margin = source.rim + reach
    window = plane[100 - margin : 100 + rows + margin][None, None]
    side = (kernel.shape[1] // 2,) * 2
    window = np.pad(window, ((0, 0), (0, 0), (0, 0), side), mode="symmetric")
    seen = maker._degrade(source, [np.random.default_rng(5)], window, rows)[0, 0]
    phase = np.random.default_rng(5).uniform(0, factor)
    phase = np.floor(phase) if factor == 4 else phase
    blurred = blur.blur(plane, kernel)
    lines = np.arange(100 - source.rim + phase, 100 + rows + source.rim - 1, factor)
    recorded = sampling.cubic_matrix(lines, len(plane)) @ blurred
    expected = (
        sampling.cubic_matrix((np.arange(100, 164) - lines[0]) / factor, len(lines)) @ recorded
    )
    np.testing.assert_allclose(seen, expected, atol=1e-4)


def test_inputs_carry_the_noise_of_real_axial_slices():
    """A flat stack: degraded lateral slices and interpolated axial ones spread alike."""
    rng = np.random.default_rng(2)
    grey = (200 + rng.normal(0, 10, (40, 128, 160))).astype(np.float32)
    stack = Image(grey, "ZYX", (0.8, 0.2, 0.2))
    kernel = psf.gaussian((6, 0, 0), (1.0, 1.0, 1.0)).values.sum(1)
    inputs, _ = made(stack, kernel=kernel, taken_with=camera.Noise(0, 0, 10)).batch(0)
    axial = sampling.upsample(grey[:, 0], Grid.of(stack))
    assert inputs.std() == pytest.approx(axial.std(), rel=0.05)
    silent, _ = made(stack, kernel=kernel).batch(0)
    assert silent.std() < 0.4 * axial.std()


def test_training_never_assumes_a_brighter_stack_than_200_electrons():
    """Without noise of its own, a stack is shown with that of 200 electrons in its range."""
    ramp = np.broadcast_to(np.linspace(0, 1, 160, dtype=np.float32), (40, 128, 160))
    stack = Image(np.ascontiguousarray(ramp), "ZYX", (0.8, 0.2, 0.2))
    kernel = psf.gaussian((9, 0, 0), (1.0, 1.0, 1.0)).values.sum(1)
    maker = made(stack, kernel=kernel, taken_with=camera.Noise(0, 0, 0), symmetries=NONE)
    (source,) = maker.pool
    rows = 64 + 2 * (source.rim + len(kernel) // 2)
    window = np.full((1, 1, rows, 2000), 0.5, np.float32)
    seen = maker._degrade(source, [np.random.default_rng(0)], window, 64)[0, 0]
    sampled = max(seen[first::4].var() for first in range(4))  # the rest is interpolated
    variance = (0.5 / 200 + 0.01**2) * (1 - (kernel**2).sum())
    assert sampled == pytest.approx(variance, rel=0.05)


def test_a_batch_depends_on_seed_and_number_alone(stack):
    first, again = made(stack, seed=1), made(stack, seed=1)
    again.batch(0)
    np.testing.assert_array_equal(first.batch(7)[0], again.batch(7)[0])
    assert not np.array_equal(first.batch(7)[0], first.batch(8)[0])
    assert not np.array_equal(first.batch(7)[0], made(stack, seed=2).batch(7)[0])
    for a, b in zip(first.validation(), made(stack, seed=1).validation(), strict=True):
        np.testing.assert_array_equal(a[0], b[0])


def test_asymmetric_optics_allow_no_turns(stack):
    ramp = np.broadcast_to(np.arange(112, dtype=np.float32), (16, 96, 112)) + 1
    level = Image(np.ascontiguousarray(ramp), "ZYX", stack.voxel_um)
    for _, targets in (made(level, symmetries=NONE).batch(n) for n in range(3)):
        assert (np.diff(targets, axis=3) > 0).all()
    turned = np.concatenate([made(level).batch(n)[1] for n in range(3)])
    assert (np.diff(turned, axis=2) != 0).any()


def test_patches_lie_on_structure(stack):
    grey = np.full((6, 128, 160), 10, np.uint16)
    grey[3, 40:60, 50:70] = 1000
    bright = Image(grey, "ZYX", stack.voxel_um)
    _, targets = made(bright, patch_px=64).batch(0)
    assert (targets.max(axis=(1, 2, 3)) == 1000).all()


def test_stack_without_foreground_is_refused_with_the_threshold(stack):
    grey = np.full((6, 128, 160), 10, np.uint16)
    grey[:, :, -20:] = 1000  # structure in the validation band alone
    with pytest.raises(
        InputError, match=r"no patch holds structure: left of what validates none exceeds 4\d\d"
    ):
        pairs.from_volume(Image(grey, "ZYX", stack.voxel_um), Microscope())


def test_from_volume_uses_the_split_kernel_by_default(stack):
    scope = Microscope(psf.gaussian((0.8, 0.2, 0.2), (0.2, 0.2, 0.2)))
    split_pairs = pairs.from_volume(stack, scope)
    full_pairs = pairs.from_volume(stack, scope, Recipe(psf_mode="full"))
    kernel = split_pairs.pool[0].kernel
    z = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    variance = (kernel.sum(1) * z**2).sum()
    assert variance == pytest.approx(4**2 - 1**2, rel=0.03)
    assert kernel.shape[1] == 1
    assert full_pairs.pool[0].kernel.shape[1] > 1


def test_equal_voxels_need_a_psf_that_is_longer_along_z(stack):
    even = Image(stack.data, "ZYX", (0.2, 0.2, 0.2))
    ball = Microscope(psf.gaussian((0.4, 0.4, 0.4), (0.2, 0.2, 0.2)))
    with pytest.raises(InputError, match="nothing to restore"):
        pairs.from_volume(even, ball)
    assert pairs.from_volume(even, ball, Recipe(psf_mode="full")).pool[0].kernel.size > 1
    long = Microscope(psf.gaussian((0.8, 0.4, 0.4), (0.2, 0.2, 0.2)))
    assert pairs.from_volume(even, long).pool[0].kernel.size > 1


def test_unequal_spacing_and_an_empty_validation_band_are_said(stack):
    assert pairs.from_volume(stack, Microscope()).doubts() == []
    (doubt,) = pairs.from_volume(stack, Microscope(factor=2.0)).doubts()
    assert "2 times as tall" in doubt
    grey = stack.array().copy()
    grey[:, :, :] = grey.min()
    grey[:, 40, grey.shape[2] // 2] = 2 * stack.array().max()  # a bead cannot be shared
    (doubt,) = pairs.from_volume(Image(grey, "ZYX", stack.voxel_um), Microscope()).doubts()
    assert "chosen on background" in doubt


def coloured(stack, channels=2, times=3):
    """A TCZYX image whose channels and time points differ."""
    grey = stack.array().astype(np.float32)
    parts = [[(t + 3) * (c + 1) * grey + 50 * c for c in range(channels)] for t in range(times)]
    return Image(np.array(parts), "TCZYX", stack.voxel_um, source="movie.tif")


def test_channels_and_time_points_are_learnt_together(stack):
    movie = coloured(stack)
    made = pairs.from_volume(movie, Microscope(), Recipe.of(patch_px=64, noise="none"))
    assert made.task.channels_in == 2
    assert len(made.pool) == 3
    inputs, targets = made.batch(0)
    assert inputs.shape == targets.shape == (16, 2, 64, 64)
    # The channels show one place: one is the other in its own range.
    np.testing.assert_allclose(targets[:, 0], targets[:, 1], atol=1e-4)
    np.testing.assert_allclose(inputs[:, 0], inputs[:, 1], atol=1e-4)
    # The range is that of all time points, so early frames stay darker than late ones.
    maxima = {n: [] for n in range(3)}
    for number in range(6):
        draws = [np.random.default_rng([number, i]) for i in range(16)]
        _, seen = made._draw(draws, "training", made._centres, (64, 64))
        for i in range(16):
            stack_of, _ = made._centres.choose(np.random.default_rng([number, i]))
            maxima[stack_of].append(seen[i].max())
    assert max(maxima[0]) < max(maxima[1]) < max(maxima[2])


def test_shares_of_a_batch_are_its_rows_in_order(stack):
    made_once = made(stack, taken_with=camera.Noise(1, 100, 2))
    whole = made_once.batch(5)
    parts = [made_once.batch(5, (i, 2)) for i in range(2)]
    for side in (0, 1):
        np.testing.assert_array_equal(whole[side], np.concatenate([p[side] for p in parts]))


def test_stacks_of_another_kind_are_named_all_at_once(stack):
    thin = Image(stack.data, "ZYX", (1.6, 0.2, 0.2), source="thin.tif")
    two = Image(np.stack([stack.array()] * 2), "CZYX", stack.voxel_um, source="two.tif")
    with pytest.raises(InputError) as caught:
        pairs.from_volume([stack, thin, two], Microscope())
    assert "thin.tif has a factor of 8, not 4" in caught.value.what
    assert "two.tif has 2 channels, not 1" in caught.value.what


def test_a_channel_that_stands_elsewhere_in_another_stack_is_noticed(stack):
    both = np.stack([stack.array()] * 2)

    def named(*names):
        return Image(both, "CZYX", stack.voxel_um, names, "+".join(names))

    with pytest.raises(InputError, match=r"GFP\+DAPI has its channels in the order GFP, DAPI, not"):
        pairs.from_volume([named("DAPI", "GFP"), named("GFP", "DAPI")], Microscope())
    renamed = [named("DAPI", "GFP"), named("DAPI", "GFP 2"), named("1", "2"), named()]
    assert len(pairs.from_volume(renamed, Microscope()).pool) == 4


def test_every_stack_of_a_pool_gives_patches(stack):
    dark = Image(np.asarray(stack.data) // 2, "ZYX", stack.voxel_um, source="dark.tif")
    small = Image(np.asarray(stack.data)[:, :64, :80], "ZYX", stack.voxel_um, source="small.tif")
    pool = pairs.from_volume([stack, dark, small], Microscope(), Recipe.of(noise="none"))
    assert pool.patch_shape == (48, 48)
    chosen = {pool._centres.choose(np.random.default_rng(n))[0] for n in range(200)}
    assert chosen == {0, 1, 2}
    alone = pairs.from_volume(small, Microscope(), Recipe.of(noise="none"))
    assert alone.patch_shape == pool.patch_shape


def test_noises_of_input_and_clean_target_are_independent():
    """A flat noisy stack without blur: what is left of the target's noise in the input."""
    rng = np.random.default_rng(3)
    grey = (200 + rng.normal(0, 10, (12, 128, 160))).astype(np.float32)
    flat = Image(grey, "ZYX", (0.2, 0.2, 0.2))
    noise = camera.Noise(0, 0, 10)

    def correlation(mode):
        makes = made(flat, taken_with=noise, factor=1.0, symmetries=NONE, noise=mode)
        inputs, targets = makes.batch(0)
        return np.corrcoef(inputs.ravel(), targets.ravel())[0, 1]

    assert correlation("match") > 0.95
    assert abs(correlation("clean")) < 0.02
