"""Dropout that does not depend on how a batch is split, and is torch's where it is not split."""

import pytest
import torch
from torch.nn import functional as F

from carescope.errors import UsageError
from carescope.net import Dropout, build, set_share

FORMATS = [torch.contiguous_format, torch.channels_last]


def seeded(call):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        return call()


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_parts_of_a_batch_are_dropped_as_the_whole(layout, dtype, count):
    whole = torch.randn(8, 5, 6, 7).to(dtype).contiguous(memory_format=layout)
    layer = Dropout(0.3)
    expected = seeded(lambda: F.dropout(whole, 0.3))
    parts = []
    for index, part in enumerate(whole.chunk(count)):
        set_share(layer, index, count)
        parts.append(seeded(lambda part=part: layer(part)))
    assert torch.equal(torch.cat(parts), expected)
    assert (expected == 0).any()


@pytest.mark.parametrize("name", ["auto", "isonet2"])
def test_gradients_of_the_parts_add_up_to_those_of_the_whole(name):
    network = build("shuffle", dropout=0.1) if name == "auto" else build(name)
    network.to(memory_format=torch.channels_last).train()
    torch.nn.init.normal_(network.head.weight)
    x = torch.randn(4, 1, 32, 32).contiguous(memory_format=torch.channels_last)

    def gradient(batch, index, count):
        set_share(network, index, count)
        network.zero_grad()
        output = seeded(lambda: network(batch))
        (output**2).sum().backward()
        return output.detach(), torch.cat([w.grad.flatten() for w in network.parameters()])

    expected, whole = gradient(x, 0, 1)
    halves = [gradient(half, index, 2) for index, half in enumerate(x.chunk(2))]
    torch.testing.assert_close(torch.cat([output for output, _ in halves]), expected)
    torch.testing.assert_close(sum(g for _, g in halves), whole, rtol=1e-3, atol=1e-3)


def test_a_part_of_a_batch_is_whole_while_restoring():
    network = build("isonet2").eval()
    x = torch.rand(1, 1, 8, 8)
    expected = network(x)
    set_share(network, 1, 2)
    assert torch.equal(network(x), expected)


def test_shares_are_not_weights():
    network = build("isonet2")
    keys = list(network.state_dict())
    set_share(network, 1, 3)
    assert list(network.state_dict()) == keys
    assert {m.share for m in network.modules() if isinstance(m, Dropout)} == {(1, 3)}


@pytest.mark.parametrize(("index", "count"), [(2, 2), (-1, 2), (0, 0)])
def test_impossible_shares_are_refused(index, count):
    with pytest.raises(UsageError, match="no part"):
        set_share(build("isonet2"), index, count)
