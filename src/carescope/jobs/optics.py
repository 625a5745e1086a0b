"""Write a point-spread function, computed or measured, as an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from carescope.axes import describe_shape
from carescope.errors import InputError, UsageError
from carescope.image import Image, VoxelSize
from carescope.jobs.inputs import open_image
from carescope.jobs.outputs import check_distinct, check_output
from carescope.physics import beads, psf
from carescope.physics.widths import fwhm_um
from carescope.write import tiff


def write_psf(
    kind: str,
    out: Path,
    voxel_um: VoxelSize,
    *,
    overwrite: bool = False,
    **optics: object,
) -> dict[str, object]:
    """Compute a PSF and write it, float32 with sum 1.

    Parameters
    ----------
    kind
        A key of `carescope.physics.psf.KINDS`.
    out
        The OME-TIFF.
    voxel_um
        Its voxel size (z, y, x) in micrometres.
    overwrite
        Replace a file that is there.
    optics
        As for `carescope.physics.psf.named`.

    Returns
    -------
    dict
        Shape, voxel size and widths.
    """
    check_output(out, overwrite=overwrite)
    made = psf.named(kind, voxel_um, **optics)  # type: ignore[arg-type]
    _write(out, made, {"psf": kind, **_text(optics)}, overwrite=overwrite)
    return _facts(out, made)


def average_beads(
    source: Path,
    out: Path,
    *,
    bead_um: float | None = None,
    overwrite: bool = False,
    **reading: Any,
) -> tuple[dict[str, object], list[str]]:
    """Average the beads of a stack to a PSF and write it, float32 with sum 1.

    Parameters
    ----------
    source
        The stack of beads.
    out
        The OME-TIFF.
    bead_um
        Diameter of the beads in micrometres, to warn where they are too large.
    overwrite
        Replace a file that is there.
    reading
        How to read the stack, as for `carescope.jobs.inputs.open_image`.

    Returns
    -------
    facts : dict
        Shape and widths; how many beads were found, used, and discarded for which reason.
    warnings : list of str
        What is worth knowing, such as beads that are too large.
    """
    if bead_um is not None and not 0 < bead_um < np.inf:
        raise UsageError(
            f"a diameter of {bead_um:g} um is no bead's",
            where="--bead-um",
            remedy="Give the diameter in micrometres, such as 0.1",
        )
    check_output(out, overwrite=overwrite)
    check_distinct([out], [source])
    stack, warnings = open_image(source, **reading, fits=_zyx)
    stack = _zyx(stack)
    found = beads.average(stack.array(), stack.voxel(), where=stack.source)
    if bead_um is not None:
        warnings += filter(None, [beads.too_large(bead_um, found.fwhm_um)])
    counts: dict[str, object] = {"beads found": found.found, "beads used": found.used}
    counts |= {f"beads {reason}": count for reason, count in found.discarded.items()}
    told = {"psf": "beads", "beads": f"{found.used} of {found.found} in {source.name}"}
    _write(out, found.psf, told, overwrite=overwrite)
    return _facts(out, found.psf) | counts, warnings


def _zyx(stack: Image) -> Image:
    """The stack with axes ZYX, if it is one, and its voxel size is known."""
    stack.voxel()
    for axis, option in (("T", "--timepoint"), ("C", "--channel")):
        if stack.size(axis) > 1:
            raise InputError(
                f"holds more than one stack: {describe_shape(stack.shape, stack.axes)}",
                where=stack.source,
                remedy=f"Choose the beads' with {option}",
            )
        stack = stack.select(axis, 0) if axis in stack.axes else stack
    return stack


def _write(out: Path, made: psf.PSF, provenance: dict[str, str], *, overwrite: bool) -> None:
    image = Image(made.values.astype(np.float32), "ZYX", made.spacing_um)
    tiff.save(out, image, provenance=provenance, overwrite=overwrite)


def _facts(out: Path, made: psf.PSF) -> dict[str, object]:
    return {
        "psf": out,
        "shape": " x ".join(map(str, made.values.shape)),
        "fwhm_um (z, y, x)": ", ".join(f"{w:.3g}" for w in fwhm_um(made)),
    }


def _text(optics: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in optics.items() if value is not None}
