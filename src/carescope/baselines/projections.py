"""Classical projections of a sheet of tissue onto a plane, by name, and how they are tuned.

A setting holds what finds the sheet (see `carescope.baselines.surfaces`), and how it is read:
``depth_planes`` on either side of it, as their ``brightest`` or their mean. Non-local means on the
projection, with a setting of its own, is tuned after it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import metrics
from carescope.axes import describe_shape
from carescope.baselines import surfaces
from carescope.baselines.methods import Setting, apply
from carescope.baselines.tuning import Pair, tune
from carescope.errors import InputError, UsageError

Floats = npt.NDArray[np.float32]
Real = npt.NDArray[Any]

DENOISER = "non-local means"


@dataclass(frozen=True)
class Projection:
    """A stack seen as one plane.

    Parameters
    ----------
    image : (Y, X) float32 array
        Grey levels.
    height : (Y, X) float32 array or None
        Where the sheet lies, in planes from 0 to Z - 1; None where no sheet was looked for.
    """

    image: Floats
    height: Floats | None = None


@dataclass(frozen=True)
class Projector:
    """A way to project, and the values among which each of its parameters is chosen.

    Parameters
    ----------
    surface
        ``surface(stack, **parameters)`` finds the height map; None for none.
    choices
        For each parameter of it, its values.
    sampling
        For each parameter of `sample`, its values.
    """

    surface: Callable[..., Floats] | None = None
    choices: Mapping[str, Sequence[float]] = field(default_factory=dict)
    sampling: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def surfaces(self) -> list[Setting]:
        """Every way to look for the sheet."""
        return _combined(self.choices)

    def samplings(self) -> list[Setting]:
        """Every way to read the stack there."""
        return _combined(self.sampling)


_SAMPLING: dict[str, Sequence[float]] = {"depth_planes": [0, 1, 2, 4], "brightest": [False, True]}

#: The ways to project, by name.
PROJECTORS: dict[str, Projector] = {
    "maximum": Projector(),
    "smooth height map": Projector(
        surfaces.smooth_height,
        {"sigma_px": [0.5, 1, 2, 4], "stiffness": [0.1, 1, 10, 100]},
        _SAMPLING,
    ),
    "minimum-cost surface": Projector(
        surfaces.minimum_cost,
        {"sigma_px": [0.5, 1, 2, 4], "slope_planes": [1, 2, 4, 8], "contrast": [False, True]},
        _SAMPLING,
    ),
}


def sample(
    stack: npt.ArrayLike, height: npt.ArrayLike, *, depth_planes: int, brightest: bool = False
) -> Floats:
    """Read a stack along a height map.

    Parameters
    ----------
    stack : (Z, Y, X) array
        Grey levels.
    height : (Y, X) array
        In planes; between planes a stack is interpolated linearly, and beyond its first and last
        one it goes on as they are.
    depth_planes
        How many planes above and below the height count as well.
    brightest
        Whether the brightest of them is taken, and not their mean. It keeps membranes that are not
        quite where the sheet is, and rises with the noise.

    Returns
    -------
    (Y, X) float32 array
    """
    grey, middle = np.asarray(stack), np.asarray(height, np.float64)
    if grey.ndim != 3 or middle.shape != grey.shape[1:]:
        raise InputError(
            f"a height map of {describe_shape(middle.shape)} does not lie in a stack of "
            f"{describe_shape(grey.shape)}",
            remedy="Give (Y, X) heights for a (Z, Y, X) stack",
        )
    last = len(grey) - 1
    found = None
    for offset in range(-int(depth_planes), int(depth_planes) + 1):
        place = np.clip(middle + offset, 0, last)
        lower = np.minimum(place.astype(np.intp), max(last - 1, 0))
        share = (place - lower).astype(np.float32)
        first, second = (
            np.take_along_axis(grey, z[None], axis=0)[0].astype(np.float32)
            for z in (lower, np.minimum(lower + 1, last))
        )
        values = first + share * (second - first)
        if found is None:
            found = values
        else:
            found = np.maximum(found, values) if brightest else found + values
    many = 1 if brightest else 2 * int(depth_planes) + 1
    return np.asarray(found, np.float32) / np.float32(many)


def project(
    method: str | Projector,
    stack: npt.ArrayLike,
    setting: Mapping[str, float],
    *,
    denoiser: Mapping[str, float] | None = None,
) -> Projection:
    """Project a stack with a setting of a method.

    Parameters
    ----------
    method
        A key of `PROJECTORS`, or a projector.
    stack : (Z, Y, X) array
        Grey levels.
    setting
        Such as `tune_projection` gives.
    denoiser
        The setting of non-local means that is applied to the projection; none without it.

    Raises
    ------
    UsageError
        There is no such method.
    InputError
        The stack is not finite, or too small.
    """
    chosen, grey = _find(method), _checked(stack)
    given = dict(setting)
    how = {name: given.pop(name) for name in chosen.sampling}
    height = None if chosen.surface is None else chosen.surface(grey, **given)
    image = _read(grey, height, how)
    return Projection(image if denoiser is None else apply(DENOISER, image, denoiser), height)


def tune_projection(
    method: str | Projector, pairs: Sequence[Pair], *, denoised: bool = False
) -> tuple[Setting, Setting | None]:
    """The setting of the least mean NRMSE on validation pairs, and one of non-local means after it.

    Parameters
    ----------
    method
        A key of `PROJECTORS`, or a projector.
    pairs
        (stack, true projection), (Z, Y, X) and (Y, X), of which none should be among those on
        which methods are compared afterwards.
    denoised
        Whether non-local means is to follow; its setting is chosen on the projections that the
        first setting gives.

    Returns
    -------
    setting, denoiser
        What `project` takes; the second is None unless `denoised`.

    Raises
    ------
    InputError
        There are no pairs, or a pair does not show one field.
    UsageError
        There is no such method.
    """
    chosen = _find(method)
    for stack, truth in pairs:
        if stack.ndim != 3 or stack.shape[1:] != truth.shape:
            raise InputError(
                f"a stack of {describe_shape(stack.shape)} and a projection of "
                f"{describe_shape(truth.shape)} are no pair",
                remedy="Give (Z, Y, X) stacks with (Y, X) projections",
            )
    if not pairs:
        raise InputError("there are no pairs to choose settings on", remedy="Give one at least")
    best, least = {}, math.inf
    for found in chosen.surfaces():
        heights = [None if chosen.surface is None else chosen.surface(s, **found) for s, _ in pairs]
        for how in chosen.samplings():
            error = float(
                np.mean(
                    [
                        _error(truth, _read(stack, height, how))
                        for (stack, truth), height in zip(pairs, heights, strict=True)
                    ]
                )
            )
            if error < least:
                best, least = found | how, error
    if not denoised:
        return best, None
    projected = [(project(chosen, stack, best).image, truth) for stack, truth in pairs]
    return best, tune(DENOISER, projected)


def _combined(choices: Mapping[str, Sequence[float]]) -> list[Setting]:
    return [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]


def _read(stack: Real, height: Floats | None, how: Mapping[str, float]) -> Floats:
    if height is None:
        return np.asarray(stack.max(axis=0), np.float32)
    return sample(
        stack, height, depth_planes=int(how["depth_planes"]), brightest=bool(how["brightest"])
    )


def _error(truth: Real, image: Floats) -> float:
    return math.inf if image.min() == image.max() else metrics.nrmse(truth, image)


def _find(method: str | Projector) -> Projector:
    if isinstance(method, Projector):
        return method
    if method not in PROJECTORS:
        raise UsageError(
            f"there is no projection {method!r}", remedy=f"Choose one of {', '.join(PROJECTORS)}"
        )
    return PROJECTORS[method]


def _checked(stack: npt.ArrayLike) -> Real:
    grey: Real = np.asarray(stack)
    if grey.dtype.kind not in "buif" or grey.ndim != 3 or grey.size == 0:
        raise InputError(
            f"a projection needs a stack (Z, Y, X) of real numbers, not "
            f"{describe_shape(grey.shape)} {grey.dtype}",
            remedy="Give channels and time points one by one",
        )
    if not np.isfinite(grey).all():
        raise InputError(
            "the stack holds values that are not finite", remedy="Replace or crop them away"
        )
    return grey
