"""The convolutions in a Keras weights file, read with h5py: no TensorFlow, and no code is run.

Keras has written such files in two layouts. The older one, which CSBDeep asks for to this day,
lists its layers in the attribute ``layer_names``, and each layer's weights in ``weight_names``; a
nested network is one layer with the weights of all of its own. Files called ``*.weights.h5`` have a
group ``layers`` instead, whose members are numbered along the network: conv2d, conv2d_1, ...
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from carescope.errors import ModelError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01\x00\x00\x00"
_MOST_PACKED = 20  # how many bytes of weights one byte of the file may stand for
_COPY_AGAIN = "Copy the file again from where the model was trained"

Floats = npt.NDArray[np.float32]


class Convolution(NamedTuple):
    """A layer of a Keras network.

    Parameters
    ----------
    name
        What the file calls it.
    kernel
        (*space, channels in, channels out) float32, space in the order of the network's axes.
    bias
        (channels out,) float32.
    """

    name: str
    kernel: Floats
    bias: Floats


def convolutions(content: bytes, path: Path) -> list[Convolution]:
    """Return the convolutions of a network, from its input to its output.

    Parameters
    ----------
    content
        The content of a weights file.
    path
        Its name, for errors.

    Raises
    ------
    ModelError
        The file is damaged, holds other layers or none, or weights that are not finite.
    """
    if not content.startswith(_SIGNATURE):
        raise ModelError("this is not an HDF5 file", where=path, remedy=_COPY_AGAIN)
    try:
        arrays = _arrays(content)
    except Exception as error:  # damage shows itself in any way
        cause = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(
            f"the weights are damaged, cut short, or not Keras's: {cause}",
            where=path,
            remedy=_COPY_AGAIN,
        ) from None
    if not arrays:
        raise ModelError("it holds no weights", where=path, remedy=_COPY_AGAIN)
    for name, array in arrays:
        if not np.isfinite(array).all():
            raise ModelError(
                f"the weights {name} hold NaN or infinity",
                where=path,
                remedy="Import other weights of this model, or train it again",
            )
    return _paired(arrays, path)


def _arrays(content: bytes) -> list[tuple[str, Floats]]:
    """Every array of weights and its name, in the order of the layers."""
    import h5py

    _refuse_endless(content)
    with h5py.File(io.BytesIO(content), "r") as file:
        stored = list(_listed(file.get("model_weights", file)))
        for name, dataset in stored:
            elsewhere = dataset.file.id != file.id or dataset.is_virtual or dataset.external
            if elsewhere or dataset.dtype.kind != "f":
                raise ValueError(f"{name} is not an array of numbers in this file")
        if sum(dataset.nbytes for _, dataset in stored) > _MOST_PACKED * len(content):
            raise ValueError("it says to hold more weights than it can")
        return [(name, np.asarray(dataset[()], np.float32)) for name, dataset in stored]


def _refuse_endless(content: bytes) -> None:
    """Follow the heaps that hold the names of layers to their ends.

    HDF5 goes from one object of a heap to the next by sizes that the file states, and for ever
    where damage made one of them zero.
    """
    start = content.find(_HEAP)
    while start >= 0:
        (size,) = struct.unpack_from("<Q", content, start + len(_HEAP))
        at, end = start + 16, start + size
        while at < end:
            number, _, _, length = struct.unpack_from("<HHIQ", content, at)
            step = length if number == 0 else 16 + (length + 7) // 8 * 8  # 0 is what is free
            if step < 16 or at + step > end:
                raise ValueError("its names are broken")
            at += step
        start = content.find(_HEAP, start + 1)


def _listed(root: Any) -> Iterator[tuple[str, Any]]:
    """Every stored array of a file of either layout, and its name."""
    names = _attribute(root, "layer_names")
    if names is None:
        yield from _numbered(root["layers"], "")
        return
    for layer in names:
        for weights in _attribute(root[layer], "weight_names") or []:
            yield weights, root[layer][weights]


def _attribute(group: Any, name: str) -> list[str] | None:
    """A list of names, which Keras splits into name0, name1, ... where it is long."""
    if name in group.attrs:
        parts = [group.attrs[name]]
    else:
        numbers = range(len(group.attrs))
        parts = [group.attrs[f"{name}{n}"] for n in numbers if f"{name}{n}" in group.attrs]
        if not parts:
            return None
    return [n.decode() if isinstance(n, bytes) else str(n) for part in parts for n in part]


def _numbered(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The arrays of the newer layout, layers and arrays in the order of their numbers."""
    for name in sorted(group, key=_number):
        member, full = group[name], f"{path}/{name}".lstrip("/")
        if hasattr(member, "keys"):
            yield from _numbered(member, full)
        else:
            yield full, member


def _number(name: str) -> tuple[str, int]:
    """What sorts conv2d, conv2d_1, ..., conv2d_10, and 0, 1, ..., 10, as they were counted."""
    stem, number = re.fullmatch(r"(.*?)_?(\d*)", name).groups()  # type: ignore[union-attr]
    return stem, int(number or 0)


def _paired(arrays: list[tuple[str, Floats]], path: Path) -> list[Convolution]:
    """Kernels with the biases that follow them."""
    layers = []
    rest = iter(arrays)
    for name, kernel in rest:
        _, bias = next(rest, ("", np.zeros(0, np.float32)))
        if kernel.ndim not in (4, 5) or bias.shape != kernel.shape[-1:]:
            raise ModelError(
                f"{name} is no part of a convolution and its bias, of which networks of CSBDeep "
                "are made",
                where=path,
                remedy="Give a model of CSBDeep; others cannot be imported",
            )
        layers.append(Convolution(name.rpartition("/")[0] or name, kernel, bias))
    return layers
