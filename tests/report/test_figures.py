"""Figures: equal physical scale, equal contrast, and no more read than is shown."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from carescope.errors import InputError
from carescope.grid import Grid
from carescope.metrics import power_spectrum_axes
from carescope.report.figures import NARROW_IN, comparison, slices, slices_against_truth
from carescope.report.panels import aligned, bar_length, contrast, draw
from carescope.report.planes import centre, interpolated, richest, richest_window
from carescope.report.plots import kernels, spectra, training_curve

GRID = Grid(9, 4.0, 1.0)


def picture(png):
    assert png.startswith(b"\x89PNG")
    return imread(io.BytesIO(png))[..., :3]


def volumes(shape=(9, 40, 90), factor=4, seed=0):
    restored = np.random.default_rng(seed).random(((shape[0] - 1) * factor + 1, *shape[1:]))
    return restored[::factor], restored


class Watched:
    """A lazy array that remembers which planes, rows and columns were asked for."""

    def __init__(self, data):
        self.data, self.shape, self.dtype, self.read = data, data.shape, data.dtype, []

    def __getitem__(self, index):
        part = self.data[index]
        self.read.append(part.size)
        return part


def test_panels_of_a_figure_have_one_scale_and_one_field():
    coarse, fine = np.random.default_rng(0).random((9, 60)), np.zeros((33, 60))
    panels = aligned([("raw", coarse, (1.0, 0.25)), ("fine", fine, (0.25, 0.25))])
    tall = aligned([("other", np.zeros((50, 30)), (0.25, 0.25))])
    figure = draw([panels, tall], [(0, 1), (0, 1)], width_in=8)
    raw, restored, other = figure.axes
    assert raw.get_xlim() == restored.get_xlim()
    assert raw.get_ylim() == restored.get_ylim()
    width, height = figure.get_size_inches()
    scales = set()
    for axes in (raw, restored, other):
        box = axes.get_position()
        scales.add(round(box.width * width / abs(np.subtract(*axes.get_xlim())), 9))
        scales.add(round(box.height * height / abs(np.subtract(*axes.get_ylim())), 9))
    assert len(scales) == 1  # inches per micrometre, along both directions of all panels


def test_first_planes_lie_on_each_other_and_the_field_is_the_shared_one():
    raw, fine = aligned([("", np.zeros((9, 5)), (1.0, 0.5)), ("", np.zeros((33, 5)), (0.25, 0.5))])
    assert raw.edges.top + 0.5 == fine.edges.top + 0.125 == 0
    assert raw.field == fine.field == fine.edges


@given(field=st.floats(1e-2, 1e4))
@settings(deadline=None, max_examples=50)
def test_scale_bars_are_round_and_neither_tiny_nor_too_long(field):
    length = bar_length(field)
    assert 0.09 * field < length <= 0.2500001 * field
    assert f"{length:.0e}"[0] in "125"
    assert float(f"{length:.0e}") == pytest.approx(length)


def test_pixels_finer_than_any_figure_are_averaged_where_they_are():
    ramp = np.arange(7001.0)[None] * 0.1 + np.zeros((3, 1))
    panel = aligned([("", ramp, (1.0, 0.1))])[0]
    assert panel.pixels.shape == (3, 2333)
    assert panel.edges.left == pytest.approx(-0.05)
    wide = panel.edges.width / panel.pixels.shape[1]
    centres = panel.edges.left + (np.arange(2333) + 0.5) * wide
    np.testing.assert_allclose(panel.pixels[1], centres, rtol=1e-5, atol=1e-4)


def test_contrast_is_shared_by_all_panels():
    dim, bright = np.linspace(0, 1, 1001), np.linspace(0, 10, 1001)
    low, high = contrast(aligned([("", a[None], (1, 1)) for a in (dim, bright)]))
    assert 0 < low < 0.01
    assert 9.9 < high < 10


def test_one_gray_value_looks_the_same_before_and_after():
    stack, restored = (np.zeros((n, 40, 90)) for n in (9, 33))
    for volume in (stack, restored):
        volume[:, :, 45:] = 100
        volume[:, 20:, 60] = 50
    shown = picture(slices(stack, restored, GRID, (0.25, 0.25), y=0, x=60))
    # the xz panels are under each other, black to the left and white to the right
    black = (shown[:, 300] == 0).all(axis=-1) & (shown[:, 1000] == 1).all(axis=-1)
    starts = np.flatnonzero(np.diff(black.astype(int)) == 1)
    ends = np.flatnonzero(np.diff(black.astype(int)) == -1)
    assert len(starts) == len(ends) == 2
    heights = ends - starts
    assert heights[0] == pytest.approx(heights[1], abs=1)
    # 8.25 um of depth at 22.5 um to 1600 pixels
    assert heights[0] == pytest.approx(8.25 / 22.5 * 1600, abs=2)


def test_only_what_is_shown_is_read():
    stack, restored = volumes((40, 600, 700), 1)
    watched = Watched(stack), Watched(restored)
    slices(*watched, Grid(40, 1.0, 0.5), (0.25, 0.25))
    whole = 40 * 600 * 700
    assert max(watched[0].read) <= 300 * 350  # a coarse plane at a time
    assert sum(watched[0].read) < 0.12 * whole
    assert sum(watched[1].read) < 0.01 * whole


def test_the_section_with_most_structure_is_chosen_not_the_brightest_spot():
    stack = np.random.default_rng(0).normal(0, 0.01, (9, 64, 80))
    stack[:, 30, :] += np.random.default_rng(1).normal(0, 5, (9, 80))
    stack[:, :, 50] += np.random.default_rng(2).normal(0, 5, (9, 64))
    stack[4, 7, 7] = 1e6
    assert richest(stack) == (30, 50)
    section = np.zeros((9, 100))
    section[:, 60:80] = np.random.default_rng(3).normal(size=(9, 20))
    assert richest_window(section, 20) == slice(60, 80)
    assert richest_window(section, 200) == slice(0, 100)


@given(
    shape=st.tuples(*[st.integers(1, 200)] * 3),
    most=st.integers(1, 100_000),
)
@settings(deadline=None, max_examples=60)
def test_a_central_crop_fits_and_is_no_smaller_than_it_must(shape, most):
    sides = [s.stop - s.start for s in centre(shape, most)]
    assert np.prod(sides) <= most
    assert all(1 <= side <= n for side, n in zip(sides, shape, strict=True))
    grown = [min(side + 1, n) for side, n in zip(sides, shape, strict=True)]
    assert grown == sides or np.prod(grown) > most
    for s, n in zip(centre(shape, most), shape, strict=True):
        assert abs((n - s.stop) - s.start) <= 1


@pytest.mark.parametrize("factor", [1.0, 4.0, 2.5])
def test_interpolating_some_planes_is_interpolating_all_of_them(factor):
    grid = Grid(12, factor, 1.0)
    stack = np.random.default_rng(0).random((12, 5, 6))
    n = grid.restored_planes
    whole = interpolated(stack, grid, slice(0, n), slice(None), slice(None))
    part = interpolated(stack, grid, slice(3, n - 2), slice(1, 4), 2)
    np.testing.assert_allclose(part, whole[3 : n - 2, 1:4, 2], atol=1e-6)
    recorded = grid.is_recorded()
    np.testing.assert_allclose(whole[recorded][0], stack[0], atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "grid", "pixel"),
    [
        ((9, 40, 90), GRID, 0.25),  # flat
        ((9, 40, 90), GRID, 0.02),  # deep
        ((2, 8, 8), Grid(2, 1.0, 1.0), 1.0),  # tiny
        ((30, 40, 2000), Grid(30, 1.0, 0.3), 0.1),  # very wide
    ],
)
@pytest.mark.parametrize("width", [8.0, NARROW_IN])
def test_sections_of_any_proportion_are_drawn_at_the_width_asked(shape, grid, pixel, width):
    stack, restored = volumes(shape, round(grid.factor))
    for png in (
        slices(stack, restored, grid, (pixel, pixel), width_in=width),
        slices_against_truth(stack, restored, None, grid, (pixel, pixel), width_in=width),
        slices_against_truth(stack, restored, restored, grid, (pixel, pixel), width_in=width),
    ):
        shown = picture(png)
        assert shown.shape[1] == pytest.approx(200 * width, abs=1)
        assert shown.shape[0] < (3 if width > 6 else 7) * 200 * width


def test_a_comparison_of_equal_pictures_is_equal_to_the_pixel():
    array = np.random.default_rng(0).random((30, 40))
    shown = picture(comparison([("", array), ("", array)], width_in=4.12))
    half = 2.0 * 200
    left, right = shown[60:300, :390], shown[60:300, round(half + 24) : round(half + 24) + 390]
    np.testing.assert_allclose(left, right, atol=1e-6)
    assert left.std() > 0.1


def test_figures_are_the_same_bytes_twice():
    stack, restored = volumes()
    drawn = [slices(stack, restored, GRID, (0.25, 0.25)) for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_plots_show_something_wide_and_narrow():
    _, restored = volumes()
    curves = power_spectrum_axes(restored, (0.25, 0.25, 0.25))
    history = [
        {"step": s, "train_loss": 1 / s, "val_loss": 1 / s if s % 2 else np.nan, "learning_rate": 1}
        for s in range(1, 9)
    ]
    kernel = np.exp(-np.square(np.linspace(-3, 3, 21))[:, None] - np.zeros((21, 15)))
    for width in (8.0, NARROW_IN):
        for png in (
            spectra(curves, curves, recorded_nyquist=0.5, band=(0.5, 2), width_in=width),
            kernels({"h": kernel, "h_iso": kernel[5:16, 4:11]}, (0.3, 0.3), width_in=width),
            training_curve(history, width_in=width),
        ):
            assert picture(png).std() > 0.05


@pytest.mark.parametrize(
    "rows",
    [
        [{"step": 1, "train_loss": 0.1, "val_loss": np.nan, "learning_rate": 1e-3}],
        [{"step": s, "train_loss": -s, "val_loss": -s, "learning_rate": 0} for s in range(5)],
        [{"step": s, "train_loss": np.nan, "val_loss": np.nan} for s in range(5)],
    ],
)
def test_training_curves_of_odd_histories_are_drawn(rows):
    assert picture(training_curve(rows)).std() > 0.01


def test_a_constant_stack_is_drawn():
    assert slices(np.ones((9, 40, 90)), np.ones((33, 40, 90)), GRID, (0.25, 0.25))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda a, b: slices(a, b[1:], GRID, (1, 1)), "does not match"),
        (lambda a, b: slices(a, b, GRID, (1, 1), y=40), "no pixel y=40"),
        (lambda a, b: slices_against_truth(a, b, b[:, :-1], GRID, (1, 1)), "truth"),
        (lambda a, b: comparison([]), "0 panels"),
        (lambda a, b: comparison([("x", b)]), "no picture"),
        (lambda a, b: comparison([("x", b[0])] * 2, [(1, 1)] * 3), "pixel sizes"),
        (lambda a, b: kernels({}, (1, 1)), "no kernel"),
        (lambda a, b: kernels({"h": np.zeros((3, 3))}, (1, 1)), "cannot be drawn"),
        (lambda a, b: training_curve([]), "no training history"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, says):
    with pytest.raises(InputError, match=says):
        call(*volumes())


def test_a_real_stack_shows_more_detail_after_than_before():
    data = os.environ.get("CARESCOPE_DATA")
    if not data:
        pytest.skip("CARESCOPE_DATA is not set: no real stack to draw")
    import tifffile

    truth = tifffile.imread(Path(data) / "iso_cells3d_nuclei" / "nuclei.tif")[:57]
    shown = picture(slices(truth[::4], truth, Grid(15, 4.0, 1.16), (0.26, 0.26), y=100, x=100))
    # Recorded planes are square-edged: most neighbouring rows of pixels are equal.
    changes = (np.abs(np.diff(shown[:, 200:1400, 0], axis=0)) > 0).any(axis=1)
    first, second = changes[60:400], changes[480:800]
    assert first.sum() < 20 < 30 < second.sum()
