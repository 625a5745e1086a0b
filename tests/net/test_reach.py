"""A network looks exactly as far as it is said to, and tiles with that halo leave no seam."""

import copy
import math
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from carescope.errors import ModelError
from carescope.net import NETWORKS as TABLE
from carescope.net import UNet, build, grid, reach

NETWORKS = {
    "care": lambda: build("care", first_filters=4),
    "care depth 1, kernel 3": lambda: build("care", depth=1, kernel=3, first_filters=8),
    "care depth 3": lambda: build("care", depth=3, kernel=3, first_filters=1),
    "care unequal axes": lambda: build("care", pool=(1, 3), kernel=(3, 5), first_filters=4),
    "isonet1": lambda: build("isonet1"),
    "isonet2": lambda: build("isonet2"),
    "separate": lambda: build("separate", part={"name": "care", "depth": 1, "first_filters": 4}),
    "care 3D": lambda: build("care", ndim=3, depth=1, first_filters=4),
    "care 3D unequal axes": lambda: build("care", ndim=3, depth=1, pool=(1, 2, 2), first_filters=2),
}


# A network that is added to the table is tested here without being named, but for the one whose
# output has fewer axes than its input: see test_projection.py.
NETWORKS |= {
    name: lambda name=name: build(name) for name in TABLE if name not in {*NETWORKS, "projection"}
}


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def network(request):
    network = NETWORKS[request.param]().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d) and not module.weight.any():
            nn.init.xavier_uniform_(module.weight)  # a layer that begins at zero hides the rest
    return network


def without_cancellation(network: nn.Module) -> nn.Module:
    """The same wiring with positive weights, and means for maxima: every path carries."""
    network = copy.deepcopy(network).double()
    for name, module in list(network.named_children()):
        if isinstance(module, nn.MaxPool2d):
            setattr(network, name, nn.AvgPool2d(module.kernel_size))
        elif isinstance(module, nn.MaxPool3d):
            setattr(network, name, nn.AvgPool3d(module.kernel_size))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
    return network


def test_gradients_see_what_reach_says(network):
    """For every position in the pooling grid: the pixels with a gradient end at the reach.

    Axes do not mix, so that it is enough to walk along one at a time.
    """
    far, cell = reach(network), grid(network)
    positive = without_cancellation(network)
    centre = tuple(math.ceil((r + 1) / g) * g for r, g in zip(far, cell, strict=True))
    image = torch.ones(1, 1, *(2 * c + g for c, g in zip(centre, cell, strict=True))).double()
    image.requires_grad_()
    output = positive(image)
    seen = [0] * len(cell)
    for axis, position in ((a, p) for a, g in enumerate(cell) for p in range(g)):
        at = tuple(c + position * (i == axis) for i, c in enumerate(centre))
        (gradient,) = torch.autograd.grad(output[0, 0][at], image, retain_graph=True)
        where = gradient[0, 0].nonzero() - torch.tensor(at)
        seen = [max(s, int(n)) for s, n in zip(seen, where.abs().amax(dim=0), strict=True)]
    assert tuple(seen) == far


def test_nothing_beyond_the_reach_changes(network):
    far, cell = reach(network), grid(network)
    shape = tuple(math.ceil(2 * (r + 2) / g + 1) * g for r, g in zip(far, cell, strict=True))
    image = torch.rand(1, 1, *shape)
    with torch.no_grad():
        before = network(image)
        for axis, (length, distance) in enumerate(zip(shape, far, strict=True)):
            for offset in range(cell[axis]):
                at = length // 2 // cell[axis] * cell[axis] + offset
                struck = image.clone()
                struck.select(axis + 2, at)[...] += 1000
                changed = (network(struck) != before).movedim(axis + 2, 0).flatten(1).any(dim=1)
                where = (changed.nonzero()[:, 0] - at).abs()
                assert where.numel() > 0
                assert where.max() <= distance


@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_tiles_with_that_halo_are_the_whole(network, data):
    far, cell = reach(network), grid(network)
    halo = [math.ceil(r / g) * g for r, g in zip(far, cell, strict=True)]
    shape = [2 * h + 8 * g for h, g in zip(halo, cell, strict=True)]
    image = torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(0))
    core, read = [], []
    for length, h, g in zip(shape, halo, cell, strict=True):
        start = g * data.draw(st.integers(0, length // g - 1))
        stop = min(length, start + g * data.draw(st.integers(1, 6)))
        core.append(slice(start, stop))
        read.append(slice(max(0, start - h), min(length, stop + h)))
    within = [slice(c.start - r.start, c.stop - r.start) for c, r in zip(core, read, strict=True)]
    with torch.no_grad():
        whole = network(image)
        tile = network(image[(..., *read)])[(..., *within)]
    assert (tile - whole[(..., *core)]).abs().max() <= 1e-6 * (whole.max() - whole.min())


def test_known_reaches():
    assert reach(build("care")) == (43, 43)  # 4 + 4*2 + 4*4 + 4*2 + 4, and 3 of the grid
    assert reach(build("isonet1")) == (4 + 2 + 2, 4 + 2 + 2)
    assert reach(nn.Conv2d(1, 1, (3, 7), padding=(1, 3))) == (1, 3)
    assert reach(nn.Conv3d(2, 1, 5, padding=2), ndim=3) == (2, 2, 2)
    assert reach(nn.Identity()) == (0, 0)


def test_reach_does_not_depend_on_weights_and_leaves_the_network_as_it_was():
    network = build("isonet2").train()
    for weights in network.parameters():
        nn.init.zeros_(weights)
    assert reach(network) == reach(build("isonet2"))
    assert network.training
    assert network.head.weight.dtype == torch.float32
    assert not any(weights.any() for weights in network.parameters())


def test_reach_of_the_default_network_is_quick():
    network = UNet()
    start = time.perf_counter()
    reach(network)
    first = time.perf_counter() - start
    start = time.perf_counter()
    reach(network)
    again = time.perf_counter() - start
    assert first < 5, "1 s on an idle machine"
    assert again < 0.01


def test_a_network_that_looks_everywhere_is_refused():
    class Softmax(nn.Module):
        def forward(self, x):
            return x.softmax(dim=-2)

    with pytest.raises(ModelError, match="further than"):
        reach(Softmax())


def test_a_network_that_hides_its_pooling_is_refused():
    with pytest.raises(ModelError, match="does not say its grid"):
        grid(nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=2)))
    with pytest.raises(ModelError, match="3 spatial axes, not 2"):
        grid(build("care", ndim=3), 2)
