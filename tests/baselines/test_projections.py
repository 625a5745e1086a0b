"""Projections of a folded sheet whose height and look are known."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import cKDTree

from carescope import baselines, metrics
from carescope.baselines import surfaces
from carescope.errors import InputError, UsageError

SHEETS = [name for name in baselines.PROJECTORS if name != "maximum"]
SETTING = {
    "smooth height map": {"sigma_px": 1, "stiffness": 1},
    "minimum-cost surface": {"sigma_px": 1, "slope_planes": 4},
}
READ = {"depth_planes": 2, "brightest": False}


def folded(seed=0, shape=(24, 96, 104), photons=10, debris=6):
    """A noisy stack of cell borders on a folded sheet under debris; their look; their height."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(shape, sparse=True)
    height = ndimage.gaussian_filter(rng.normal(0, 1, shape[1:]), 22, mode="wrap")
    height = shape[0] / 2 + (height - height.mean()) / height.std() * shape[0] / 8
    cells = rng.uniform(0, 1, (40, 2)) * shape[1:]
    places = np.stack(np.indices(shape[1:]), -1).reshape(-1, 2)
    near, _ = cKDTree(cells).query(places, k=2)
    borders = np.exp(-(((near[:, 1] - near[:, 0]) / 2) ** 2) / 2).reshape(shape[1:]) + 0.05
    light = borders * np.exp(-(((z - height) / 1.5) ** 2) / 2) + 0.05
    for _ in range(debris):
        c = rng.uniform(0, 1, 3) * shape
        light += 2 * np.exp(-((z - c[0]) ** 2 + ((y - c[1]) ** 2 + (x - c[2]) ** 2) / 4) / 2)
    return rng.poisson(photons * light).astype(np.float32), borders.astype(np.float32), height


@pytest.mark.parametrize("name", SHEETS)
@pytest.mark.parametrize("photons", [100, 5])
def test_the_sheet_is_found_within_a_plane(name, photons):
    for seed in (0, 1):
        stack, borders, height = folded(seed, photons=photons)
        found = baselines.project(name, stack, SETTING[name] | READ)
        assert np.abs(found.height - height).mean() < 0.8
        assert abs((found.height - height).mean()) < 0.2
        assert found.height.shape == height.shape
        assert 0 <= found.height.min() <= found.height.max() <= len(stack) - 1
        flat = baselines.project("maximum", stack, {})
        assert flat.height is None
        assert metrics.nrmse(borders, found.image) < 0.8 * metrics.nrmse(borders, flat.image)


@pytest.mark.parametrize("name", SHEETS)
def test_upside_down_and_turned_stacks_give_turned_heights(name):
    stack, _, _ = folded(2)
    find = baselines.PROJECTORS[name].surface
    plain = find(stack, **SETTING[name])
    np.testing.assert_allclose(find(stack[:, ::-1], **SETTING[name]), plain[::-1], atol=1e-3)
    turned = find(stack.swapaxes(1, 2), **SETTING[name])
    np.testing.assert_allclose(turned, plain.T, atol=1e-3)
    over = len(stack) - 1 - find(stack[::-1], **SETTING[name])
    assert np.abs(over - plain).mean() < 0.1


@pytest.mark.parametrize("name", SHEETS)
def test_gain_and_offset_do_not_move_the_sheet(name):
    stack, _, _ = folded(3)
    find = baselines.PROJECTORS[name].surface
    plain = find(stack, **SETTING[name])
    np.testing.assert_allclose(find(7 * stack + 50, **SETTING[name]), plain, atol=0.02)


@given(
    seed=st.integers(0, 999),
    shape=st.tuples(st.integers(2, 4), st.integers(1, 2), st.integers(1, 3)),
    slope=st.integers(1, 5),
)
@settings(deadline=None, max_examples=40)
def test_no_allowed_surface_costs_less_than_the_cut(seed, shape, slope):
    cost = np.random.default_rng(seed).integers(0, 50, shape)
    found = surfaces.cut(cost, slope)

    def steep(h):
        return any(np.any(np.abs(np.diff(h, axis=a)) > slope) for a in (0, 1))

    def total(h):
        return int(np.take_along_axis(cost, h[None], 0).sum())

    ways = itertools.product(range(shape[0]), repeat=shape[1] * shape[2])
    every = (np.array(h).reshape(shape[1:]) for h in ways)
    assert not steep(found)
    assert total(found) == min(total(h) for h in every if not steep(h))


def test_a_stiffer_sheet_bends_less():
    stack, _, _ = folded(4)
    bends = [
        np.abs(np.diff(surfaces.smooth_height(stack, sigma_px=1, stiffness=s), 2, axis=0)).sum()
        for s in (0.1, 10, 1e5)
    ]
    assert bends[0] > bends[1] > bends[2]
    plane = surfaces.smooth_height(stack, sigma_px=1, stiffness=1e8)
    y, x = np.indices(plane.shape)
    design = np.stack([y.ravel(), x.ravel(), np.ones(y.size)], 1)[:, :]
    inner = ((y > 8) & (y < 88) & (x > 8) & (x < 96)).ravel()
    left = np.linalg.lstsq(design[inner], plane.ravel()[inner], rcond=None)[1]
    assert left / inner.sum() < 1e-3  # what is left of a sheet too stiff to bend is a plane


def test_sharp_borders_below_a_bright_haze_are_found_by_contrast():
    stack, _, height = folded(5, photons=50, debris=0)
    haze = 400 * np.exp(-(((np.arange(len(stack)) - 3) / 1.5) ** 2) / 2)[:, None, None]
    hazy = stack + haze.astype(np.float32)
    bright, sharp = (
        surfaces.minimum_cost(hazy, sigma_px=1, slope_planes=4, contrast=c) for c in (False, True)
    )
    assert np.abs(sharp - height).mean() < 1 < np.abs(bright - height).mean()


def test_a_stack_is_read_between_planes_and_around_the_sheet():
    stack = np.arange(6.0)[:, None, None] ** 2 + np.zeros((6, 2, 3))
    height = np.array([[0.0, 1.5, 2.0], [5.0, 4.25, 9.0]])
    np.testing.assert_allclose(
        baselines.sample(stack, height, depth_planes=0), [[0, 2.5, 4], [25, 18.25, 25]]
    )
    np.testing.assert_allclose(
        baselines.sample(stack, np.full((2, 3), 2.0), depth_planes=1), (1 + 4 + 9) / 3, rtol=1e-6
    )
    np.testing.assert_allclose(
        baselines.sample(stack, np.full((2, 3), 2.0), depth_planes=1, brightest=True), 9
    )
    np.testing.assert_allclose(baselines.sample(stack[:1], np.zeros((2, 3)), depth_planes=1), 0)


def test_settings_are_those_of_least_error_and_denoising_helps():
    """Every setting of a small projector is tried by hand."""
    projector = baselines.Projector(
        surfaces.smooth_height,
        {"sigma_px": [1], "stiffness": [1, 100]},
        {"depth_planes": [0, 2], "brightest": [False, True]},
    )
    pairs = [folded(seed, (20, 64, 64))[:2] for seed in (1, 2)]
    setting, none = baselines.tune_projection(projector, pairs)
    assert none is None
    errors = {}
    for stiffness, depth, brightest in itertools.product([1, 100], [0, 2], [False, True]):
        tried = dict(sigma_px=1, stiffness=stiffness, depth_planes=depth, brightest=brightest)
        images = [baselines.project(projector, stack, tried).image for stack, _ in pairs]
        errors[tuple(tried.items())] = np.mean(
            [metrics.nrmse(truth, image) for (_, truth), image in zip(pairs, images, strict=True)]
        )
    assert tuple(setting.items()) == min(errors, key=errors.get)
    again, denoiser = baselines.tune_projection(projector, pairs, denoised=True)
    assert again == setting
    assert denoiser is not None
    stack, truth, _ = folded(6, (20, 64, 64))
    plain, calm = (
        baselines.project(projector, stack, setting, denoiser=d) for d in (None, denoiser)
    )
    assert metrics.nrmse(truth, calm.image) < metrics.nrmse(truth, plain.image)
    np.testing.assert_array_equal(calm.height, plain.height)


def test_each_method_has_eight_settings_at_least_but_the_maximum():
    counts = {n: len(p.surfaces()) * len(p.samplings()) for n, p in baselines.PROJECTORS.items()}
    assert counts.pop("maximum") == 1
    assert min(counts.values()) >= 8


def test_what_cannot_be_projected_is_refused():
    stack, borders, _ = folded(0, (4, 32, 32))
    with pytest.raises(UsageError, match="Choose one of maximum"):
        baselines.project("minimum", stack, {})
    with pytest.raises(InputError, match="stack"):
        baselines.project("maximum", stack[0], {})
    with pytest.raises(InputError, match="not finite"):
        baselines.project("maximum", stack * np.nan, {})
    with pytest.raises(InputError, match="3 planes"):
        surfaces.smooth_height(stack[:2], sigma_px=1, stiffness=1)
    with pytest.raises(UsageError, match="stiffness"):
        surfaces.smooth_height(stack, sigma_px=1, stiffness=0)
    with pytest.raises(InputError, match="no pair"):
        baselines.tune_projection("maximum", [(stack, borders[1:])])
    with pytest.raises(InputError, match="no pairs"):
        baselines.tune_projection("maximum", [])
    with pytest.raises(InputError, match="does not lie"):
        baselines.sample(stack, borders[1:], depth_planes=0)


def test_a_blank_stack_has_some_sheet():
    for find in (surfaces.smooth_height, surfaces.minimum_cost):
        given = SETTING[{"s": SHEETS[0], "m": SHEETS[1]}[find.__name__[0]]]
        height = find(np.full((5, 24, 24), 7, np.uint8), **given)
        assert np.isfinite(height).all()
