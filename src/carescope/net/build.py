"""Networks by name. To add one: write its file, and add one line to `NETWORKS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from carescope.errors import UsageError
from carescope.net.isonet import IsoNet1, IsoNet2
from carescope.net.projection import ProjectionNet
from carescope.net.separate import Separate
from carescope.net.shuffle import ShuffleUNet
from carescope.net.unet import UNet

# name: (spatial axes it is made for, its maker from axes, channels and options)
NETWORKS: dict[str, tuple[tuple[int, ...], Callable[..., nn.Module]]] = {
    "care": ((2, 3), lambda n, c, **options: UNet(n, c, **{"channels_out": c} | options)),
    "isonet1": ((2,), lambda _, c, **options: IsoNet1(c, **{"channels_out": c} | options)),
    "isonet2": ((2,), lambda _, c, **options: IsoNet2(c, **options)),
    "shuffle": ((2, 3), lambda n, c, **options: ShuffleUNet(n, c, **options)),
    "projection": ((3,), lambda _, c, **options: ProjectionNet(c, **{"channels_out": c} | options)),
    "separate": ((2, 3), lambda n, c, **options: _separate(n, c, **options)),
}

#: By the axes of a tensor, batch and channels among them: the order in memory with channels last.
CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def build(
    name: str, *, ndim: int = 2, channels: int = 1, seed: int = 0, **options: Any
) -> nn.Module:
    """Return a network with fresh weights.

    Parameters
    ----------
    name
        A key of `NETWORKS`: ``care``, ``isonet1``, ``isonet2``, ``shuffle``, or ``separate``: a
        network for each channel, built from the option ``part``.
    ndim
        Spatial axes: 2 (YX) or 3 (ZYX).
    channels
        Channels of the input, and of the output unless an option says otherwise.
    seed
        What the weights are drawn from; torch's own generator is left as it was.
    options
        Further arguments of the network, such as ``depth`` and ``first_filters``.

    Raises
    ------
    UsageError
        There is no such network, or it has no such option or dimension.
    """
    if name not in NETWORKS:
        raise UsageError(
            f"there is no network {name!r}",
            remedy=f"Choose with --network one of {', '.join(NETWORKS)}",
        )
    dimensions, make = NETWORKS[name]
    if ndim not in dimensions:
        raise UsageError(
            f"the network {name} restores images of {dimensions[0]} spatial axes, not {ndim}",
            remedy="Choose another one with --network, such as care",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            network = make(ndim, channels, **options)
        except TypeError as error:
            raise UsageError(
                f"the network {name} cannot be built from {options}: {error}",
                remedy="Remove or correct the options of the network",
            ) from error
    # The faster order in memory; rounding depends on it, so that all networks have the same.
    for weights in network.parameters():
        if weights.ndim in CHANNELS_LAST:
            weights.data = weights.data.contiguous(memory_format=CHANNELS_LAST[weights.ndim])
    return network


def _separate(ndim: int, channels: int, part: dict[str, Any] | None = None) -> Separate:
    """A network for each channel, from `part`, which is all that `build` takes but the seed."""
    part = {"name": "care"} | (part or {}) | {"ndim": ndim, "channels": 1}
    # Drawn before any weights, so that the second network's do not depend on the first's options.
    seeds = torch.randint(2**32, (channels,)).tolist()
    return Separate([build(**part, seed=seed) for seed in seeds])
