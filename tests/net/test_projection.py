"""The network that turns a stack into the image of its surface."""

import pytest
import torch
from torch import nn

from carescope.net import ProjectionNet, build, grid, reach

SMALL = {"depth": 2, "filters": 3, "unet": {"depth": 1, "first_filters": 4}}


def count(network):
    return sum(weights.numel() for weights in network.parameters())


def flat(network):
    """The same network with a U-Net that returns its input: what is left is the projection."""
    nn.init.zeros_(network.unet.head.weight)
    nn.init.zeros_(network.unet.head.bias)
    return network


def test_the_papers_number_of_weights():
    network = build("projection", ndim=3)
    assert count(network) - count(network.unet) == 14_329
    assert network.unet.grid == (4, 4)
    assert network.unet.residual


@pytest.mark.parametrize("planes", [1, 5, 8])
@pytest.mark.parametrize(("channels_in", "channels_out"), [(1, 1), (2, 2), (2, 1)])
def test_a_stack_of_any_height_becomes_one_image(planes, channels_in, channels_out):
    options = {"channels": channels_in, "channels_out": channels_out, **SMALL}
    stack = torch.rand(2, channels_in, planes, 12, 16)
    network = build("projection", ndim=3, **options)
    assert network(stack).shape == (2, channels_out, 12, 16)
    sure = build("projection", ndim=3, scales=True, **options)
    mean, scale = sure(stack).chunk(2, dim=1)
    assert mean.shape == (2, channels_out, 12, 16)
    assert torch.allclose(scale, torch.tensor(0.1)), "a sane scale to begin with"


def test_before_it_knows_anything_it_is_the_mean_of_the_planes():
    network = flat(build("projection", ndim=3, **SMALL))
    nn.init.zeros_(network.height.weight)
    stack = torch.rand(1, 1, 7, 8, 8)
    assert torch.allclose(network(stack), stack.mean(dim=2), atol=1e-6)


def test_the_weights_of_the_planes_sum_to_one_and_are_the_same_for_all_channels():
    network = flat(build("projection", ndim=3, channels=2, **SMALL))
    stack = torch.rand(1, 2, 7, 8, 8)
    weights = network.weights(stack)
    assert weights.shape == (1, 1, 7, 8, 8)
    assert torch.allclose(weights.sum(dim=2), torch.ones(1, 1, 8, 8))
    assert weights.std() > 0
    assert torch.allclose(network(stack), (weights * stack).sum(dim=2), atol=1e-6)


def test_it_can_choose_one_plane():
    network = flat(ProjectionNet(depth=1, filters=1))
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv3d):
                layer.weight.zero_()
                layer.weight[:, :, 1, 1, 1] = 1
        network.height.weight *= 1000
    stack = 0.1 * torch.rand(1, 1, 6, 8, 8)
    stack[:, :, 4] += 1
    assert torch.allclose(network(stack)[0], stack[0, :, 4], atol=1e-6)


def test_pooling_and_kernels_differ_by_axis():
    network = build("projection", ndim=3, **SMALL | {"pool": (2, 3, 1), "kernel": (5, 3, 1)})
    assert grid(network) == (4, 18, 2)
    assert network.down[0][0][0].kernel_size == (5, 3, 1)
    assert network(torch.rand(1, 1, 4, 18, 6)).shape == (1, 1, 18, 6)


def test_reach_is_lateral_and_whole_stacks_in_tiles_leave_no_seam():
    """Down 1 and 2, below 4, up 2 and 1, the last 1; the U-Net 8; and 3 of the grid."""
    network = build("projection", ndim=3, **SMALL).eval()
    assert reach(network) == (0, 22, 22)
    far, cell = 24, 4
    stack = torch.rand(1, 1, 5, 80, 4)
    with torch.no_grad():
        whole = network(stack)
        tile = network(stack[:, :, :, 40 - far : 44 + far])
    assert torch.allclose(tile[:, :, far : far + cell], whole[:, :, 40:44], atol=1e-6)


def test_every_weight_learns():
    network = build("projection", ndim=3, scales=True, **SMALL)
    mean, scale = network(torch.rand(2, 1, 5, 8, 8)).chunk(2, dim=1)
    (mean.square().mean() / scale.mean()).backward()
    idle = [name for name, weights in network.named_parameters() if not weights.grad.any()]
    assert [name for name in idle if name != "height.bias"] == [], "it adds to all planes alike"
