"""What a user should know of training pairs before trusting what is learnt from them."""

from __future__ import annotations

from carescope.grid import Grid
from carescope.physics.microscope import Kernels

#: Beyond this share, planes and pixels are too unequal to stand in for one another unsaid.
MOST_STRETCH = 0.15
#: Above this, h_iso (*) h_split does not reproduce h_rot well enough to go unmentioned.
SPLIT_RESIDUAL = 0.05


def doubts(
    kernels: Kernels | None, psf_mode: str, grid: Grid, pixel_um: float, band_is_empty: bool
) -> list[str]:
    """One sentence for each assumption that does not hold well.

    Parameters
    ----------
    kernels, psf_mode
        The optics, and whether ``full`` or ``split`` is undone.
    grid, pixel_um
        Where restored planes lie, and the lateral pixel size.
    band_is_empty
        Whether the columns that validate hold no structure.
    """
    said = []
    if kernels and psf_mode == "split" and kernels.residual > SPLIT_RESIDUAL:
        said.append(
            "The split point-spread function reproduces the rotated one only within "
            f"{kernels.residual:.0%}; compare with --psf-mode full."
        )
    stretch = grid.spacing_um / pixel_um
    if abs(stretch - 1) > MOST_STRETCH:
        said.append(
            f"With this factor restored planes lie {grid.spacing_um:.3g} um apart, beside "
            f"pixels of {pixel_um:.3g} um: structures are learnt {stretch:.2g} times as "
            "tall as they are. Leave --factor out for isotropic voxels."
        )
    if band_is_empty:
        said.append(
            "The columns that validate hold no structure: the weights that were kept were "
            "chosen on background."
        )
    return said
