"""OME-XML, the metadata of OME-TIFF: sizes, order of planes, voxel size, channels, notes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from carescope.errors import InputError
from carescope.image import VoxelSize
from carescope.read import units

PROVENANCE = "carescope.provenance"
_DTYPES = {
    **{n: n for n in ("int8", "int16", "int32", "uint8", "uint16", "uint32")},
    "float": "float32",
    "double": "float64",
    "bit": "bool",
}
_MOST_PLANES = 2**24


@dataclass(frozen=True)
class Pixels:
    """The Pixels element of a file with one image.

    Parameters
    ----------
    lead
        The axes before Y and X, slowest first: T, C and Z in some order.
    sizes
        The length of each of T, C, Z, Y, X.
    order
        The page of each plane.
    dtype
        NumPy's name of the pixel type.
    """

    lead: str
    sizes: dict[str, int]
    order: tuple[int, ...]
    dtype: str | None
    voxel_um: VoxelSize | None
    channel_names: tuple[str, ...]
    frame_s: float | None


def pixels(xml: str, name: str, where: str) -> Pixels:
    """Parse the OME-XML of a file.

    Parameters
    ----------
    xml
        The text.
    name
        The file's own name, to tell its planes from those of other files.
    where
        The file's name for messages.

    Raises
    ------
    InputError
        There is not exactly one image, it is spread over several files, or its planes are
        not all listed exactly once.

    References
    ----------
    OME model 2016-06, https://docs.openmicroscopy.org/ome-model/.
    """
    root = _parse(xml)
    found = [p for image in _named(root, "Image") for p in _named(image, "Pixels")]
    if len(found) != 1:
        raise InputError(
            f"holds {len(found)} OME images, and one is needed",
            where=where,
            remedy="Save the image you want as a file of its own",
        )
    element = found[0]
    order = element.attrib["DimensionOrder"]
    sizes = {a: int(element.attrib[f"Size{a}"]) for a in "TCZYX"}
    if sorted(order) != sorted("XYZCT") or order[:2] != "XY" or min(sizes.values()) < 1:
        raise _inconsistent(f"OME metadata declare {order} with sizes {sizes}", where)
    lead = order[:1:-1]
    channels = tuple(c.attrib.get("Name", "") for c in _named(element, "Channel"))
    return Pixels(
        lead,
        sizes,
        _plane_order(root, element, lead, sizes, name, where),
        _DTYPES.get(element.attrib["Type"], element.attrib["Type"]),
        _voxel(element, sizes["Z"]),
        channels if any(channels) and len(channels) == sizes["C"] else (),
        units.interval(
            element.attrib.get("TimeIncrement"), element.attrib.get("TimeIncrementUnit", "s")
        ),
    )


def provenance(xml: str) -> dict[str, str]:
    """The notes that we wrote about how an image was made, or nothing."""
    root = _parse(xml)
    for group in _named(root, "StructuredAnnotations"):
        for note in _named(group, "MapAnnotation"):
            if note.attrib.get("Namespace") == PROVENANCE:
                values = [m for v in _named(note, "Value") for m in _named(v, "M")]
                return {m.attrib["K"]: m.text or "" for m in values}
    return {}


def _parse(xml: str) -> ElementTree.Element:
    """Parse XML that declares nothing of its own, as OME-XML does not: no entities to expand."""
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise ValueError("its OME-XML declares a document type")
    return ElementTree.fromstring(xml)  # noqa: S314


def _named(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """The children of that name, whichever version of the schema they are of."""
    return (child for child in element if child.tag.rsplit("}")[-1] == name)


def _voxel(element: ElementTree.Element, planes: int) -> VoxelSize | None:
    size: list[float | None] = []
    for axis in "ZYX":
        value = units.number(element.attrib.get(f"PhysicalSize{axis}"))
        unit = units.micrometres(element.attrib.get(f"PhysicalSize{axis}Unit", "µm"))
        size.append(value * unit if value is not None and unit is not None else None)
    if size[0] is None and planes == 1:
        size[0] = 1.0  # a single plane has no distance to the next
    return units.voxel(*size)


def _plane_order(
    root: ElementTree.Element,
    element: ElementTree.Element,
    lead: str,
    sizes: dict[str, int],
    name: str,
    where: str,
) -> tuple[int, ...]:
    """The page of each plane, from the TiffData elements."""
    shape = [sizes[a] for a in lead]
    total = math.prod(shape)
    if total > _MOST_PLANES:
        raise _inconsistent(f"OME metadata declare {total} planes", where)
    _refuse_several_files(root, element, name, where)
    order: dict[int, int] = {}
    for data in _named(element, "TiffData"):
        at = 0
        for axis, n in zip(lead, shape, strict=True):
            at = at * n + int(data.attrib.get(f"First{axis}", 0))
        page = int(data.attrib.get("IFD", 0))
        count = int(data.attrib.get("PlaneCount", 1 if "IFD" in data.attrib else total))
        if page < 0 or at < 0 or count < 0 or at + count > total:
            raise _inconsistent(f"OME metadata place {count} planes at {at} of {total}", where)
        for k in range(count):
            if order.setdefault(at + k, page + k) != page + k:
                raise _inconsistent(f"OME metadata place two pages at plane {at + k}", where)
    if not order:
        return tuple(range(total))
    if len(order) != total or len(set(order.values())) != total:
        raise _inconsistent(
            f"OME metadata declare {total} planes, but list {len(set(order.values()))} pages", where
        )
    return tuple(order[k] for k in range(total))


def _refuse_several_files(
    root: ElementTree.Element, element: ElementTree.Element, name: str, where: str
) -> None:
    others = set()
    for data in _named(element, "TiffData"):
        for uuid in _named(data, "UUID"):
            own = uuid.text == root.attrib.get("UUID") or uuid.attrib.get("FileName") == name
            if not own:
                others.add(uuid.text)
    # A single name that is not this file's is this file under its former name.
    former = len(others) == 1 and not any(
        uuid.text not in others for d in _named(element, "TiffData") for uuid in _named(d, "UUID")
    )
    if others and not former:
        raise InputError(
            "is one of several files that make up an OME-TIFF image",
            where=where,
            remedy="Save the image as a single OME-TIFF (Fiji: File > Save As > OME-TIFF)",
        )


def _inconsistent(what: str, where: str) -> InputError:
    return InputError(
        what,
        where=where,
        remedy="The metadata are damaged: copy the file again from its origin, or save it again",
    )
