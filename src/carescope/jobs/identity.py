"""What tells an image from any other."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from carescope.files.hashes import stamp
from carescope.image import Image
from carescope.pieces import map_pieces


def identity(image: Image) -> str:
    """A hash of what an image is: of a file by its state, of an array by its pixels."""
    if known := of_file(image):
        return known
    pixels = hashlib.sha256()
    map_pieces(image, lambda part, _: pixels.update(np.ascontiguousarray(part).tobytes()))
    return _hashed([*_choices(image)[0], pixels.hexdigest()])


def of_file(image: Image) -> str:
    """The same of an image that lies in a file, without reading it; empty for any other."""
    seen, in_memory = _choices(image)
    if in_memory or image.source is None or not Path(image.source).exists():
        return ""
    return _hashed([*seen, stamp(Path(image.source))])


def glance(image: Image) -> str:
    """A hash of the pixels of the middle plane in the middle of time: copies have the same."""
    frame = image.middle()
    plane = np.ascontiguousarray(frame.data[:, frame.size("Z") // 2])
    return hashlib.sha256(plane.tobytes()).hexdigest()


def _choices(image: Image) -> tuple[list[str], bool]:
    """What was chosen of something larger, and whether that is an array in memory."""
    data, seen = image.data, [repr((image.axes, image.shape, image.voxel_um))]
    while not isinstance(data, np.ndarray) and hasattr(data, "data"):  # a part of something else
        chosen = {name: value for name, value in vars(data).items() if name != "data"}
        seen.append(repr(sorted(chosen.items())))
        data = data.data
    return seen, isinstance(data, np.ndarray)


def _hashed(seen: list[str]) -> str:
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()
