"""How sure the network is: the numbers of the band, the colours of the maps, the words."""

import io
import math

import numpy as np
import pytest
from matplotlib.image import imread

from carescope.errors import InputError
from carescope.grid import Grid
from carescope.image import Image
from carescope.report.figures import NARROW_IN, WIDE_IN, draw_close_ups
from carescope.report.panels import Shade, aligned, plain
from carescope.report.planes import close_up, sections
from carescope.report.spread import Spread, along_z, pictures, profile

GRID = Grid(41, 4.0, 1.0)  # 161 restored planes, of which a close-up shows 110
PIXEL_UM = (0.25, 0.25)


def volumes(seed=0, grid=GRID):
    restored = np.random.default_rng(seed).random((grid.restored_planes, 60, 150), np.float32)
    return restored[:: round(grid.factor)], restored


def closer_of(stack, restored, grid=GRID):
    return [close_up(s, restored, grid) for s in sections(stack, PIXEL_UM, None, None)]


def spread_of(scale, among=None, family="laplace"):
    shape = (GRID.restored_planes, 60, 150)
    images = [None if v is None else Image(np.full(shape, v, np.float32)) for v in (scale, among)]
    return Spread(images[0], family, images[1])


@pytest.mark.parametrize(("family", "half"), [("laplace", math.log(10)), ("gaussian", 1.6448536)])
def test_the_band_is_the_90_percent_interval(family, half):
    stack, restored = volumes()
    part = closer_of(stack, restored)[0]
    scale = np.random.default_rng(1).random(part.restored.shape, np.float32)
    line = along_z(family, stack, GRID, part, scale, 7)
    np.testing.assert_allclose(line.high - line.restored, half * scale[:, 7], atol=1e-5)
    np.testing.assert_allclose(line.restored - line.low, half * scale[:, 7], atol=1e-5)


@pytest.mark.parametrize("factor", [4.0, 2.7])
def test_recorded_planes_lie_where_they_were_recorded(factor):
    grid = Grid(41, factor, 1.0)
    depth = np.arange(grid.restored_planes)[:, None, None] * grid.spacing_um
    across = np.arange(150) % 7
    restored = (depth + 0 * np.zeros((60, 1)) + across).astype(np.float32)
    stack = np.arange(41)[:, None, None] * grid.step_um + 0 * np.zeros((60, 1)) + across
    part = closer_of(stack, restored, grid)[0]
    line = along_z("laplace", stack, grid, part, np.ones(part.restored.shape), 5)
    offset = line.restored[0] - line.z_um[0]
    np.testing.assert_allclose(line.restored, line.z_um + offset, rtol=1e-5)
    np.testing.assert_allclose(line.recorded, line.recorded_um + offset, rtol=1e-5)
    assert line.z_um[0] <= line.recorded_um[0] < line.z_um[0] + grid.step_um
    assert line.z_um[-1] - grid.step_um < line.recorded_um[-1] <= line.z_um[-1] + 1e-9
    assert line.z_um[0] > 0  # the close-up begins within the stack


def test_the_caption_has_the_width_of_the_interval():
    stack, restored = volumes()
    said, (maps, graph) = pictures(spread_of(1000.0), stack, GRID, closer_of(stack, restored))
    assert "not calibrated" in said
    assert "isagreement" not in said + maps.caption
    assert "median here is 1,000" in maps.caption
    assert "typically ± 2,300 grey levels" in maps.caption  # 1000 ln 10
    assert "Laplace" in maps.caption
    assert "90 %" in graph.caption


def test_disagreement_is_shown_and_explained_where_there_is_some():
    stack, restored = volumes()
    given = spread_of(1.0, 0.75, "gaussian")
    said, (maps, _) = pictures(given, stack, GRID, closer_of(stack, restored))
    assert "Disagreement runs from 0" in said
    assert "above 0.5 in 100.0 % of the pixels" in maps.caption
    assert "Gaussian" in maps.caption


def test_maps_have_the_colours_of_their_numbers_and_a_key():
    from matplotlib import colormaps

    shade = Shade("viridis", 0.0, 2.0)
    grey = aligned([("grey", np.random.default_rng(0).random((20, 40)), (1, 1))])[0]
    for value in (0.0, 1.0, 2.0):
        panel = aligned([("scale", np.full((20, 40), value), (1, 1))])[0]._replace(shade=shade)
        shown = imread(io.BytesIO(draw_close_ups([[grey, panel]], WIDE_IN)))[..., :3]
        inside = shown[200, 1000]
        np.testing.assert_allclose(inside, colormaps["viridis"](value / 2)[:3], atol=0.01)
        key = shown[:50, 1000:].reshape(-1, 3)  # above the panel, from one end to the other
        for end in (0.0, 1.0):
            assert (np.abs(key - colormaps["viridis"](end)[:3]) < 0.01).all(axis=1).any()


def test_a_scale_of_other_planes_is_refused():
    stack, restored = volumes()
    wrong = Spread(Image(np.ones((160, 60, 150), np.float32)), "laplace")
    with pytest.raises(InputError, match="does not match"):
        pictures(wrong, stack, GRID, closer_of(stack, restored))


@pytest.mark.parametrize("width", [WIDE_IN, NARROW_IN])
@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 300, 3), (161, 60, 150)])
def test_profiles_are_drawn_at_the_width_asked(shape, width):
    grid = Grid((shape[0] - 1) // 4 + 1, 4.0, 1.0)
    restored = np.random.default_rng(0).random(shape, np.float32)
    stack = restored[::4]
    part = closer_of(stack, restored, grid)[0]
    line = along_z("laplace", stack, grid, part, np.zeros(part.restored.shape), 0)
    shown = imread(io.BytesIO(profile(line, width_in=width)))
    assert shown.shape[1] == pytest.approx(200 * width, abs=1)
    assert shown[..., :3].std() > 0.02


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (1640.3, "1,640"), (49587, "49,600"), (0.012345, "0.0123"), (-8.616, "-8.62")],
)
def test_numbers_have_three_digits_and_no_exponent(value, shown):
    assert plain(value) == shown
