"""Test-time augmentation: the mean over mirror images, in whatever blocks."""

import itertools

import numpy as np
import pytest
import torch

from carescope import Ensemble, Image, Recipe, net, normalize, predict
from carescope.grid import Grid
from carescope.model import Model, with_tta
from carescope.task import Task
from carescope.trust import fuse

KINDS = {
    "planes": {"kind": "denoise", "axes": "YX"},
    "stacks": {"kind": "denoise", "axes": "ZYX"},
    "isotropic": {"kind": "isotropic", "factor": 4.0, "step_um": 0.8, "pixel_um": 0.2},
}
AXES = {"planes": "TYX", "stacks": "ZYX", "isotropic": "ZYX"}


def model(kind, *, loss="mse", seed=0):
    task = Task(**KINDS[kind])
    architecture = {"name": "care", "ndim": 3 if task.axes == "ZYX" else 2, "depth": 1}
    if kind == "isotropic":
        architecture["ndim"] = 2
    architecture |= {"first_filters": 2, "channels": 1}
    if loss != "mse":
        architecture["scales"] = True
    network = net.build(**architecture, seed=seed)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.1, generator=torch.Generator().manual_seed(seed))
    return Model(network, architecture, Recipe(loss=loss), task)


@pytest.fixture
def image():
    """Rows and columns in whole pooling cells, so that mirror images are cut at the same pixels."""

    def image(kind):
        grey = 100 + 50 * np.random.default_rng(1).random((6, 40, 56))
        return Image(grey.astype(np.float32), AXES[kind], (0.8, 0.2, 0.2), source="some.tif")

    return image


def in_mirrors(made, seen):
    """Restorations of the image and its mirror images, turned back."""
    restored = []
    for axes in ((), (1,), (2,), (1, 2)):
        turned = Image(np.flip(seen.array(), axes), seen.axes, seen.voxel_um)
        found = predict.restore(made, turned, engine="torch")
        parts = [found.mean, *([found.scale] if found.scale else [])]
        restored.append([np.flip(part.array(), axes) for part in parts])
    return [np.stack(parts) for parts in zip(*restored, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_mean_of_the_restored_mirror_images(image, kind):
    (means,) = in_mirrors(model(kind), image(kind))
    assert np.ptp(means, axis=0).max() > 1e-3 * np.ptp(means)  # it is something else in each
    restored = predict.restore(model(kind), image(kind), engine="torch", tta=True)
    assert np.abs(restored.mean.array() - means.mean(axis=0)).max() < 1e-5 * np.ptp(means)
    assert restored.provenance["tta"] == "mean over four mirror images"


@pytest.mark.parametrize("kind", KINDS)
def test_scales_are_those_of_the_mixture(image, kind):
    made = model(kind, loss="laplace")
    restored = predict.restore(made, image(kind), engine="torch", tta=True)
    if kind != "isotropic":  # whose scales are mixtures of two views already
        mean, scale = fuse(*in_mirrors(made, image(kind)), family="laplace")
        np.testing.assert_allclose(restored.mean.array(), mean, rtol=1e-5)
        np.testing.assert_allclose(restored.scale.array(), scale, rtol=1e-4)
    several = Ensemble([made, model(kind, loss="laplace", seed=1)])
    together = predict.restore(several, image(kind), engine="torch", tta=True)
    assert 0 < together.disagreement.array().max() <= 1
    assert together.mean.array().shape == restored.mean.array().shape


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_equal_the_whole(image, kind):
    cut = image(kind).array()[..., :39, :53]  # no whole cells
    frame = Image(cut, AXES[kind], (0.8, 0.2, 0.2)).frames()[0].arranged("CZYX")
    made, maps = with_tta(model(kind)), normalize.fit(frame)
    grid = Grid.of(frame) if kind == "isotropic" else None

    def restored(*block):
        return predict.restore_block(made, frame, maps, block, grid=grid).mean[0]

    depth = grid.restored_planes if grid else frame.size("Z")
    whole = restored(slice(0, depth), slice(0, 39), slice(0, 53))
    cuts = [(0, depth), (0, 17, 39), (0, 40, 53)]
    for block in itertools.product(*([slice(*c) for c in itertools.pairwise(cut)] for cut in cuts)):
        assert np.abs(restored(*block) - whole[block]).max() <= 1e-6 * np.ptp(whole)
