"""Write a point-spread function as an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from carescope.image import Image, VoxelSize
from carescope.jobs.restore import check_output
from carescope.physics import psf
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
    image = Image(made.values.astype(np.float32), "ZYX", voxel_um)
    tiff.save(out, image, provenance={"psf": kind, **_text(optics)}, overwrite=overwrite)
    widths = [f"{w:.3g}" for w in _fwhm_um(made)]
    return {
        "psf": out,
        "shape": " x ".join(map(str, made.values.shape)),
        "fwhm_um (z, y, x)": ", ".join(widths),
    }


def _text(optics: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in optics.items() if value is not None}


def _fwhm_um(made: psf.PSF) -> list[float]:
    """Full widths at half maximum through the centre, linear between samples."""
    widths = []
    centre = tuple(n // 2 for n in made.values.shape)
    for axis, spacing in enumerate(made.spacing_um):
        line = made.values[tuple(slice(None) if a == axis else c for a, c in enumerate(centre))]
        fine = np.linspace(0, len(line) - 1, 100 * len(line))
        above = fine[np.interp(fine, np.arange(len(line)), line) >= line.max() / 2]
        widths.append(float((above[-1] - above[0]) * spacing))
    return widths
