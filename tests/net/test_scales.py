"""Networks that say how sure they are, and networks of several channels."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from carescope.errors import UsageError
from carescope.net import NETWORKS, Separate, UNet, build, grid, reach, resolve
from carescope.task import Task

SURE = [name for name in sorted(NETWORKS) if name not in ("isonet1", "projection")]


def options(name, **further):
    return {"part": {"name": "shuffle", **further}} if name == "separate" else further


def task(factor, channels=1):
    sizes = {"channels_in": channels, "channels_out": channels}
    return Task(kind="isotropic", factor=factor, step_um=0.2 * factor, pixel_um=0.2, **sizes)


def with_scales(name, **how):
    return build(name, **how, **options(name, scales=True))


def learnt(network):
    """Weights that let everything show, the scale head's too."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(0.05 * torch.randn(weights.shape, generator=generator))
    return network.eval()


@pytest.mark.parametrize("name", SURE)
@pytest.mark.parametrize("channels", [1, 3])
def test_scales_follow_the_means_on_the_channel_axis(name, channels):
    for ndim in NETWORKS[name][0]:
        if name == "separate" and ndim == 3:
            continue  # its part here is a network for slices
        network = with_scales(name, ndim=ndim, channels=channels).eval()
        x = torch.rand(2, channels, *(16 * n for n in range(1, ndim + 1)))
        y = network(x)
        assert y.shape == (2, 2 * channels, *x.shape[2:])
        assert torch.allclose(y[:, channels:], torch.tensor(0.1)), "a sane scale to begin with"
        assert (network.channels_in, network.channels_out, network.scales) == (
            channels,
            channels,
            True,
        )


@pytest.mark.parametrize("name", SURE)
def test_a_scale_stays_positive_whatever_is_learnt(name):
    network = learnt(with_scales(name))
    with torch.no_grad():
        for weights_name, weights in network.named_parameters():
            if "scale_head" in weights_name and weights_name.endswith("bias"):
                weights.fill_(-1000)
        _, sigma = network(torch.rand(1, 1, 32, 32)).chunk(2, dim=1)
    assert (sigma == 1e-3).any()
    assert (sigma >= 1e-3).all()


@pytest.mark.parametrize("name", SURE)
def test_the_means_are_those_of_the_network_without_scales(name):
    """Fresh weights of a seed, and the names under which older models stored them."""
    plain = build(name, channels=2, seed=3, **options(name)).eval()
    sure = with_scales(name, channels=2, seed=3).eval()
    missing = sure.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing
    assert all("scale_head" in key for key in missing)
    fresh = with_scales(name, channels=2, seed=3).eval().state_dict()
    for key, weights in plain.state_dict().items():
        assert torch.equal(fresh[key], weights)
    x = torch.rand(1, 2, 32, 32)
    assert torch.equal(sure(x)[:, :2], plain(x))


def test_the_input_is_added_to_the_mean_and_not_to_the_scale():
    network = learnt(UNet(2, scales=True))
    x = torch.rand(1, 1, 16, 16)
    features = network.features(x)
    mu, sigma = network(x).chunk(2, dim=1)
    assert torch.equal(mu, x + network.head(features))
    raw = network.scale_head.convolution(features)
    assert torch.allclose(sigma, torch.log1p(raw.exp()) + 1e-3)
    assert network.scale_head.convolution.kernel_size == (1, 1)


def test_a_network_learns_where_it_is_sure():
    """Noise on the bright half of the image and none on the other: the scale finds out."""
    torch.manual_seed(0)
    network = UNet(2, depth=1, kernel=3, first_filters=8, scales=True)
    adam = torch.optim.Adam(network.parameters(), 1e-2)
    x = torch.tensor([0.0, 1.0]).repeat_interleave(8).expand(4, 1, 16, 16)
    for _ in range(150):
        mu, sigma = network(x).chunk(2, dim=1)
        y = x + 0.5 * torch.randn(x.shape) * x
        loss = ((mu - y).abs() / sigma + sigma.log()).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    dark, bright = sigma[..., :6].mean(), sigma[..., 10:].mean()
    assert dark < 0.1
    assert bright.item() == pytest.approx(0.5 * math.sqrt(2 / math.pi), rel=0.25)


@pytest.mark.parametrize("name", SURE)
def test_scales_and_channels_do_not_change_the_reach(name):
    expected = reach(build(name, **options(name)))
    network = with_scales(name, channels=2)
    assert reach(network) == expected
    assert grid(network) == grid(build(name, **options(name)))


def test_isonet1_has_no_scales_and_says_so():
    with pytest.raises(UsageError, match="isonet1 cannot say how sure it is") as refusal:
        build("isonet1", scales=True)
    assert "--network" in str(refusal.value)
    with pytest.raises(UsageError, match="isonet1"):
        build(**resolve("isonet1", task(4, 2), scales=True, per_channel=True))


@pytest.mark.parametrize("name", ["care", "isonet2", "shuffle"])
def test_channels_are_restored_jointly(name):
    network = learnt(build(name, channels=2))
    x = torch.rand(1, 2, 32, 32)
    other = x.clone()
    other[:, 1] += 1
    assert not torch.allclose(network(x)[:, 0], network(other)[:, 0], atol=1e-3)


@pytest.mark.parametrize("scales", [False, True])
@pytest.mark.parametrize("name", ["auto", "care", "isonet2"])
def test_separate_channels_do_not_talk(name, scales):
    architecture = resolve(name, task(5, 3), scales=scales, per_channel=True)
    network = learnt(build(**architecture, seed=4))
    x = torch.rand(2, 3, 32, 32)
    y = network(x)
    for i, part in enumerate(network.parts):
        assert torch.equal(y[:, i::3], part(x[:, i : i + 1])), "means first, then scales"
    other = x.clone()
    other[:, 1] = torch.nan
    stained = network(other).isnan().flatten(2).any(dim=2)[0]
    assert stained.tolist() == [i % 3 == 1 for i in range(y.shape[1])]


def test_separate_channels_begin_with_weights_of_their_own():
    def first_weights(seed):
        network = build("separate", channels=2, seed=seed, part={"name": "isonet2"})
        return [part.fine_in[0].weight for part in network.parts]

    one, same, other = first_weights(1), first_weights(1), first_weights(2)
    assert not torch.equal(one[0], one[1])
    assert torch.equal(one[1], same[1])
    assert not any(torch.equal(a, b) for a in one for b in other)


def test_parts_that_do_not_match_are_refused():
    for parts in ([], [UNet(2, 2, 2)], [UNet(), UNet(scales=True)], [UNet(), UNet(depth=3)]):
        with pytest.raises(UsageError, match="separate networks"):
            Separate(parts)


def test_what_was_resolved_before_is_resolved_as_before():
    """Models on disk hold these."""
    assert resolve("care", task(4)) == {"name": "care", "ndim": 2, "channels": 1}
    auto = {"name": "shuffle", "ndim": 2, "channels": 1, "depth": 2, "first_filters": 32}
    assert resolve("auto", task(4)) == auto | {"cell": [4, 2], "dropout": 0.1}
    assert resolve("auto", task(2), per_channel=True) == auto | {"cell": [2, 2], "dropout": 0.1}
    denoising = Task(kind="denoise", channels_in=2, channels_out=2)
    flat = {"name": "care", "ndim": 2, "channels": 2, "depth": 3, "first_filters": 16, "kernel": 3}
    assert resolve("auto", denoising) == flat
    sure = resolve("isonet2", task(4, 2), scales=True)
    assert sure == {"name": "isonet2", "ndim": 2, "channels": 2, "scales": True}


def test_the_fresh_scale_is_what_softplus_makes_of_the_bias():
    bias = UNet(scales=True).scale_head.convolution.bias
    assert (F.softplus(bias) + 1e-3).item() == pytest.approx(0.1)
    assert math.isfinite(bias.item())
    assert isinstance(bias, nn.Parameter)
