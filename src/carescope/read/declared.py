"""What a file says of itself: axes, shape, order of its planes, voxel size, channel names."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from carescope.errors import InputError
from carescope.image import VoxelSize
from carescope.read import ome, units
from carescope.read.page import Page

if TYPE_CHECKING:
    import tifffile

# Formats that put planes, or their order, where a plain reading of the pages misses them.
_VENDORS = ("stk", "lsm", "fluoview", "nih", "scanimage", "ndtiff", "mmstack", "eer", "ndpi")
PAGES = "its pages"  # who speaks for a file without metadata
# A plain TIFF's resolution is mostly a printer's; beyond this many micrometres we take it so.
_LARGEST_PLAIN_PIXEL_UM = 20.0


@dataclass(frozen=True)
class Declared:
    """A file's own account.

    Parameters
    ----------
    by
        Who says so, for messages: ``"ImageJ metadata"``.
    axes
        One letter a dimension, Y and X last; ``?`` where the file does not name it.
    shape
        The sizes.
    optional
        Letters whose dimension is dropped when its length is 1 and nobody asks for it.
    order
        The page of each plane, or None where pages come in the order of the planes.
    contiguous
        Whether the planes after the first may follow it without pages of their own.
    """

    by: str
    axes: str
    shape: tuple[int, ...]
    optional: str = "TC?"
    order: tuple[int, ...] | None = None
    contiguous: bool = False
    voxel_um: VoxelSize | None = None
    channel_names: tuple[str, ...] = ()
    frame_s: float | None = None

    @property
    def planes(self) -> int:
        """How many planes the file says it has."""
        return math.prod(self.shape[:-2])


def declare(
    tif: tifffile.TiffFile, first: tifffile.TiffPage, pages: list[Page], where: str
) -> Declared:
    """Read the metadata of a TIFF in whichever dialect it is written.

    Parameters
    ----------
    tif, first
        The open file and its first page.
    pages
        The pages, parsed, as many as could be found.
    where
        The file's name for messages.

    Raises
    ------
    InputError
        The metadata contradict themselves or the first page, or are of a vendor's dialect
        that is not supported.
    """
    page = pages[0]
    if tif.is_ome:
        return _from_ome(str(tif.ome_metadata), tif.filename, page, where)
    if tif.is_imagej:
        return _from_imagej(dict(tif.imagej_metadata or {}), first, page, where)
    for vendor in _VENDORS:
        if getattr(tif, f"is_{vendor}"):
            raise InputError(
                f"is in the dialect {vendor.upper()} of TIFF, which is not supported",
                where=where,
                remedy="Convert it to OME-TIFF, for instance in Fiji with File > Save As",
            )
    if tif.is_shaped:
        return _from_shaped(str(first.shaped_description), first, page, where)
    return _plain(first, pages)


def _from_imagej(
    meta: dict[str, Any], first: tifffile.TiffPage, page: Page, where: str
) -> Declared:
    """ImageJ's text: ``images``, ``channels``, ``slices``, ``frames``, ``unit``, ``spacing``."""
    names = {"T": "frames", "Z": "slices", "C": "channels"}
    sizes = {a: int(meta[name]) for a, name in names.items() if name in meta}
    images = int(meta.get("images", math.prod(sizes.values())))
    if images < 1 or any(n < 1 for n in sizes.values()):
        raise _contradiction(f"ImageJ metadata declare {images} images in {sizes}", where)
    if images > 1 and math.prod(sizes.values()) == 1:
        axes = "?"
    else:
        # Planes run through channels fastest, unless the text says otherwise.
        lead = str(meta.get("order", "czt")).upper()[::-1]
        if sorted(lead) != ["C", "T", "Z"] or math.prod(sizes.values()) != images:
            raise _contradiction(
                f"ImageJ metadata declare {images} images, but "
                + " x ".join(f"{a}={n}" for a, n in sizes.items()),
                where,
            )
        axes = "".join(a for a in lead if a in sizes)
    return Declared(
        "ImageJ metadata",
        axes + "YX",
        (*(sizes.get(a, images) for a in axes), page.height, page.width),
        contiguous=True,
        voxel_um=_imagej_voxel(meta, first),
        frame_s=units.interval(meta.get("finterval"), meta.get("tunit", "s")),
    )


def _imagej_voxel(meta: dict[str, Any], first: tifffile.TiffPage) -> VoxelSize | None:
    """Unit times spacing and inverse resolution.

    ImageJ leaves ``spacing`` out exactly where it is 1, as it does ``yunit`` and ``zunit``
    where they equal ``unit``.
    """
    unit = meta.get("unit")
    x, y, z = (units.micrometres(meta.get(k, unit)) for k in ("unit", "yunit", "zunit"))
    dx = units.pixel_size(first.tags.valueof("XResolution"))
    dy = units.pixel_size(first.tags.valueof("YResolution"))
    dz = units.number(meta.get("spacing", 1.0))
    if x is None or y is None or z is None or dx is None or dy is None or dz is None:
        return None
    return units.voxel(z * dz, y * dy, x * dx)


def _from_shaped(text: str, first: tifffile.TiffPage, page: Page, where: str) -> Declared:
    """JSON of tifffile: ``shape``, and maybe ``axes``, ``unit``, ``spacing``."""
    meta = json.loads(text)
    shape = tuple(int(n) for n in meta["shape"])
    axes = str(meta.get("axes", "?" * (len(shape) - 2) + "YX")).upper()
    if len(axes) != len(shape) or shape[-2:] != (page.height, page.width) or min(shape) < 1:
        raise _contradiction(
            f"tifffile metadata declare axes {axes} and shape {list(shape)}, "
            f"but the page is {page.height} x {page.width}",
            where,
        )
    # Q, I and other letters of tifffile's are its ways to say that it does not know.
    axes = "".join(a if a in "TCZYX" else "?" for a in axes)
    if not {"Y", "X"} <= set(axes):
        axes = "?" * (len(shape) - 2) + "YX"
    voxel = _imagej_voxel(meta, first) if "unit" in meta else None
    return Declared(
        "tifffile metadata",
        axes,
        shape,
        contiguous=bool(meta.get("truncated", False)),
        voxel_um=voxel,
    )


def _from_ome(xml: str, name: str, page: Page, where: str) -> Declared:
    pixels = ome.pixels(xml, name, where)
    shape = (*(pixels.sizes[a] for a in pixels.lead), pixels.sizes["Y"], pixels.sizes["X"])
    if shape[-2:] != (page.height, page.width):
        raise _contradiction(
            f"OME metadata declare planes of {shape[-2]} x {shape[-1]} pixels, "
            f"but the page is {page.height} x {page.width}",
            where,
        )
    if pixels.dtype not in (page.dtype.newbyteorder("=").name, None):
        raise _contradiction(
            f"OME metadata declare {pixels.dtype} pixels, but the page holds {page.dtype.name}",
            where,
        )
    return Declared(
        "OME metadata",
        pixels.lead + "YX",
        shape,
        optional="TCZ",
        order=pixels.order,
        voxel_um=pixels.voxel_um,
        channel_names=pixels.channel_names,
        frame_s=pixels.frame_s,
    )


def _plain(first: tifffile.TiffPage, pages: list[Page]) -> Declared:
    """A TIFF without metadata of its own; a page is a plane."""
    page = pages[0]
    size: list[float | None] = []
    for tag in ("YResolution", "XResolution"):
        unit = {2: 25400.0, 3: 1e4}.get(int(first.tags.valueof("ResolutionUnit", default=1)))
        pixel = units.pixel_size(first.tags.valueof(tag))
        size.append(unit * pixel if unit and pixel else None)
    y, x = size
    flat = len(pages) == 1 and y is not None and x is not None
    believable = flat and 0 < max(y or 0, x or 0) <= _LARGEST_PLAIN_PIXEL_UM
    return Declared(
        PAGES,
        "YX" if len(pages) == 1 else "?YX",
        (page.height, page.width) if len(pages) == 1 else (len(pages), page.height, page.width),
        voxel_um=units.voxel(1.0, y, x) if believable else None,
    )


def _contradiction(what: str, where: str) -> InputError:
    return InputError(
        what,
        where=where,
        remedy="The metadata are damaged or were edited by hand: save the file again in Fiji, "
        "or copy it again from its origin",
    )
