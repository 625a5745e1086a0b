"""The brick that every network here is made of: a convolution, its activation, its dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from carescope.errors import UsageError
from carescope.net.dropout import Dropout
from carescope.net.steady import Conv2d, Conv3d

Size = int | tuple[int, ...]

# By number of spatial axes. Any: torch wants the sizes as tuples of exactly that many.
_CONVOLUTION: dict[int, Any] = {2: Conv2d, 3: Conv3d}
_MAX_POOL: dict[int, Any] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
}
"""Activations by the names that Keras has for them as well."""


def per_axis(size: Size, ndim: int, name: str) -> tuple[int, ...]:
    """Spell a size out for each spatial axis: 2 becomes (2, 2) or (2, 2, 2).

    Raises
    ------
    UsageError
        There is not one whole number of at least 1 for each axis.
    """
    sizes = (size,) * ndim if isinstance(size, int) else tuple(size)
    if len(sizes) != ndim or any(n < 1 for n in sizes):
        raise UsageError(
            f"{name} {size!r} is not one number of at least 1 for each of {ndim} spatial axes",
            remedy=f"Give one whole number, or {ndim} of them in the order of the axes",
        )
    return sizes


def convolution(ndim: int, channels_in: int, channels_out: int, kernel: Size) -> nn.Module:
    """Return a convolution that keeps the image's size, padding it with zeros.

    Weights are uniform after Glorot and Bengio (2010), biases zero.

    Parameters
    ----------
    ndim
        Spatial axes, 2 or 3.
    channels_in, channels_out
        Features before and after.
    kernel
        Kernel size in pixels, odd, one for all axes or one for each.

    Raises
    ------
    UsageError
        There are neither 2 nor 3 spatial axes, or a kernel size is even: it would have no
        middle, and the output would be shifted by half a pixel.
    """
    if ndim not in _CONVOLUTION:
        raise UsageError(f"a network has 2 or 3 spatial axes, not {ndim}")
    sizes = per_axis(kernel, ndim, "kernel")
    if any(n % 2 == 0 for n in sizes):
        raise UsageError(
            f"kernel {kernel!r} is even, which would shift the image by half a pixel",
            remedy="Choose an odd kernel size, such as 3 or 5",
        )
    padding = tuple(n // 2 for n in sizes)
    layer: nn.Module = _CONVOLUTION[ndim](channels_in, channels_out, sizes, padding=padding)
    weight, bias = layer.parameters()
    nn.init.xavier_uniform_(weight)
    nn.init.zeros_(bias)
    return layer


def activated(name: str) -> nn.Module:
    """Return the activation of that name.

    Raises
    ------
    UsageError
        It is none of `ACTIVATIONS`.
    """
    if name not in ACTIVATIONS:
        raise UsageError(
            f"there is no activation {name!r}",
            remedy=f"Choose one of {', '.join(ACTIVATIONS)}",
        )
    return ACTIVATIONS[name]()


def block(
    ndim: int,
    channels_in: int,
    channels_out: int,
    kernel: Size,
    dropout: float = 0.0,
    activation: str = "relu",
) -> nn.Sequential:
    """Return a convolution, its activation, and dropout of single features where it is above 0."""
    layers = [convolution(ndim, channels_in, channels_out, kernel), activated(activation)]
    if dropout > 0:
        layers.append(Dropout(dropout))
    return nn.Sequential(*layers)


def max_pool(pool: tuple[int, ...]) -> nn.Module:
    """Return the maximum over cells of `pool` pixels per axis, a pixel a cell."""
    layer: nn.Module = _MAX_POOL[len(pool)](pool)
    return layer


def upsample(pool: tuple[int, ...]) -> nn.Module:
    """Return the repetition of each pixel over a cell of `pool` pixels per axis."""
    return nn.Upsample(scale_factor=tuple(float(n) for n in pool), mode="nearest")
