"""The network of a CSBDeep model in the terms of this package, and its weights in their places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carescope import net
from carescope.errors import ModelError, UsageError
from carescope.model.csbdeep_config import CONFIG, Config, Sizes
from carescope.model.csbdeep_weights import Convolution

Order = dict[int, list[int]]
"""Where the axes Z, Y, X are among those of a kernel, by the number of its spatial axes."""

NOT_ONE = "Give the folder of one model as CSBDeep wrote it"


def translate(
    config: Config, layers: list[Convolution], order: Order, path: Path
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return what `carescope.net.build` makes the network from, and its state.

    Parameters
    ----------
    config
        What config.json says.
    layers
        The convolutions along the network.
    order
        See `Order`.
    path
        The weights file, for errors.

    Raises
    ------
    ModelError
        These are not the weights of the network that `config` describes, or there is no such
        network in this package.
    """
    architecture = _architecture(config, layers, order, path)
    try:
        with torch.device("meta"):  # shapes alone
            network = net.build(**architecture)
    except UsageError as error:
        raise ModelError(error.what, where=path.parent / CONFIG, remedy=NOT_ONE) from None
    return architecture, _state(network, layers, order, path)


def _architecture(
    config: Config, layers: list[Convolution], order: Order, path: Path
) -> dict[str, Any]:
    """What config.json says, and the weights where it says nothing, in the terms of `net.build`."""
    ndim = layers[0].kernel.ndim - 2
    inside = [layer for layer in layers if layer.kernel.ndim == layers[-1].kernel.ndim]
    first, channels_in = inside[0].kernel, config.n_channel_in or layers[0].kernel.shape[-2]
    same = channels_in == config.n_channel_out
    unet: dict[str, Any] = {
        "depth": config.unet_n_depth,
        "first_filters": config.unet_n_first or first.shape[-1],
        "kernel": _sizes(config.unet_kern_size or first.shape[:-2], order[first.ndim - 2]),
        "convolutions": _per_level(
            len(inside) - (2 if config.sure else 1), config.unet_n_depth, path
        ),
        "residual": same if config.unet_residual is None else config.unet_residual,
        "last_activation": config.unet_last_activation,
    }
    architecture: dict[str, Any] = {
        "name": "care",
        "ndim": ndim,
        "channels": channels_in,
        "channels_out": config.n_channel_out,
    }
    if config.sure:
        architecture["scales"] = True
    if len(inside) == len(layers):
        return architecture | unet
    before, kernel = layers[: -len(inside)], layers[0].kernel
    pool = config.proj_pool or [1 if axis == order[3][0] else 2 for axis in range(3)]
    return architecture | {
        "name": "projection",
        "depth": config.proj_n_depth,
        "filters": config.proj_n_filt or kernel.shape[-1],
        "kernel": _sizes(config.proj_kern or kernel.shape[:-2], order[3]),
        "pool": _sizes(pool, order[3]),
        "convolutions": _per_level(len(before) - 1, config.proj_n_depth, path),
        "unet": unet,
    }


def _sizes(sizes: Sizes | tuple[int, ...], order: list[int]) -> Sizes:
    """One size for all axes, or one for each in the order Z, Y, X."""
    if isinstance(sizes, int) or len(sizes) != len(order):
        return sizes if isinstance(sizes, int) else list(sizes)
    return [int(sizes[axis]) for axis in order]


def _per_level(convolutions: int, depth: int, path: Path) -> int:
    """How many convolutions each of the levels on the way down, below, and up has."""
    each, left = divmod(convolutions, 2 * depth + 1)
    if each < 1 or left:
        raise ModelError(
            f"{convolutions} convolutions do not make up the {2 * depth + 1} levels of a network "
            f"that pools {depth} times, as {CONFIG} says",
            where=path,
            remedy=NOT_ONE,
        )
    return each


def _state(
    network: nn.Module, layers: list[Convolution], order: Order, path: Path
) -> dict[str, Tensor]:
    """The weights by their names in our network, whose modules follow the same course."""
    state = {}
    ours = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]
    for number, ((name, module), layer) in enumerate(zip(ours, layers, strict=True), start=1):
        axes = order[layer.kernel.ndim - 2]
        weight = np.transpose(layer.kernel, (-1, -2, *axes))
        if weight.shape != module.weight.shape:
            raise ModelError(
                f"layer {number} of {len(layers)}, {layer.name}, has {_said(weight.shape)}, where "
                f"{CONFIG} asks for {_said(module.weight.shape)}",
                where=path,
                remedy=NOT_ONE,
            )
        state[f"{name}.weight"] = torch.from_numpy(np.ascontiguousarray(weight))
        state[f"{name}.bias"] = torch.from_numpy(layer.bias)
    return state


def _said(shape: tuple[int, ...]) -> str:
    size = " x ".join(map(str, shape[2:]))
    return f"a kernel of {size} pixels from {shape[1]} to {shape[0]} channels"
