"""A quick look at an image: small parts of it, in its middle planes, as a network sees them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope import Image, Recipe, net, predict
from carescope.grid import Grid
from carescope.model import Model
from carescope.normalize import Affine
from carescope.task import Task

SAME = [Affine(0, 1)]


def network(**task):
    task = Task(**task)
    architecture = net.resolve("auto", task, planes=16)
    return Model(net.build(**architecture), architecture, Recipe(), task)


MODELS = {
    "planes": network(kind="denoise"),
    "stacks": network(kind="denoise", axes="ZYX"),
    "sections": network(kind="isotropic", factor=4.0),
}


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(list(MODELS)), st.integers(2, 20), st.integers(17, 220), st.integers(17, 220)
)
def test_a_network_can_take_them_whatever_the_size(kind, depth, height, width):
    model = MODELS[kind]
    image = Image(np.ones((1, depth, height, width), np.float32), "CZYX", (4.0, 1.0, 1.0))
    grid = Grid.of(image, factor=4.0) if kind == "sections" else None
    parts = list(predict.glimpses(model, image, SAME, grid=grid))
    assert 1 <= len(parts) <= 4
    assert sum(part.size for part in parts) <= 4 * 80_000
    for part in parts:
        assert part.shape[:2] == (1, 1)
        cells = net.grid(model.network)
        assert all(n % c == 0 for n, c in zip(part.shape[2:], cells, strict=True))
        np.testing.assert_allclose(part, 1, atol=1e-6)
    assert model.apply(parts[0]).shape == parts[0].shape


@pytest.mark.parametrize("kind", ["planes", "stacks"])
def test_they_lie_where_they_may_and_differ(kind):
    """Pixels that tell their place: none from outside rows 100-300, columns 400-600."""
    place = np.arange(500 * 700, dtype=np.float32).reshape(500, 700)
    image = Image(np.broadcast_to(place, (1, 20, 500, 700)), "CZYX")
    parts = list(predict.glimpses(MODELS[kind], image, SAME, rows=(100, 300), columns=(400, 600)))
    assert len(parts) == 4
    assert len({part.tobytes() for part in parts}) == 4
    for part in parts:
        rows, columns = np.divmod(np.rint(part), 700)
        assert 100 <= rows.min() < rows.max() < 300
        assert 400 <= columns.min() < columns.max() < 600


def test_sections_run_along_z_and_x():
    along = np.arange(8, dtype=np.float32)[:, None, None] + 0 * np.ones((8, 64, 256), np.float32)
    image = Image(along[None], "CZYX", (4.0, 1.0, 1.0))
    grid = Grid.of(image, factor=4.0)
    for part in predict.glimpses(MODELS["sections"], image, SAME, grid=grid):
        assert np.ptp(part[0, 0], axis=0).min() > 3
        assert np.ptp(part[0, 0], axis=1).max() < 1e-5
