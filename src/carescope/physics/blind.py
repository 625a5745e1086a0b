"""The axial blur of a stack, found in the stack itself: what ``--psf auto`` does.

Structures that look alike from all sides have a power spectrum that depends on the length of the
frequency alone. In a stack it falls faster along z, and by how much tells the blur: at equal
length, power at axial frequency k is down by ``exp(-(2 pi k sigma_split)^2)``, whatever the
structures are and however lateral slices are blurred. Comparing mere lines along z and x would
not do: lines along x hold the light that axial blur brought from other planes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from carescope.errors import InputError
from carescope.image import Image
from carescope.physics.axialblur import AxialBlur, Curves
from carescope.physics.folded import Folded
from carescope.physics.rings import FIRST_RING, SMALLEST_SIDE_PX, Rings, measure

__all__ = ["AxialBlur", "Curves", "estimate"]

Floats = npt.NDArray[np.float64]

MIN_PLANES = 8
MIN_BLOCKS, MIN_RINGS = 3, 3
#: Largest relative misfit of edges' amplitudes, with blur and where no blur is found.
WORST_MISFIT, WORST_UNBLURRED = 0.3, 0.12
MOST_ORIENTED, WIDEST = 0.5, 0.6
#: To say that there is no excess blur, more than this must be excluded.
NO_BLUR_PX = 1.5
# sigma of an in-focus PSF is 0.21 wavelength / NA, and its cut-off 2 NA / wavelength.
SIGMA_CUTOFF = 0.42
#: Structure can be told from noise down to this share of it.
FAINT = 0.2
TRIALS, NEAR = 32, 4
# A blur is possible whose misfit is less than this above the lowest.
LIKELY = 4.0
# One variance below zero is tried too, so that the error of one near zero is seen.
SHARPER_PX = 0.6


def estimate(stacks: Image | Sequence[Image]) -> AxialBlur:
    r"""Find the axial blur of stacks from the stacks themselves.

    For each sigma in question the spectrum L of the structures is found such that `Folded` comes
    closest to the stack's power over axial and lateral frequencies; the estimate is the sigma
    that comes closest of all. Amplitudes are compared as those of gradients, so that edges count
    alike at all scales, and those that are known badly for noise or few samples count less. Where
    the PSF is no Gaussian, this is about the one whose transfer function comes closest to that of
    ``h_split`` (`carescope.physics.kernel.split`).

    It assumes structures without a common orientation, and a blur that is the same everywhere in
    the stack. What the fit cannot see is that all structures are flat or tall: of simulated
    nuclei that are half as tall as wide the blur is found a seventh too small, of nuclei that are
    twice as tall a third too large.

    Parameters
    ----------
    stacks
        One or several, axes ZYX or CZYX, with a voxel size and square pixels. Several stacks
        and channels are taken to have one blur. At most 64 planes of 512 x 512 pixels of each
        channel are held in memory.

    Raises
    ------
    InputError
        There is no stack, or one has other axes or no voxel size.
    """
    single = [stacks] if isinstance(stacks, Image) else list(stacks)
    channels = [channel for stack in single for channel in _channels(stack)]
    if not channels:
        raise InputError(
            "there is no stack to find the axial blur of", remedy="Give one with axes ZYX"
        )
    spectra, reasons = [], []
    for channel in channels:
        rings = _measured(channel)
        reason = rings if isinstance(rings, str) else _unusable(rings)
        if isinstance(rings, Rings) and not reason:
            spectra.append(rings)
        else:
            reasons.append(reason)
    if not spectra:
        return AxialBlur(None, reason=reasons[0])
    return _fitted([Folded(rings) for rings in spectra])


def _channels(stack: Image) -> list[Image]:
    if stack.axes == "CZYX":
        return [stack.select("C", index) for index in range(stack.size("C"))]
    if stack.axes != "ZYX":
        raise InputError(
            f"axial blur is found in stacks with axes ZYX or CZYX, not {stack.axes}",
            where=stack.source,
            remedy="Choose a time point, or name the axes with --axes",
        )
    stack.voxel()
    return [stack]


def _measured(stack: Image) -> Rings | str:
    """The spectra, or why there are none."""
    planes, across = stack.size("Z"), min(stack.size("Y"), stack.size("X"))
    if planes < MIN_PLANES:
        return f"{planes} planes are too few to see blur along z: it takes {MIN_PLANES}."
    if across < SMALLEST_SIDE_PX:
        return f"{across} pixels across are too few: it takes {SMALLEST_SIDE_PX}."
    return measure(stack) or "No part of the stack shows anything but one grey level."


def _unusable(rings: Rings) -> str:
    """Why a spectrum cannot tell the blur, as far as it can be known before the fit."""
    if rings.band.stop - rings.band.start < MIN_RINGS:
        return "No structure stands out above the noise at more than the lowest frequencies."
    if rings.blocks < MIN_BLOCKS:
        return "Too small a part of the stack holds structures to tell how sure a fit is."
    if rings.orientation > MOST_ORIENTED:
        return (
            "The structures lie in one direction, so that slices along and across z would differ "
            "without any blur."
        )
    return ""


def _fitted(models: list[Folded]) -> AxialBlur:
    """Try a range of blurs, refine the best, and judge how well it is known."""
    pixel_um = min(m.rings.pixel_um for m in models)
    extent_um = min(m.rings.planes * m.rings.step_um for m in models)
    trials = np.append(0, np.geomspace(0.3 * pixel_um, extent_um / 3, TRIALS))
    variances = np.append(-((SHARPER_PX * pixel_um) ** 2), np.square(trials))
    designs = [[m.design(v / m.rings.pixel_um**2) for v in variances] for m in models]
    whole = [m.rings.power.mean(axis=0) for m in models]
    misfits = np.array([_misfit(models, at, whole) for at in zip(*designs, strict=True)])
    variance = _lowest(variances, misfits)
    best = 1 + int(misfits[1:].argmin())
    near = slice(max(0, best - NEAR), best + NEAR + 1)
    left_out = []
    for model, power in _without_each_group(models, whole):
        parts = [*whole[:model], power, *whole[model + 1 :]]
        some = [_misfit(models, at, parts) for at in list(zip(*designs, strict=True))[near]]
        left_out.append(_lowest(variances[near], np.array(some)))
    count = len(left_out)
    error = math.sqrt((count - 1) * float(np.var(left_out)))
    low, high = (math.sqrt(max(0.0, variance + t * error)) for t in (-2, 2))
    if low == 0:  # regions may agree on what a coarse step leaves open
        likely = trials[misfits[1:] < misfits[1:].min() + LIKELY]
        high = max(high, pixel_um / 2, *likely)
    sigma_um = math.sqrt(max(0.0, variance))
    fits = [_curves(m, p, sigma_um) for m, p in zip(models, whole, strict=True)]
    misfit = math.sqrt(float(np.mean([share**2 for _, share, _ in fits])))
    reason = _doubtful(sigma_um, (low, high), models, misfit, float(trials[-2]))
    if not reason and low == 0:
        sigma_um = 0.0
    return AxialBlur(
        None if reason else _rounded(sigma_um),
        (_rounded(low), _rounded(high)),
        _rounded(SIGMA_CUTOFF / max(cutoff for *_, cutoff in fits)),
        reason,
        misfit,
        trials,
        misfits[1:],
        tuple(curve for curve, *_ in fits),
    )


def _rounded(sigma_um: float) -> float:
    """To four digits, which every processor finds alike: a training that goes on asks for that."""
    return float(f"{sigma_um:.4g}")


def _misfit(models: list[Folded], designs: Sequence[Floats], powers: list[Floats]) -> float:
    return sum(
        model.solve(design, power)[0]
        for model, design, power in zip(models, designs, powers, strict=True)
    )


def _without_each_group(models: list[Folded], whole: list[Floats]) -> Iterator[tuple[int, Floats]]:
    """The power of a stack without each of its groups in turn, and which stack it is."""
    for index, model in enumerate(models):
        groups = model.rings.power
        for group in groups:
            yield index, (whole[index] * len(groups) - group) / (len(groups) - 1)


def _lowest(variances: Floats, misfits: Floats) -> float:
    """Where the parabola through the best trial and its neighbours is lowest.

    The first trial is none but a neighbour: the first variance of all is negative, and where
    planes are far apart an ever sharper z explains any stack.
    """
    best = 1 + int(misfits[1:].argmin())
    middle = min(best, len(misfits) - 2)
    x, y = variances[middle - 1 : middle + 2], misfits[middle - 1 : middle + 2]
    bend, slope, _ = np.polyfit(x, y, 2)
    if not bend > 0:
        return float(variances[best])
    return float(np.clip(-slope / (2 * bend), x[0], x[-1]))


def _curves(model: Folded, power: Floats, sigma_um: float) -> tuple[Curves, float, float]:
    """The spectra along z at the best sigma, how far they are apart, and the lateral cut-off."""
    rings, nodes = model.rings, model.nodes
    design = model.design((sigma_um / rings.pixel_um) ** 2)
    _, found = model.solve(design, power)
    cells = (len(power), -1)
    shown, noise = (design @ found).reshape(cells), model.noise_of(found).reshape(cells)
    length = model.length.reshape(cells)
    structure = np.exp(np.interp(np.log(length), np.log(nodes), model.guess))
    structure = structure * np.interp(length, nodes, found[: len(nodes)])
    width = rings.band.stop - rings.band.start

    def mean(values: Floats) -> Floats:
        return np.asarray((values * rings.count[model.columns])[:, :width].sum(axis=1))

    scale = mean(structure)[0]
    curves = Curves(
        rings.axial / rings.pixel_um,
        mean(power[:, model.columns] - noise) / scale,
        mean(structure) / scale,
        mean(shown - noise) / scale,
        (
            float(rings.lateral[FIRST_RING] / rings.pixel_um),
            float(rings.lateral[rings.band.stop - 1] / rings.pixel_um),
        ),
    )
    weak = (shown - noise < FAINT * noise)[0]
    last = FIRST_RING + (int(weak.argmax()) if weak.any() else len(weak)) - 1
    cutoff = max(curves.band[1], float(rings.lateral[last] / rings.pixel_um))
    return curves, model.relative_misfit(shown.ravel(), noise.ravel()), cutoff


def _doubtful(
    sigma_um: float,
    interval_um: tuple[float, float],
    models: list[Folded],
    misfit: float,
    longest_um: float,
) -> str:
    """Why the best fit is not to be believed; empty where it is."""
    low, high = interval_um
    step_um = max(m.rings.step_um for m in models)
    pixel_um = max(m.rings.pixel_um for m in models)
    if sigma_um >= longest_um:
        return "The stack is too thin for its blur, or its structures are larger than a block."
    if low == 0 and misfit > WORST_UNBLURRED:
        return (
            "The stack is sharper along z than across, which no blur explains: its structures "
            "are flat, its planes do not belong together, or the plane distance is wrong."
        )
    if misfit > WORST_MISFIT:
        return (
            "No blur makes lateral slices look like axial ones: amplitudes still differ by "
            f"{min(misfit, 1):.0%}, as for structures with an orientation or processed stacks."
        )
    if low == 0 and high > NO_BLUR_PX * pixel_um:
        return f"With planes {step_um:.3g} um apart, any axial blur from 0 to {high:.2g} um fits."
    if low > 0 and high - low > WIDEST * sigma_um:
        return f"Regions of the stack differ too much: from {low:.2g} to {high:.2g} um."
    return ""
