"""In which plane a projecting network saw the surface: the height map that its image implies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from carescope import normalize
from carescope.errors import ModelError
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.predict.blocks import plan
from carescope.predict.direct import height_of
from carescope.predict.memory import room
from carescope.predict.outline import outline
from carescope.predict.sight import sight


def heights(
    model: Model | Ensemble,
    image: Image,
    *,
    maps: Sequence[Affine] | None = None,
    memory_bytes: int | None = None,
) -> Image:
    """The plane in which a model sees the surface, for each pixel.

    The plane from which most of the light comes that it sums up with its weights
    ``w = softmax(g(x))`` along Z; of an ensemble the mean over its members. Where nothing is to be
    seen it says little.

    Parameters
    ----------
    model
        One that projects.
    image
        Axes ZYX, with C, T or both; grey levels.
    maps
        What normalises each channel; by default the recipe's percentiles of the whole image.
    memory_bytes
        What a block may take; where None, up to four gigabytes.

    Returns
    -------
    Image
        Axes YX, or TYX, float32: planes, counted from 0 and with fractions.

    Raises
    ------
    ModelError
        The model does not project.
    InputError
        The image does not suit it.
    """
    check_projects(model)
    there = outline(model, image)
    maps = normalize.fit(image, model.recipe.percentiles) if maps is None else maps
    frames = image.frames()
    memory_bytes = room(None) if memory_bytes is None else memory_bytes
    found = np.empty((len(frames), *there.space[1:]), np.float32)
    for frame, heights in zip(frames, found, strict=True):
        for block in plan(model, there.space, memory_bytes):
            heights[block[1:]] = height_of(model, sight(model, frame, maps, block))
    whole = found if "T" in image.axes else found[0]
    return Image(whole, "TYX"[-whole.ndim :], there.voxel_um, (), image.source, there.frame_s)


def check_projects(model: Model | Ensemble) -> None:
    """Refuse to tell the height of a surface with a model that finds none."""
    if model.task.kind != "project":
        raise ModelError(
            f"the model does not project stacks; its task is {model.task.kind}",
            where="--height",
            remedy="Leave --height out, or give a model of train project",
        )
