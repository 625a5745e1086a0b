"""The metadata of OME-Zarr 0.4 and 0.5: axes, resolution levels, voxel size, channels, notes.

References
----------
Next-generation file formats, https://ngff.openmicroscopy.org/0.5/ and /0.4/.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from carescope.errors import InputError
from carescope.image import VoxelSize
from carescope.read import units
from carescope.read.ome import PROVENANCE
from carescope.read.store import CONVERT, Node

_TYPES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}


@dataclass(frozen=True)
class Multiscale:
    """An image of several resolution levels, as its metadata tell.

    Parameters
    ----------
    version
        Of OME-Zarr.
    axes
        One letter of ``TCZYX`` a dimension, ``?`` for one of another kind.
    levels
        The names of its arrays, the finest first.
    lengths_um
        Of a pixel of the finest level along each axis; None where that is no length.
    frame_s
        From one time point to the next, or None where that is unknown.
    """

    version: str
    axes: str
    levels: tuple[str, ...]
    lengths_um: tuple[float | None, ...]
    channel_names: tuple[str, ...]
    frame_s: float | None

    def voxel_um(self, shape: tuple[int, ...]) -> VoxelSize | None:
        """The voxel size (z, y, x) of the finest level, or None where it is not known."""
        known = dict(zip(self.axes, self.lengths_um, strict=True))
        planes = dict(zip(self.axes, shape, strict=True)).get("Z", 1)
        z = known.get("Z")
        if z is None and planes == 1:
            z = 1.0  # a single plane has no distance to the next
        return units.voxel(z, known.get("Y"), known.get("X"))


def multiscale(group: Node) -> Multiscale:
    """The one image that a group is.

    Raises
    ------
    InputError
        It is a plate, a well, labels or a collection, it holds several images or none, or its
        metadata are of another version or contradict themselves.
    """
    facts = _facts(group)
    listed = facts.get("multiscales")
    if not isinstance(listed, list) or not listed:
        raise _no_image(group, facts)
    if "image-label" in facts:
        raise InputError(
            "is an image of labels, not of light",
            where=group.path,
            remedy="Give the image that the labels belong to",
        )
    if len(listed) > 1:
        raise InputError(
            f"holds {len(listed)} multiscale images, and one is needed",
            where=group.path,
            remedy="Save the image you want as a store of its own",
        )
    version = _version(group, facts, listed[0])
    return _parse(group, version, listed[0], facts.get("omero"))


def provenance(group: Node) -> dict[str, str]:
    """The notes that we wrote about how an image was made, or nothing."""
    notes = group.attributes.get(PROVENANCE)
    return {str(k): str(v) for k, v in notes.items()} if isinstance(notes, dict) else {}


def _facts(group: Node) -> dict[str, Any]:
    """The part of a group's attributes that is OME's."""
    if group.version == 2:
        return group.attributes
    facts = group.attributes.get("ome")
    if isinstance(facts, dict):
        return facts
    if "multiscales" in group.attributes:
        raise InputError(
            "has metadata of OME-Zarr 0.4 in a store of Zarr 3, which no version of OME-Zarr knows",
            where=group.path,
            remedy=CONVERT,
        )
    return {}


def _version(group: Node, facts: dict[str, Any], listed: Any) -> str:
    told = facts.get("version") if group.version == 3 else None
    if told is None and isinstance(listed, dict):
        told = listed.get("version")
    wanted = "0.4" if group.version == 2 else "0.5"
    # Version 0.4 asks for the version, and need not have it.
    if told != wanted and not (told is None and group.version == 2):
        raise InputError(
            f"is OME-Zarr {told or 'of no version'} in a store of Zarr {group.version}; "
            "what is read is 0.4 in Zarr 2 and 0.5 in Zarr 3",
            where=group.path,
            remedy=CONVERT,
        )
    return wanted


def _no_image(group: Node, facts: dict[str, Any]) -> InputError:
    """What a group without an image is instead, and what to give."""
    kinds = {
        "plate": ("is a plate of many images", "one of its fields, such as A/1/0 in it"),
        "well": ("is a well of many images", "one of its fields, such as 0 in it"),
        "labels": ("is a group of labels", "the image that they belong to"),
        "bioformats2raw.layout": ("is a collection of images", "one of them, such as 0 in it"),
    }
    for key, (what, remedy) in kinds.items():
        if key in facts or key in group.attributes:
            return InputError(what, where=group.path, remedy=f"Give {remedy}")
    return InputError(
        "is a Zarr group without the metadata of OME-Zarr, so that nobody knows its axes",
        where=group.path,
        remedy=CONVERT,
    )


def _parse(group: Node, version: str, listed: Any, omero: Any) -> Multiscale:
    """Validate and read an entry of multiscales; of omero no more than names is asked."""
    import yaozarrs
    from pydantic import ValidationError

    model = yaozarrs.v04.Multiscale if version == "0.4" else yaozarrs.v05.Multiscale
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a unit that is none is no length to us either
            found = model.model_validate(listed)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        said = " ".join(str(first["msg"]).split())
        raise InputError(
            f"has metadata that are not OME-Zarr {version}: {place or 'multiscales'}: {said}",
            where=group.path,
            remedy="Mend its metadata, or save it again as OME-Zarr",
        ) from error
    axes = "".join(_letter(axis) for axis in found.axes)
    levels = tuple(dataset.path for dataset in found.datasets)  # names outside itself are invalid
    lengths: list[float | None] = []
    frame_s = None
    for number, axis in enumerate(found.axes):
        unit = units.micrometres(axis.unit) if axis.type == "space" and axis.unit else None
        together = found.datasets[0].coordinateTransformations, found.coordinateTransformations
        scale = 1.0
        for transform in (t for part in together for t in part or ()):
            scale *= transform.scale[number] if transform.type == "scale" else 1.0
        lengths.append(None if unit is None else scale * unit)
        if axis.type == "time" and axis.unit:
            frame_s = units.interval(scale, axis.unit)
    return Multiscale(version, axes, levels, tuple(lengths), _names(omero), frame_s)


def _letter(axis: Any) -> str:
    """T, C, Z, Y or X, where name and type agree."""
    letter = str(axis.name).upper()
    return letter if _TYPES.get(letter, "") == axis.type else "?"


def _names(omero: Any) -> tuple[str, ...]:
    """The labels of the channels, as far as they can be read."""
    channels = omero.get("channels") if isinstance(omero, dict) else None
    listed = channels if isinstance(channels, list) else []
    names = tuple(str(c.get("label") or "") if isinstance(c, dict) else "" for c in listed)
    return names if any(names) else ()
