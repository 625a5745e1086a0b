"""The engine that restores an image: which one is worth it, and whether it is right there."""

from __future__ import annotations

from collections.abc import Sequence

from carescope import engine
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.predict.blocks import block_size, seen_px, tile
from carescope.predict.glimpse import glimpses
from carescope.predict.memory import room
from carescope.predict.outline import Outline


def engaged(
    model: Model | Ensemble,
    image: Image,
    there: Outline,
    maps: Sequence[Affine],
    name: str = "auto",
    *,
    memory_bytes: int | None = None,
    settled: str | None = None,
) -> engine.Choice:
    """A model that restores an image by the engine of a name; see `carescope.engine.choose`.

    Parameters
    ----------
    model, image
        What restores, and what is restored.
    there
        What the restoration will be: `outline`.
    maps
        What normalises each channel.
    name
        ``auto``, ``torch``, ``openvino`` or ``compile``.
    memory_bytes
        What a block may take; where None, up to four gigabytes.
    settled
        The engine with which the same work was begun.
    """

    def parts() -> list[engine.Floats]:
        return list(glimpses(model, image.frames()[0], maps, grid=there.grid))

    memory_bytes = room(None) if memory_bytes is None else memory_bytes
    size = block_size(model, there.space, memory_bytes)
    # While one engine is tried the best so far keeps its memory.
    tried = block_size(model, there.space, memory_bytes // 2)
    return engine.choose(
        model,
        name,
        parts=parts,
        tile=tile(model, there.space, tried),
        pixels=seen_px(model, there.space, size) * image.size("T"),
        settled=settled,
    )
