"""Models made by CSBDeep, as networks of this package: exactly the same function.

Layers are found by their place along the network and their shapes, not by names, which differ
between versions of Keras. Kernels (*space, in, out) become (out, in, *space), space in the order
Z, Y, X whatever order the model was trained with.

References
----------
.. [1] Weigert et al., Content-aware image restoration: pushing the limits of fluorescence
   microscopy, Nature Methods 15 (2018). https://doi.org/10.1038/s41592-018-0216-7
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torch import Tensor

from carescope.errors import ModelError, UsageError
from carescope.files.folder import read_bytes
from carescope.model.csbdeep_config import CONFIG, Config, read_config
from carescope.model.csbdeep_network import NOT_ONE, Order, translate
from carescope.model.csbdeep_weights import Convolution, convolutions

Kind = Literal["denoise", "isotropic", "upsample", "project"]

PERCENTILES = (2.0, 99.8)
"""What CSBDeep normalises an image with when it restores."""

#: Kinds as CSBDeep's users know them.
_SAID = {
    "denoise": "care",
    "project": "projection",
    "isotropic": "isotropic",
    "upsample": "upsampling",
}
_USUAL = ("weights_best.h5", "weights_last.h5", "weights_now.h5")


class Imported(NamedTuple):
    """A model of CSBDeep's.

    Parameters
    ----------
    kind
        What it does: ``denoise``, ``isotropic``, ``upsample`` or ``project``.
    axes
        The space that the network sees, YX or ZYX; of an isotropic model an axial section.
    channels_in, channels_out
        Channels of the image and of its restoration.
    architecture
        What `carescope.net.build` makes the network from.
    state
        Its weights, for ``load_state_dict``.
    loss
        What it was trained with: ``mae``, ``mse`` or ``laplace``, which has scales.
    percentiles
        What normalises an image.
    factor
        Restored planes per recorded plane.
    facts
        The model's folder, the weights file and its hash, and config.json as it stands there.
    """

    kind: Kind
    axes: Literal["YX", "ZYX"]
    channels_in: int
    channels_out: int
    architecture: dict[str, Any]
    state: dict[str, Tensor]
    loss: Literal["mae", "mse", "laplace"]
    percentiles: tuple[float, float]
    factor: float
    facts: dict[str, Any]


def read_csbdeep(folder: Path, *, kind: str | None = None, factor: float | None = None) -> Imported:
    """Read the folder of a model: config.json and its Keras weights.

    Parameters
    ----------
    folder
        What CSBDeep calls ``basedir/name``.
    kind
        ``isotropic`` or ``upsample`` for models that `IsotropicCARE` or `UpsamplingCARE` is used
        with: the files do not tell. ``denoise`` or ``project``, by the network, unless given.
    factor
        Restored planes per recorded plane, for these two: CSBDeep is told in restoring.

    Raises
    ------
    ModelError
        The folder is not of CSBDeep's CARE, its weights are missing, damaged or not finite, or
        they are not those of the network that config.json describes.
    UsageError
        The kind is not one that this network can be, or the factor is missing or out of place.
    """
    config, content = read_config(folder)
    path = _weights_file(folder, config)
    stored = read_bytes(path)
    layers = convolutions(stored, path)
    chosen = _kind(layers, kind, path)
    planes = _factor(chosen, factor)
    space = _space(config, layers, folder / CONFIG)
    order = _order(chosen, space)
    architecture, state = translate(config, layers, order, path)
    return Imported(
        kind=chosen,
        axes="YX" if len(space) == 2 else "ZYX",
        channels_in=architecture["channels"],
        channels_out=architecture["channels_out"],
        architecture=architecture,
        state=state,
        loss=config.loss,
        percentiles=PERCENTILES,
        factor=planes,
        facts={
            "source": "CSBDeep",
            "folder": folder.resolve().name,
            "weights": path.name,
            "weights_sha256": hashlib.sha256(stored).hexdigest(),
            "config": content,
        },
    )


def _weights_file(folder: Path, config: Config) -> Path:
    """The best weights that are there, as CSBDeep would choose them."""
    there = {p.name: p for p in folder.iterdir() if p.suffix in (".h5", ".hdf5")}
    there = {name: p for name, p in sorted(there.items()) if not name.startswith(".")}
    best = [name for name in there if "best" in name]
    wanted = [config.train_checkpoint, *_USUAL[:1], *best, *_USUAL, *there]
    for name in wanted:
        if name in there:
            return there[name]
    exported = next((p for p in sorted(folder.glob("*.zip"))), None)
    raise ModelError(
        "there are no weights, *.h5"
        + (f", only the exported {exported.name}, which is for Fiji" if exported else ""),
        where=folder,
        remedy="Add weights_best.h5 from the folder in which the model was trained",
    )


def _kind(layers: list[Convolution], kind: str | None, path: Path) -> Kind:
    """What the network is used for, by its dimensions where it was not said."""
    dimensions = [layer.kernel.ndim - 2 for layer in layers]
    if dimensions != sorted(dimensions, reverse=True):
        raise ModelError(
            "its layers go from 2D to 3D, as no network of CSBDeep does",
            where=path,
            remedy=NOT_ONE,
        )
    kinds: tuple[Kind, ...] = ("project",)
    if dimensions[0] == dimensions[-1]:
        kinds = ("denoise", "isotropic") if dimensions[0] == 2 else ("denoise", "upsample")
    for name in kinds:
        if kind in (None, name):
            return name
    raise UsageError(
        f"a network from {dimensions[0]}D to {dimensions[-1]}D is of another kind than "
        f"{_SAID.get(kind or '', kind)}",
        remedy=f"Choose with --kind one of {', '.join(_SAID[name] for name in kinds)}",
    )


def _factor(kind: Kind, factor: float | None) -> float:
    needed = kind in ("isotropic", "upsample")
    if needed and (factor is None or not 1 <= factor <= 100):
        raise UsageError(
            f"a model for {_SAID[kind]} needs the number of restored planes per recorded plane, "
            f"not {factor}",
            remedy="Give --factor as in training, from 1 to 100; the model's files do not tell",
        )
    if not needed and factor not in (None, 1):
        raise UsageError(
            f"a model of kind {_SAID[kind]} leaves planes as they are",
            remedy="Leave out --factor, or choose --kind isotropic or upsampling",
        )
    return float(factor or 1)


def _space(config: Config, layers: list[Convolution], where: Path) -> str:
    """The network's spatial axes in its own order."""
    ndim = layers[0].kernel.ndim - 2
    space = config.axes or "ZYX"[-ndim:]
    if len(space) != ndim or config.n_dim not in (None, ndim):
        raise ModelError(
            f"axes = {config.axes} and n_dim = {config.n_dim} are not those of the weights, "
            f"which are of a {ndim}D network",
            where=where,
            remedy=NOT_ONE,
        )
    if layers[-1].kernel.ndim - 2 < ndim and config.proj_axis != "Z":
        raise ModelError(
            f"it projects along {config.proj_axis}, not along Z",
            where=where,
            remedy=f"Call that axis Z in axes and proj_axis, and Z {config.proj_axis}",
        )
    return space


def _order(kind: Kind, space: str) -> Order:
    """Where Z, Y, X are among the network's axes.

    `IsotropicCARE` shows its network sections whose second axis is the axial one, whatever their
    names; in this package it is the first.
    """
    if kind == "isotropic":
        return {2: [1, 0]}
    lateral = space.replace("Z", "")
    order = {2: [lateral.index(axis) for axis in "YX"]}
    return order if space == lateral else order | {3: [space.index(axis) for axis in "ZYX"]}
