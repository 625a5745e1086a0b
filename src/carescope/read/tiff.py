"""TIFF, ImageJ TIFF and OME-TIFF, read strictly: a damaged file is refused, never guessed at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from carescope import axes as ax
from carescope.errors import InputError
from carescope.image import Image, VoxelSize
from carescope.read import chain, decode, ome
from carescope.read.declared import PAGES, Declared, declare
from carescope.read.page import NONE, THROUGH_TIFFFILE, Page, parse
from carescope.read.planes import Planes
from carescope.read.reconcile import reconcile
from carescope.read.strict import COPY_AGAIN, listening

if TYPE_CHECKING:
    import tifffile


def read(
    path: Path,
    *,
    axes: str | None = None,
    voxel_um: VoxelSize | None = None,
    allow_incomplete: bool = False,
) -> Image:
    """Open a TIFF lazily; see `carescope.read.open`."""
    where = str(path)
    with listening(path) as complaints:
        contents = _scan(path, complaints, where)
        planes = _planes(contents, path)
        cut = contents.broken or len(planes) < contents.declared.planes
        if cut and not allow_incomplete:
            raise _incomplete(contents, len(planes), where)
        final_axes, shape = reconcile(contents.declared, axes, where)
        if cut:
            planes, shape = _leading(planes, final_axes, shape, where)
        elif contents.extra:
            raise InputError(
                f"holds {len(contents.pages)} pages, but {contents.declared.by} declare "
                f"{contents.declared.planes} planes",
                where=where,
                remedy="Save the image you want as a file of its own",
            )
        _refuse_mixture(planes, where)
        if not contents.broken:
            _refuse_overlap(planes, contents.taken, where)
    return Image(
        Planes(path, planes, shape[:-2]),
        axes=final_axes,
        voxel_um=voxel_um if voxel_um is not None else contents.declared.voxel_um,
        channel_names=contents.declared.channel_names,
        source=where,
        frame_s=contents.declared.frame_s,
    )


def provenance(path: Path) -> dict[str, str]:
    """The notes in the metadata of a file that we wrote; empty for any other TIFF."""
    import tifffile

    with listening(path), tifffile.TiffFile(path) as tif:
        return ome.provenance(str(tif.ome_metadata)) if tif.is_ome else {}


@dataclass(frozen=True)
class _Contents:
    """What was found in a file.

    `broken` says that the chain of pages is cut or something in it is damaged, `complaint` what
    tifffile said first; `taken` are the stretches of the file (start, end) that hold tags and
    can hence hold no pixels.
    """

    declared: Declared
    pages: list[Page]
    broken: bool
    complaint: str
    taken: list[tuple[int, int]]

    @property
    def extra(self) -> bool:
        """Whether there are pages that belong to no plane."""
        order = self.declared.order
        listed = self.declared.planes if order is None else int(max(order)) + 1
        return bool(len(self.pages) > listed)


def _scan(path: Path, complaints: list[str], where: str) -> _Contents:
    """Parse every page that can be found, and the metadata of the first."""
    import tifffile

    found = chain.walk(path)
    broken = not found.whole
    pages: list[Page] = []
    taken: list[tuple[int, int]] = [(0, 8)]
    with tifffile.TiffFile(path) as tif:
        first: tifffile.TiffPage | None = None
        for number, offset in enumerate(found.offsets):
            tif.filehandle.seek(offset)
            try:
                page = tifffile.TiffPage(tif, number)
                parsed = parse(page, where)
            except Exception:
                # With planes already in hand this is the damaged end of a longer file.
                if not broken or not pages:
                    raise
                break
            first = first or page
            pages.append(parsed)
            taken += _tag_bytes(page, tif)
        if first is None:
            raise InputError("holds no image", where=where, remedy=COPY_AGAIN)
        declared = declare(tif, first, pages, where)
    for compression in {p.compression for p in pages if p.compression != NONE}:
        if not decode.installed(compression):
            raise InputError(
                f"is compressed with {THROUGH_TIFFFILE[compression]}, which needs the package "
                "imagecodecs",
                where=where,
                remedy="Run pip install imagecodecs, or save the file again uncompressed",
            )
    complaint = complaints[0] if complaints else ""
    return _Contents(declared, pages, broken or bool(complaints), complaint, taken)


def _tag_bytes(page: tifffile.TiffPage, tif: tifffile.TiffFile) -> list[tuple[int, int]]:
    """The stretches of the file that a page's tags take up."""
    head = tif.tiff.tagnosize + len(page.tags) * tif.tiff.tagsize + tif.tiff.offsetsize
    inline = tif.tiff.tagoffsetthreshold
    values = [
        (tag.valueoffset, tag.valueoffset + tag.valuebytecount)
        for tag in page.tags
        if tag.valuebytecount > inline
    ]
    return [(page.offset, page.offset + head), *values]


def _planes(contents: _Contents, path: Path) -> list[Page]:
    """The leading planes whose pixels the file holds whole, in the order of the image."""
    declared, pages = contents.declared, contents.pages
    size = path.stat().st_size
    alone = len(pages) == 1 or contents.broken
    if declared.contiguous and declared.planes > 1 and alone and pages[0].contiguous:
        first = pages[0]
        held = min(declared.planes, max(0, size - first.offsets[0]) // first.nbytes)
        return [first.shifted(k * first.nbytes) for k in range(held)]
    order = declared.order if declared.order is not None else range(declared.planes)
    planes: list[Page] = []
    for index in order:
        if index >= len(pages) or not pages[index].within(size):
            break
        planes.append(pages[index])
    return planes


def _leading(
    planes: list[Page], axes: str, shape: tuple[int, ...], where: str
) -> tuple[list[Page], tuple[int, ...]]:
    """What --allow-incomplete keeps of a cut stack."""
    if axes != "ZYX" or not planes:
        raise InputError(
            f"is incomplete, and only a stack of planes with a whole plane left can be read "
            f"so; this is {ax.describe_shape(shape, axes)} with {len(planes)} whole planes",
            where=where,
            remedy="Copy the file again from its origin",
        )
    return planes, (len(planes), *shape[1:])


def _incomplete(contents: _Contents, held: int, where: str) -> InputError:
    declared = contents.declared
    if declared.by != PAGES and held < declared.planes:
        what = f"is incomplete: it holds {held} whole planes of {declared.planes}"
    elif contents.complaint:
        what = f"is damaged or cut short: {contents.complaint}"
    else:
        what = f"is incomplete: its chain of pages breaks off after {len(contents.pages)}"
    return InputError(what, where=where, remedy=COPY_AGAIN)


def _refuse_mixture(planes: list[Page], where: str) -> None:
    kinds = sorted({f"{p.height} x {p.width} {p.dtype.name}" for p in planes})
    if len(kinds) > 1:
        raise InputError(
            f"holds pages of different kinds: {', '.join(kinds)}",
            where=where,
            remedy="Save the image you want as a file of its own",
        )


def _refuse_overlap(planes: list[Page], taken: list[tuple[int, int]], where: str) -> None:
    """Refuse pixels that share bytes with other pixels or with tags: an offset is wrong."""
    pixels = [
        (offset, offset + count, True)
        for page in planes
        for offset, count in zip(page.offsets, page.counts, strict=True)
    ]
    reach, reach_is_pixels = 0, False
    for start, end, is_pixels in sorted([*pixels, *((*e, False) for e in taken)]):
        if start < reach and (is_pixels or reach_is_pixels):
            raise InputError(
                "is damaged: its planes overlap in the file",
                where=where,
                remedy="Copy the file again from its origin",
            )
        if end > reach:
            reach, reach_is_pixels = end, is_pixels
