"""How wide a point spread function is."""

from __future__ import annotations

import numpy as np

from carescope.image import VoxelSize
from carescope.physics.pointspread import PSF


def fwhm_um(psf: PSF) -> VoxelSize:
    """Full widths at half maximum (z, y, x) through the centre, linear between samples."""
    widths = []
    centre = tuple(n // 2 for n in psf.values.shape)
    for axis, spacing in enumerate(psf.spacing_um):
        line = psf.values[tuple(slice(None) if a == axis else c for a, c in enumerate(centre))]
        fine = np.linspace(0, len(line) - 1, 100 * len(line))
        above = fine[np.interp(fine, np.arange(len(line)), line) >= line.max() / 2]
        widths.append(float((above[-1] - above[0]) * spacing))
    return (widths[0], widths[1], widths[2])
