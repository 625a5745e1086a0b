"""How much more a stack is blurred along z than across: what an estimate of it says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.image import VoxelSize
from carescope.physics.psf import PSF, gaussian

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curves:
    """What a figure of the fit shows of one stack.

    Parameters
    ----------
    frequency
        (K,) axial frequency in cycles per micrometre, from 0 to the Nyquist frequency of the
        planes.
    axial
        (K,) power of the stack there, noise subtracted, the mean over the lateral frequencies
        of `band`.
    lateral
        (K,) the same if the stack were blurred and sampled along z as it is across.
    degraded
        (K,) `lateral` blurred by the estimate and sampled with the plane distance: what should be
        `axial`. All three are divided by `lateral` at frequency 0.
    band
        Lowest and highest lateral frequency of structures above noise, in cycles per micrometre.
    """

    frequency: Floats
    axial: Floats
    lateral: Floats
    degraded: Floats
    band: tuple[float, float]


@dataclass(frozen=True, eq=False)
class AxialBlur:
    """How much more a stack is blurred along z than across, or why that cannot be told.

    Parameters
    ----------
    sigma_split_um
        Standard deviation in micrometres of the Gaussian along z that makes lateral slices look
        like axial ones; 0 where there is none to be seen; None where it is not identifiable.
    interval_um
        Two standard errors about it, by leaving out regions in turn (jackknife); where it begins
        at 0, it holds every blur that fits about as well. Chance only, and rather narrow, since
        regions are few and share structures: in simulations three of four hold the truth. What
        a PSF that is not Gaussian or structures with an orientation do is not in it.
    sigma_xy_um
        Lateral standard deviation, assumed, not found: that of optics that cut off at the
        highest lateral frequency told from noise, 0.42 / frequency; too much where the stack
        is dim. It has no part in `sigma_split_um`.
    reason
        Why the blur is not identifiable, as one sentence; empty where it is.
    misfit
        Difference between axial and degraded lateral amplitudes of edges, as a share of these.
    trials_um, misfits
        The fit's misfit for each sigma that was tried, 0 first; it has no unit.
    curves
        One for each stack that has a fit.
    """

    sigma_split_um: float | None
    interval_um: tuple[float, float] | None = None
    sigma_xy_um: float | None = None
    reason: str = ""
    misfit: float | None = None
    trials_um: Floats | None = None
    misfits: Floats | None = None
    curves: tuple[Curves, ...] = ()

    @property
    def sigma_z_um(self) -> float | None:
        """Axial standard deviation in all: ``sigma_z^2 = sigma_split^2 + sigma_xy^2``."""
        if self.sigma_split_um is None or self.sigma_xy_um is None:
            return None
        return math.hypot(self.sigma_split_um, self.sigma_xy_um)

    def psf(self, spacing_um: VoxelSize) -> PSF | None:
        """The Gaussian PSF to train with; None where the blur is not identifiable.

        Its split kernel is a Gaussian of exactly `sigma_split_um` along z.

        Parameters
        ----------
        spacing_um
            Voxel size (z, y, x) in micrometres.
        """
        if self.sigma_z_um is None or self.sigma_xy_um is None:
            return None
        return gaussian((self.sigma_z_um, self.sigma_xy_um, self.sigma_xy_um), spacing_um)

    def facts(self) -> dict[str, Any]:
        """What a model or a report should remember, in numbers and text only."""
        return {
            "sigma_split_um": self.sigma_split_um,
            "interval_um": list(self.interval_um) if self.interval_um else None,
            "sigma_z_um": self.sigma_z_um,
            "sigma_xy_um": self.sigma_xy_um,
            "misfit": self.misfit,
            "reason": self.reason,
        }
