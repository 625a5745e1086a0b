"""The metadata of OME-Zarr 0.5: what stands in the zarr.json of an image's group.

References
----------
Next-generation file formats, https://ngff.openmicroscopy.org/0.5/.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from carescope.errors import OutputError
from carescope.image import VoxelSize
from carescope.read.ome import PROVENANCE
from carescope.write.levels import Level

_TYPES = {"T": "time", "C": "channel"}
_UNITS = {"time": "second", "space": "micrometer"}
#: Of one channel, and of several in turn.
_GREY, _COLOURS = "FFFFFF", ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")
#: The least, a low, a high and the greatest grey level of a channel.
Window = tuple[float, float, float, float]


def group_json(
    name: str,
    axes: str,
    levels: Sequence[Level],
    voxel_um: VoxelSize | None,
    channel_names: Sequence[str],
    frame_s: float | None,
    windows: Sequence[Window],
    provenance: Mapping[str, str],
) -> str:
    """The text of the zarr.json of an image's group.

    Parameters
    ----------
    name
        Of the image.
    axes
        One letter of ``TCZYX`` a dimension, in that order.
    levels
        The finest first; the array of each is called by its number.
    voxel_um
        Voxel size (z, y, x) of the finest level, or None to state none.
    channel_names
        One name a channel, or none.
    frame_s
        Seconds between time points, or None to state none.
    windows
        For each channel between which grey levels a viewer should show it.
    provenance
        How the image was made.

    Raises
    ------
    OutputError
        What came out is not valid.
    """
    sizes = dict(zip("ZYX", voxel_um, strict=True)) if voxel_um else {}
    if frame_s is not None:
        sizes["T"] = frame_s
    image = {
        "version": "0.5",
        "multiscales": [
            {
                "name": name,
                "axes": [_axis(axis, known=axis in sizes) for axis in axes],
                "datasets": [
                    {"path": str(number), "coordinateTransformations": _place(level, axes, sizes)}
                    for number, level in enumerate(levels)
                ],
                "type": "local mean",
                "metadata": {"description": "each pixel is the mean of those that it covers"},
            }
        ],
        "omero": {"channels": _channels(channel_names, windows)},
    }
    attributes = {"ome": image} | ({PROVENANCE: dict(provenance)} if provenance else {})
    text = json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes}, indent=2)
    _validate(text)
    return text


def _axis(axis: str, *, known: bool) -> dict[str, str]:
    kind = _TYPES.get(axis, "space")
    unit = {"unit": _UNITS[kind]} if known else {}
    return {"name": axis.lower(), "type": kind} | unit


def _place(level: Level, axes: str, sizes: Mapping[str, float]) -> list[dict[str, Any]]:
    """Scale of a level, and where its first pixel lies: amid those it is the mean of."""
    scale = [sizes.get(a, 1.0) * f for a, f in zip(axes, level.factors, strict=True)]
    found: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if max(level.factors) > 1:
        middle = [sizes.get(a, 1.0) * (f - 1) / 2 for a, f in zip(axes, level.factors, strict=True)]
        found.append({"type": "translation", "translation": middle})
    return found


def _channels(names: Sequence[str], windows: Sequence[Window]) -> list[dict[str, Any]]:
    colours = _COLOURS if len(windows) > 1 else (_GREY,)
    found = []
    for number, (least, low, high, greatest) in enumerate(windows):
        label = {"label": names[number]} if names else {}
        window = {"min": least, "start": low, "end": high, "max": greatest}
        colour = colours[number % len(colours)]
        found.append(label | {"color": colour, "active": True, "window": window})
    return found


def _validate(text: str) -> None:
    import yaozarrs
    from pydantic import ValidationError

    try:
        yaozarrs.validate_ome_json(text, yaozarrs.v05.OMEZarrGroupJSON)
    except ValidationError as error:
        raise OutputError(
            f"the metadata would not be valid OME-Zarr: {error.errors()[0]['msg']}",
            remedy="Write a TIFF instead, and report this",
        ) from error
