"""Gradients in bfloat16, where the processor multiplies it."""

import pytest
import torch

from carescope import net
from carescope.train import precision


@pytest.mark.parametrize("shape", [(8, 32, 32), (16, 32, 32)])
def test_a_gradient_does_not_hang_on_what_was_in_memory(shape):
    network = net.build("care", ndim=3, depth=2, first_filters=16, kernel=3, pool=[2, 2, 2])
    inputs = torch.rand(2, 1, *shape, generator=torch.manual_seed(0))
    dtype = precision.sound(torch.bfloat16, network, inputs)
    found = []
    for _ in range(6):
        _leave_behind(1e30)
        network.zero_grad()
        with precision.autocast(dtype, inputs.device):
            restored = network(inputs)
        (restored.float() - inputs).square().mean().backward()
        found.append(torch.cat([weights.grad.flatten() for weights in network.parameters()]))
    usual = found[0].abs().max()
    assert all((one - found[0]).abs().max() <= 1e-3 * usual for one in found[1:])


def _leave_behind(value):
    """Fill memory that is given back at once."""
    for size in range(10, 20):
        torch.full((1 << size,), value)
