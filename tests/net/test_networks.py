"""The networks are those of the papers: sizes, wiring, beginnings, refusals."""

import math

import pytest
import torch
from torch import nn

from carescope.errors import UsageError
from carescope.net import NETWORKS, IsoNet1, IsoNet2, UNet, build


def count(network: nn.Module) -> int:
    return sum(weights.numel() for weights in network.parameters())


@pytest.mark.parametrize(
    ("network", "weights"),
    [
        (lambda: UNet(2), 922_977),
        (lambda: UNet(3), 996_769),
        (lambda: UNet(2, depth=1), 205_857),
        (IsoNet1, 57_283),
        (IsoNet2, 314_561),
    ],
)
def test_the_papers_numbers_of_weights(network, weights):
    assert count(network()) == weights


@pytest.mark.parametrize("name", sorted(NETWORKS.keys() - {"projection"}))
@pytest.mark.parametrize("channels", [1, 2])
def test_each_network_keeps_the_shape_of_what_it_restores(name, channels):
    for ndim in NETWORKS[name][0]:
        network = build(name, ndim=ndim, channels=channels)
        x = torch.rand(2, channels, *(16 * n for n in range(1, ndim + 1)))
        assert network(x).shape == x.shape


@pytest.mark.parametrize("name", ["care", "isonet1", "isonet2"])
def test_weights_begin_as_glorot_says_and_biases_at_zero(name):
    for module in build(name).modules():
        if isinstance(module, nn.Conv2d):
            bound = math.sqrt(
                6 / (module.weight[0].numel() + module.weight[0, 0].numel() * module.out_channels)
            )
            assert module.weight.abs().max() <= bound
            if module.weight.numel() > 1000:
                assert module.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
            assert module.bias is not None
            assert (module.bias == 0).all()


def test_the_seed_decides_the_weights_and_torch_keeps_its_own():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same, other = (build("isonet2", seed=seed) for seed in (1, 1, 2))
    assert torch.rand(1) == expected
    assert torch.equal(one.head.weight, same.head.weight)
    assert not torch.equal(one.head.weight, other.head.weight)


@pytest.mark.parametrize("network", [UNet(2, 2, 2), UNet(3), IsoNet2()])
def test_a_residual_network_that_has_learnt_nothing_returns_its_input(network):
    nn.init.zeros_(network.head.weight)
    x = torch.rand(1, network.channels_in, *(8,) * len(network.grid))
    assert torch.equal(network(x), x)


def test_a_network_is_residual_only_where_channels_agree():
    assert UNet(2, 3, 3).residual
    assert not UNet(2, 3, 1).residual
    network = UNet(2, residual=False)
    nn.init.zeros_(network.head.weight)
    assert not network(torch.rand(1, 1, 8, 8)).any()


@pytest.mark.parametrize(
    ("convolutions", "widths"),
    [
        (1, [1, 8, 16, 16, 8, 8]),
        (3, [1, 8, 8, 8, 16, 16, 16, 32, 32, 16, 16, 16, 8, 8, 8, 8]),
    ],
)
def test_levels_of_more_or_fewer_convolutions(convolutions, widths):
    network = UNet(2, first_filters=8, convolutions=convolutions)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [layer.out_channels for layer in layers] == [*widths[1:], 1]
    below = [layer.in_channels != n for layer, n in zip(layers, widths, strict=True)]
    assert sum(below) == 2, "two levels read a skip connection beside what comes from below"
    assert network(torch.rand(1, 1, 8, 12)).shape == (1, 1, 8, 12)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("relu", lambda x: x.clamp(min=0)),
        ("sigmoid", lambda x: 1 / (1 + (-x).exp())),
        ("softsign", lambda x: x / (1 + x.abs())),
        ("swish", lambda x: x / (1 + (-x).exp())),
        ("elu", lambda x: torch.where(x > 0, x, x.exp() - 1)),
    ],
)
def test_the_last_activation_follows_the_residual_and_spares_the_scales(name, formula):
    plain = build("care", first_filters=2, scales=True)
    bent = build("care", first_filters=2, scales=True, last_activation=name)
    x = torch.randn(1, 1, 8, 8)
    mean, scale = plain(x).chunk(2, dim=1)
    bent_mean, bent_scale = bent(x).chunk(2, dim=1)
    assert torch.allclose(bent_mean, formula(mean), atol=1e-6)
    assert torch.equal(bent_scale, scale)


def test_without_a_bend_a_network_is_linear():
    network = UNet(2, first_filters=2, pool=1, activation="linear")
    x, y = torch.randn(2, 1, 1, 8, 8)
    assert torch.allclose(network(x + y), network(x) + network(y), atol=1e-5)


def test_an_axis_that_is_not_pooled_may_have_any_length():
    network = UNet(3, first_filters=2, pool=(1, 2, 2))
    assert network.grid == (1, 4, 4)
    assert network(torch.rand(1, 1, 5, 8, 4)).shape == (1, 1, 5, 8, 4)


def test_upsampled_features_come_before_those_of_the_skip():
    """Imported weights depend on the order: the first half must be what came from below."""
    network = UNet(2, first_filters=4)
    x = torch.rand(1, 1, 16, 16)
    last = network.up[-1][0][0]
    with torch.no_grad():
        last.weight[:, :4] = 0
        without_below = network(x)
        for weights in network.bottom.parameters():
            weights.fill_(1.0)
        assert torch.equal(network(x), without_below)
        last.weight[:, :4] = 1
        assert not torch.equal(network(x), without_below)


def test_isonet1_ends_in_a_relu_that_can_die():
    network = IsoNet1()
    assert (network(torch.randn(1, 1, 32, 32)) >= 0).all()
    with torch.no_grad():
        network.layers[-1][0].bias.fill_(-10)
    output = network(torch.rand(1, 1, 32, 32))
    output.sum().backward()
    assert not output.any()
    assert not any(weights.grad.any() for weights in network.parameters())


@pytest.mark.parametrize(
    "network", [build("isonet1"), build("isonet2"), build("care", dropout=0.2)]
)
def test_dropout_is_for_training_only(network):
    x = torch.rand(1, 1, 16, 16)
    network.train()
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


def test_papers_dropout():
    expected = {"care": [], "isonet1": [0.2] * 2, "isonet2": [0.2] * 5}
    for name, rates in expected.items():
        assert [m.p for m in build(name).modules() if isinstance(m, nn.Dropout)] == rates


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("isonet3", {}, "care, isonet1, isonet2"),
        ("isonet1", {"ndim": 3}, "--network"),
        ("care", {"ndim": 4}, "2 spatial axes, not 4"),
        ("care", {"depht": 2}, "depht"),
        ("care", {"depth": 0}, "depth"),
        ("care", {"kernel": 4}, "odd"),
        ("care", {"convolutions": 0}, "convolutions"),
        ("care", {"activation": "rleu"}, "rleu"),
        ("care", {"last_activation": "softmax"}, "sigmoid"),
        ("projection", {}, "3 spatial axes, not 2"),
        ("projection", {"ndim": 3, "filters": 0}, "filters"),
        ("projection", {"ndim": 3, "kernel": 2}, "odd"),
        ("projection", {"ndim": 3, "pool": (2, 2)}, "pool"),
        ("projection", {"ndim": 3, "unet": {"depth": 0}}, "depth 0"),
        ("projection", {"ndim": 3, "unet": {"scales": True}}, "scales"),
        ("care", {"pool": (2, 2, 2)}, "pool"),
        ("care", {"channels_out": 2, "residual": True}, "residual"),
    ],
)
def test_what_cannot_be_built_is_refused_with_its_remedy(name, options, says):
    with pytest.raises(UsageError) as refusal:
        build(name, **options)
    assert says in str(refusal.value)
    assert refusal.value.remedy


@pytest.mark.parametrize("architecture", [
    {"name": "care", "ndim": 2, "first_filters": 8, "scales": True},
    {"name": "care", "ndim": 3, "first_filters": 8},
    {"name": "isonet2"},
    {"name": "shuffle", "first_filters": 8},
], ids=lambda a: f"{a['name']}{a.get('ndim', '')}")  # fmt: skip
def test_threads_leave_the_bits_alone(architecture):
    """What workers with a thread each restore is what one process with several does."""
    network = build(**architecture, seed=0).eval()
    ndim = architecture.get("ndim", 2)
    image = torch.randn(1, 1, *(8, 64, 64)[-ndim:], generator=torch.Generator().manual_seed(0))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            with torch.inference_mode():
                found.append(network(image))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[1], found[2])
