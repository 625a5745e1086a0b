"""How far a network looks: what a tile must hold beyond what it is to restore.

Not-a-number is a dye. Put it into one plane of the input and run the network: every weighted
sum, maximum and activation that reads the plane becomes not-a-number, whatever the weights,
so that the stain on the output is exactly the set of pixels that depend on the plane. No
formula for a particular network is needed.
"""

from __future__ import annotations

import copy
import math
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from carescope.errors import ModelError

LONGEST_PROBE = 2048
"""Length in pixels beyond which a network is taken to look at everything."""

_known: WeakKeyDictionary[nn.Module, tuple[int, ...]] = WeakKeyDictionary()


def grid(network: nn.Module, ndim: int | None = None) -> tuple[int, ...]:
    """Return the pooling grid: the lengths that an input must be a multiple of.

    Parameters
    ----------
    network
        A network. One that pools says so in its attribute ``grid``.
    ndim
        Spatial axes, for a network without that attribute; 2 unless given.

    Returns
    -------
    tuple of int
        One number per spatial axis in pixels; 1 where nothing is pooled.

    Raises
    ------
    ModelError
        The network pools without saying its grid, or has another number of axes.
    """
    declared = getattr(network, "grid", None)
    if declared is None:
        if any(_strides(module) for module in network.modules()):
            raise ModelError(
                f"the network {type(network).__name__} pools but does not say its grid",
                remedy="Set the attribute grid to the pooling factor of each spatial axis",
            )
        return (1,) * (ndim or 2)
    if ndim is not None and len(declared) != ndim:
        raise ModelError(
            f"the network has {len(declared)} spatial axes, not {ndim}",
            remedy="Use a network made for such images",
        )
    return tuple(int(n) for n in declared)


def reach(network: nn.Module, ndim: int | None = None) -> tuple[int, ...]:
    """Return the largest distance at which an input pixel changes an output pixel.

    The maximum over all positions in the pooling grid, on both sides. A crop that holds
    `reach` pixels more on each side, and that begins and ends on the grid, is so restored as
    it would be within the whole image.

    Parameters
    ----------
    network
        Takes (batch, channel, [Z,] Y, X) and returns the same space, or without Z.
    ndim
        Spatial axes, for a network without the attribute ``grid``; 2 unless given.

    Returns
    -------
    tuple of int
        Pixels per spatial axis; 0 along a Z that the output lacks, which must never be cut.

    Raises
    ------
    ModelError
        The reach has no bound below half of `LONGEST_PROBE`.
    """
    multiple = grid(network, ndim)
    if network not in _known:
        # In double precision each convolution is a plain sum of products; faster algorithms
        # mix neighbouring pixels and would smear the dye.
        probe = copy.deepcopy(network).to("cpu", torch.float64).eval()
        _known[network] = tuple(_along(probe, axis, multiple) for axis in range(len(multiple)))
    return _known[network]


def _along(network: nn.Module, axis: int, multiple: tuple[int, ...]) -> int:
    period = multiple[axis]
    length = math.ceil(64 / period) * period
    while length <= max(LONGEST_PROBE, 2 * period):
        stain = _stain(network, axis, multiple, length)
        if not stain[:, [0, -1]].any():
            dyed = _first_dyed(length, period) + torch.arange(period)
            distance = (torch.arange(length) - dyed[:, None]).abs()
            return int((distance * stain).max())
        length *= 2
    raise ModelError(
        f"the network looks further than {LONGEST_PROBE // 2} pixels along spatial axis {axis}",
        remedy="It cannot be tiled along that axis",
    )


@torch.no_grad()
def _stain(network: nn.Module, axis: int, multiple: tuple[int, ...], length: int) -> Tensor:
    """Dye one plane in each position of the grid: (positions, length), true where it shows.

    The other axes are as short as the grid allows; the plane covers them wholly.
    """
    period = multiple[axis]
    space = tuple(length if i == axis else n for i, n in enumerate(multiple))
    image = torch.zeros(period, _channels_in(network), *space, dtype=torch.float64)
    for position in range(period):
        image[position].select(axis + 1, _first_dyed(length, period) + position).fill_(math.nan)
    output: Tensor = network(image)
    if output.ndim < image.ndim:
        if axis == 0:
            return torch.zeros(period, length, dtype=torch.bool)
        output = output.unsqueeze(2)
    return output.isnan().movedim(axis + 2, 1).flatten(2).any(dim=2)


def _first_dyed(length: int, period: int) -> int:
    return length // (2 * period) * period


def _channels_in(network: nn.Module) -> int:
    """What a network says of itself, or the first layer that says how many it reads."""
    for module in network.modules():
        for name in ("channels_in", "in_channels"):
            channels = getattr(module, name, None)
            if isinstance(channels, int):
                return channels
    return 1


def _strides(module: nn.Module) -> bool:
    """Whether a module makes its image smaller."""
    stride = getattr(module, "stride", 1)
    return any(n != 1 for n in (stride if isinstance(stride, tuple) else (stride,)))
