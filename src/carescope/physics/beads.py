"""A measured point spread function: the average of the beads in a stack."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError
from carescope.image import VoxelSize, check_voxel_um
from carescope.physics import spots
from carescope.physics.pointspread import PSF, core, measured
from carescope.physics.widths import fwhm_um

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LEAST_PLANES = 5
# What is kept around a bead, in widths at half maximum: along z, and across the widest that
# leaves most of the beads that the narrowest would.
REACH_Z = 2.5
REACHES_YX = (3.5, 5.0, 8.0, 12.0, 24.0)
MOST_LEFT = 0.9
# Another bead disturbs if it is at least this share as bright; less may be a side lobe.
DISTURBS = 0.25
# A camera at its limit shows the same value many times; one voxel alone is the maximum by chance.
FLAT_VOXELS = 4
# With fewer beads no one can tell which is the outlier.
LEAST_TO_JUDGE = 5
# Beads of one kind differ by this in the logarithms of brightness and widths without blame.
ALIKE = np.array([0.4, 0.15, 0.15, 0.15])
TRIMMED = 0.2
# More would change the average no longer.
ENOUGH = 100
WIDEST_BEAD = 1 / 3

BORDER = "cut by the border"
NEAR = "too near another"
SATURATED = "saturated"
BRIGHTNESS = "unusually bright or dim"
WIDTH = "unusually wide or narrow"
SURPLUS = "more than needed"


@dataclass(frozen=True, eq=False)
class Averaged:
    """A measured PSF and what became of the beads.

    Parameters
    ----------
    psf
        Sum 1, its core exactly at the centre.
    fwhm_um
        Full widths at half maximum (z, y, x) in micrometres.
    found, used
        Number of beads.
    discarded
        How many of the others for which reason.
    """

    psf: PSF
    fwhm_um: VoxelSize
    found: int
    used: int
    discarded: dict[str, int]


def average(stack: npt.ArrayLike, spacing_um: VoxelSize, *, where: str | None = None) -> Averaged:
    """The PSF from a stack of beads much smaller than it.

    Beads are local maxima at least a fifth as bright as a typical one. A Gaussian fitted to
    each tells its position between voxels, brightness and widths. Beads are left out that
    are cut by the border, within the other's surroundings, saturated, or (of five or more)
    outliers in brightness or width, such as two that stick together. The rest are shifted
    onto each other by cubic splines, each less the median of its surroundings' faces and
    divided by its brightness; their mean, without the highest and lowest fifth at each voxel,
    is the PSF. It reaches 2.5 widths at half maximum along z and 3.5 to 24 across, or as far as
    the stack and the distances of beads allow.

    The beads' own size is not removed: a sphere of diameter d adds d^2 / 20 to the variance
    along each axis.

    Parameters
    ----------
    stack
        (Z, Y, X) array in grey levels, at least 5 planes; of its own integer type, so that
        saturation can be seen.
    spacing_um
        Its voxel size (z, y, x) in micrometres.
    where
        Name of the stack in messages.

    Raises
    ------
    InputError
        This is no such stack, or holds no bead, or none that can be used.
    """
    image = np.asarray(stack)
    spacing_um = check_voxel_um(spacing_um)
    _check(image, where)
    found = spots.find(image)
    if found is None:
        raise InputError(
            "shows no bead whose light fades within the stack",
            where=where,
            remedy="Give beads in focus well inside the stack, the right --channel, and --axes "
            "with Z for the focus",
        )
    half, fate, fits = _judged(image, found)
    half = _widened(found, image.shape, half, fate)
    fate[np.flatnonzero(fate == "")[ENOUGH:]] = SURPLUS
    reasons = (BORDER, NEAR, SATURATED, BRIGHTNESS, WIDTH, SURPLUS)
    discarded = {r: int((fate == r).sum()) for r in reasons if (fate == r).any()}
    if (fate != "").all():
        raise _none_left(discarded, where)
    try:
        psf = _mean(image, fits[fate == ""], half, found.fwhm_px, spacing_um)
    except InputError as problem:
        raise InputError(
            f"shows spots whose average is no PSF: it {problem.what.removeprefix('the PSF ')}",
            where=where,
            remedy="Record single beads, in focus well inside the stack",
        ) from problem
    return Averaged(psf, fwhm_um(psf), len(fate), int((fate == "").sum()), discarded)


def too_large(bead_um: float, widths_um: VoxelSize) -> str | None:
    """A warning where beads widen the PSF that they show, otherwise None.

    Parameters
    ----------
    bead_um
        Diameter of the beads in micrometres.
    widths_um
        Full widths at half maximum (z, y, x) of the PSF that they show.
    """
    lateral = (widths_um[1] + widths_um[2]) / 2
    if bead_um <= WIDEST_BEAD * lateral:
        return None
    own = 8 * math.log(2) * bead_um**2 / 20
    true = math.sqrt(max(lateral**2 - own, 0.0))
    return (
        f"Beads of {bead_um:g} um are larger than a third of the lateral width, {lateral:.3g} um: "
        f"the microscope's own is about {true:.3g} um. Take smaller beads."
    )


def _check(image: npt.NDArray[Any], where: str | None) -> None:
    if image.ndim != 3 or min(image.shape) < LEAST_PLANES:
        raise InputError(
            f"has {describe_shape(image.shape)} voxels, too few to show a bead on all sides",
            where=where,
            remedy=f"Record at least {LEAST_PLANES} planes, from well below to well above focus",
        )
    if not np.isfinite(image).all():
        raise InputError(
            "has values that are not finite",
            where=where,
            remedy="Take them as dark with --fill-nonfinite",
        )


def _judged(
    image: npt.NDArray[Any], found: spots.Spots
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.object_], Floats]:
    """The narrowest surroundings (3,), why each bead is left out or "", and the fits (N, 7)."""
    half, near, cut = _surroundings(found, image.shape, REACHES_YX[0])
    fate = np.full(len(found.at), "", dtype=object)
    fate[_saturated(image, found)] = SATURATED
    fate[near] = NEAR
    fate[cut] = BORDER
    fits = np.full((len(found.at), 7), np.nan)
    for bead in np.flatnonzero(fate == ""):
        fits[bead] = spots.fit(image, found.at[bead], found.fwhm_px)
    fate[(fate == "") & np.isnan(fits[:, 0])] = WIDTH
    _discard_outliers(fate, fits)
    return half, fate, fits


def _widened(
    found: spots.Spots,
    shape: tuple[int, ...],
    half: npt.NDArray[np.int64],
    fate: npt.NDArray[np.object_],
) -> npt.NDArray[np.int64]:
    """The widest surroundings that leave most beads, as light far away belongs to a PSF too.

    Beads without as much room are marked.
    """
    left = fate == ""
    for reach in REACHES_YX[:0:-1]:
        wider, near, cut = _surroundings(found, shape, reach)
        if (left & ~near & ~cut).sum() >= max(1, MOST_LEFT * left.sum()):
            fate[left & near] = NEAR
            fate[left & cut] = BORDER
            return wider
    return half


def _surroundings(
    found: spots.Spots, shape: tuple[int, ...], reach: float
) -> tuple[npt.NDArray[np.int64], Flags, Flags]:
    """How far to look around beads (3,), and which are then near another, or the border.

    Three beads of four are to have room before the border, though not for less than a width:
    that would cut the PSF itself.
    """
    room = np.minimum(found.at, np.array(shape) - 1 - found.at)
    most = np.quantile(room, 0.25, axis=0, method="lower")
    wanted = np.minimum(np.array([REACH_Z, reach, reach]) * found.fwhm_px, most)
    half = np.ceil(np.maximum(wanted, found.fwhm_px)).astype(np.int64)
    return half, _crowded(found, half), np.asarray((room < half).any(axis=1))


def _crowded(found: spots.Spots, half: npt.NDArray[np.int64]) -> Flags:
    """Which beads have another one in their surroundings."""
    from scipy.spatial import KDTree

    pairs = KDTree(found.at / (half + found.fwhm_px)).query_pairs(1.0, p=np.inf)
    crowded = np.zeros(len(found.at), np.bool_)
    for one, other in pairs:
        crowded[one] |= found.height[other] >= DISTURBS * found.height[one]
        crowded[other] |= found.height[one] >= DISTURBS * found.height[other]
    return crowded


def _saturated(image: npt.NDArray[Any], found: spots.Spots) -> Flags:
    """Which beads reach the limit of their type, or have a flat top at the brightest value."""
    brightest = image.max()
    integer = np.issubdtype(image.dtype, np.integer)
    needed = 1 if integer and brightest == np.iinfo(image.dtype).max else FLAT_VOXELS
    core = np.maximum(np.rint(found.fwhm_px / 2), 1).astype(np.int64)
    flat = [(spots.crop(image, at, core)[0] == brightest).sum() >= needed for at in found.at]
    return np.array(flat, np.bool_)


def _discard_outliers(fate: npt.NDArray[np.object_], fits: Floats) -> None:
    """Mark beads whose brightness or widths are far from the median of those not discarded."""
    left = np.flatnonzero(fate == "")
    if len(left) < LEAST_TO_JUDGE:
        return
    values = np.log(fits[left][:, 3:])
    off = np.abs(values - np.median(values, axis=0))
    outlying = off > np.maximum(3.5 * 1.4826 * np.median(off, axis=0), ALIKE)
    fate[left[outlying[:, 1:].any(axis=1)]] = WIDTH
    fate[left[outlying[:, 0]]] = BRIGHTNESS


def _none_left(discarded: dict[str, int], where: str | None) -> InputError:
    told = ", ".join(f"{count} {reason}" for reason, count in discarded.items())
    remedies = {
        BORDER: "Record more planes above and below focus, or more around the bead",
        NEAR: "Record beads farther apart: dilute them",
        SATURATED: "Expose more briefly",
    }
    return InputError(
        f"has no bead that can be used of {sum(discarded.values())} found: {told}",
        where=where,
        remedy=remedies.get(max(discarded, key=discarded.__getitem__), "Record more single beads"),
    )


def _mean(
    image: npt.NDArray[Any],
    fits: Floats,
    half: npt.NDArray[np.int64],
    fwhm_px: Floats,
    spacing_um: VoxelSize,
) -> PSF:
    """The average of beads at fitted places, its bright core exactly in the middle."""
    core_half = np.minimum(np.ceil(fwhm_px).astype(np.int64) + 1, half)
    off = np.zeros(3)
    # Where a PSF is lopsided, the middle of its core is not that of the Gaussian.
    for _ in range(3):
        off += core(_trimmed(image, fits, off, core_half)) - core_half
    return measured(_trimmed(image, fits, off, half), spacing_um, background=0.0)


def _trimmed(
    image: npt.NDArray[Any], fits: Floats, off: Floats, half: npt.NDArray[np.int64]
) -> Floats:
    """Mean of the beads about their fitted places plus `off`, without the extremes."""
    from scipy.stats import trim_mean

    beads = [spots.shifted(image, fit[:3] + off, half) / fit[3] for fit in fits]
    return np.asarray(trim_mean(np.stack(beads, dtype=np.float32), TRIMMED, axis=0), np.float64)
