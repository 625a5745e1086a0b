"""The blur of a microscope, and what of it an isotropic restoration undoes.

    python examples/psf_of_a_microscope.py [--step-um 0.5] [--pixel-um 0.1]

For each kind of optics: the widths of the point-spread function (PSF), of the kernels of an
axial slice that follow from it, and how well h_iso (*) h_split gives h again.
"""

import argparse

import numpy as np

import carescope as cs
from carescope.physics import psf


def fwhm_um(profile: np.ndarray, spacing_um: float) -> float:
    """Full width at half maximum of a profile that is highest in its middle."""
    middle = len(profile) // 2
    side = profile[middle:] / profile[middle]
    below = int(np.argmax(side < 0.5))  # the first sample beyond the half maximum
    if below == 0:
        return 0.0  # a single point, or nothing falls below the half
    part = (side[below - 1] - 0.5) / (side[below - 1] - side[below])
    return float(2 * (below - 1 + part) * spacing_um)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--step-um", type=float, default=0.5, help="distance of recorded planes")
parser.add_argument("--pixel-um", type=float, default=0.1)
given = parser.parse_args()

grid = cs.Grid(planes=30, factor=given.step_um / given.pixel_um, step_um=given.step_um)
voxel_um = (grid.spacing_um, given.pixel_um, given.pixel_um)
water, oil = 1.33, 1.515
microscopes = {
    "Gaussian 0.8/0.2 um": psf.gaussian((0.8, 0.2, 0.2), voxel_um),
    "confocal, water 1.1": psf.confocal(1.1, 0.52, water, voxel_um),
    "confocal, oil 1.4": psf.confocal(1.4, 0.52, oil, voxel_um),
    "two-photon, water 1.0": psf.twophoton(1.0, 0.92, water, voxel_um),
    "light sheet 0.8/0.1": psf.lightsheet(0.8, 0.1, 0.52, water, voxel_um),
    "widefield, water 0.8": psf.widefield(0.8, 0.52, water, voxel_um),
}
print("widths at half maximum in um, along z x across; a pixel or less is a single point")
print(f"{'microscope':<23}{'PSF':>13}{'h':>13}{'h_iso':>13}{'h_split':>13}  residual")
for name, optics in microscopes.items():
    kernels = cs.Microscope(optics).kernels(grid, given.pixel_um)
    middle = tuple(n // 2 for n in optics.values.shape)
    focus = optics.values[:, middle[1]]  # the xz section through the focus
    shown = []
    for section in (focus, kernels.h, kernels.h_iso, kernels.h_split):
        row, column = (n // 2 for n in section.shape)
        along = fwhm_um(section[:, column], grid.spacing_um)
        shown.append(f"{along:.2f} x {fwhm_um(section[row], given.pixel_um):.2f}")
    print(f"{name:<23}" + "".join(f"{text:>13}" for text in shown) + f"  {kernels.residual:.0%}")
