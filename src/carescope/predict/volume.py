"""Whole volumes, with their channels and time points: loops over blocks that fit in memory."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from carescope import normalize, trust
from carescope.errors import ModelError
from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Ensemble, Model, with_tta
from carescope.normalize import Affine
from carescope.predict.blocks import Block, plan
from carescope.predict.engaged import engaged
from carescope.predict.estimate import Estimate, Floats
from carescope.predict.flow import flow
from carescope.predict.memory import room
from carescope.predict.outline import Outline, layer_names, outline, provenance
from carescope.predict.sight import Sight, sight
from carescope.predict.single import restore_sight
from carescope.predict.widening import widening

Place = tuple[Any, ...]
#: A time point, and a block of it.
At = tuple[int, Block]


@dataclass(frozen=True)
class Restored:
    """A restoration and where it came from.

    Parameters
    ----------
    mean
        The restored image, grey levels, float32.
    grid
        Where the planes of an isotropic restoration lie; None of any other.
    provenance
        What its metadata should say when it is written: the caution, the model's hash, the
        source. `carescope.save` takes it.
    scale
        For a model with scales the spread of each voxel, in grey levels: Laplace scale b, or
        Gaussian standard deviation.
    disagreement
        For an ensemble of such models how much they disagree, from 0 to 1.
    spread
        The family of the distributions, laplace or gaussian; None without scales.
    """

    mean: Image
    grid: Grid | None
    provenance: dict[str, str]
    scale: Image | None = None
    disagreement: Image | None = None
    spread: str | None = None

    def interval(self, level: float) -> tuple[Image, Image]:
        """The central interval that holds the truth of each voxel with a probability.

        Parameters
        ----------
        level
            The probability, in [0, 1).

        Returns
        -------
        low, high
            Grey levels, float32.

        Raises
        ------
        ModelError
            The model has no scales.
        UsageError
            The level is none.
        """
        if self.scale is None or self.spread is None:
            raise ModelError(
                "the model does not say how sure it is, so there is no interval",
                remedy="Train it with --laplace",
            )
        low, high = trust.interval(self.mean.array(), self.scale.array(), level, family=self.spread)
        return replace(self.mean, data=low), replace(self.mean, data=high)


def restore(
    model: Model | Ensemble,
    image: Image,
    *,
    force: bool = False,
    engine: str = "auto",
    tta: bool = False,
) -> Restored:
    """Restore an image in memory.

    Parameters
    ----------
    model
        What restores.
    image
        Axes YX, or ZYX where the model needs stacks, with C, T or both; grey levels without
        NaN. For an isotropic model with a voxel size.
    force
        Restore also where plane distance and pixel size have another ratio than the model's.
    engine
        What runs the network: ``torch`` (float32, the reference), ``openvino``, ``compile``, or
        ``auto``: the fastest, where there is much to do. All but torch are compared with it first,
        and used where they differ by at most 1e-3 (RMS over range).
    tta
        Restore mirror images too and take the mean, test-time augmentation: see
        `carescope.model.with_tta`.

    Returns
    -------
    Restored
        Its axes are the image's, in the order TCZYX. An isotropic `mean` has
        floor((planes - 1) * factor) + 1 planes and isotropic voxels.

    Raises
    ------
    InputError
        The image does not have the geometry or the channels that the model was trained for, or
        is constant.
    UsageError
        There is no such engine.
    """
    model = with_tta(model) if tta else model
    there = outline(model, image, force=force)
    maps = normalize.fit(image, model.recipe.percentiles)
    model, said = engaged(model, image, there, maps, engine)
    for one in said:
        warnings.warn(one, stacklevel=2)
    layers: dict[str, Floats] = {n: np.empty(there.shape, np.float32) for n in layer_names(model)}
    restore_into(lambda place, part: part.into(layers, place), model, image, there, maps=maps)
    told = (there.axes, there.voxel_um, there.channel_names, image.source, there.frame_s)
    images = {name: Image(values, *told) for name, values in layers.items()}
    facts = provenance(model, image)
    return Restored(grid=there.grid, provenance=facts, spread=model.family, **images)


def restore_into(
    keep: Callable[[Place, Estimate], None],
    model: Model | Ensemble,
    image: Image,
    there: Outline,
    *,
    maps: Sequence[Affine] | None = None,
    memory_bytes: int | None = None,
    wanted: Collection[str] | None = None,
    watch: Callable[[float], None] | None = None,
) -> None:
    """Restore block by block, handing each block to `keep`; memory stays bounded.

    While a block is restored, the next is read and the last one is kept.

    Parameters
    ----------
    keep
        Called with the place of each block in an array of the outline's shape, and with what was
        restored; in a thread, one block at a time.
    model, image
        As for `restore`.
    there
        What the restoration will be: `outline`.
    maps
        What normalises each channel; by default the recipe's percentiles of the whole image, all
        time points together.
    memory_bytes
        What a block may take while it is restored; where None, up to four gigabytes.
    wanted
        Which fields of an `Estimate` are; all but the height unless given. Disagreement and height
        take a while.
    watch
        Called with the share that is done, 0 to 1.
    """
    maps = normalize.fit(image, model.recipe.percentiles) if maps is None else maps
    memory_bytes = room(None) if memory_bytes is None else memory_bytes
    blocks = list(plan(model, there.space, memory_bytes))
    steps = Steps(model, image, there, maps=maps, wanted=wanted)
    count, finished = image.size("T") * len(blocks), itertools.count(1)

    def tell(_: At, _kept: None) -> None:
        if watch:
            watch(next(finished) / count)

    flow(
        itertools.product(range(image.size("T")), blocks),
        lambda at: steps.see(*at),
        steps.restore,
        lambda at, part: keep(place_of(there, *at), part),
        tell,
    )


class Steps:
    """What restores blocks of an image, in any order: each is seen first, and then restored.

    What is known of the image as a whole is found here, once. Parameters are those of
    `restore_into`.
    """

    def __init__(
        self,
        model: Model | Ensemble,
        image: Image,
        there: Outline,
        *,
        maps: Sequence[Affine],
        wanted: Collection[str] | None = None,
    ) -> None:
        self._model, self._there, self._maps = model, there, maps
        self._wanted = layer_names(model) if wanted is None else wanted
        self._frames, self._wider = image.frames(), widening(model, image, maps)

    def see(self, time: int, block: Block) -> Sight:
        """Read what a block of a time point needs."""
        return sight(self._model, self._frames[time], self._maps, block, grid=self._there.grid)

    def restore(self, block: Sight) -> Estimate:
        """Restore it, with the axes that the restoration has."""
        part = restore_sight(
            self._model,
            self._maps,
            block,
            disagreement="disagreement" in self._wanted,
            height="height" in self._wanted,
        )
        if self._wider is not None and part.scale is not None:
            part = part._replace(scale=part.scale * self._wider)
        return Estimate(*(_shaped(values, self._there) for values in part))


def place_of(there: Outline, time: int, block: Block) -> Place:
    """Where a block of a time point lies in a restoration."""
    z, y, x = block
    named: dict[str, Any] = {"T": time, "C": slice(None), "Z": z, "Y": y, "X": x}
    return tuple(named[axis] for axis in there.axes)


def _shaped(values: Any, there: Outline) -> Any:
    """(C, Z, Y, X) without those axes that a restoration does not have."""
    if values is None:
        return None
    return values[tuple(slice(None) if axis in there.axes else 0 for axis in "CZYX")]
