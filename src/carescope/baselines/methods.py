"""The classical methods by name, and the settings among which each is tuned.

A setting is a dictionary of what a denoiser takes, such as ``{"sigma_px": 2}``, with three words of
its own: ``x_noise`` stands for the parameter ``x_grey`` and counts the image's own noise, so that a
setting carries over from one image to another; ``stabilised`` applies the generalised
Anscombe transform before and undoes it after; ``planewise`` treats the planes of a volume one by
one.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import normalize
from carescope.axes import describe_shape
from carescope.baselines import denoisers, stabilise
from carescope.errors import InputError, UsageError
from carescope.image import Image
from carescope.physics import camera

Floats = npt.NDArray[np.float32]
Setting = dict[str, float]

NOISE, GREY = "_noise", "_grey"
# The least noise, as a share of the image's range, that a setting counts in.
LEAST_NOISE = 1e-4


@dataclass(frozen=True)
class Method:
    """A denoiser and the values among which each of its parameters is chosen.

    Parameters
    ----------
    function
        ``function(image, **parameters)``, of `carescope.baselines.denoisers`.
    choices
        For each entry of a setting, its values; every combination of them is a setting.
    in_volumes
        The values that take the place of those in `choices` for volumes.
    planes
        Whether it is for planes.
    volumes
        Whether it is for volumes, and how: what `planewise` may be. Empty where it is not.
    package
        The package without which it does not run, where that is no dependency.
    tuned_on
        Of how many pixels of each pair a setting is tried: a plane of 512 x 512, or a volume of
        16 x 128 x 128, unless it is slow.
    """

    function: Callable[..., Floats]
    choices: Mapping[str, Sequence[float]]
    in_volumes: Mapping[str, Sequence[float]] = field(default_factory=dict)
    planes: bool = True
    volumes: tuple[bool, ...] = (True, False)
    package: str | None = None
    tuned_on: int = 2**18

    def settings(self, ndim: int) -> list[Setting]:
        """Every setting for planes (2) or volumes (3), at least eight."""
        choices = dict(self.choices)
        if ndim == 3:
            choices |= self.in_volumes
            choices["planewise"] = self.volumes
        return [
            dict(zip(choices, values, strict=True))
            for values in itertools.product(*choices.values())
        ]

    def filters(self, ndim: int) -> bool:
        """Whether it can filter planes (2) or volumes (3)."""
        return bool(self.volumes) if ndim == 3 else self.planes

    def installed(self) -> bool:
        """Whether the package that it needs is there."""
        return self.package is None or importlib.util.find_spec(self.package) is not None


def _steps(first: float, last: float, count: int) -> list[float]:
    """Values in equal proportions, in three digits."""
    return [float(f"{v:.3g}") for v in np.geomspace(first, last, count)]


_EITHER = [False, True]

#: What `carescope evaluate --baselines` runs, by name.
METHODS: dict[str, Method] = {
    "low-pass": Method(denoisers.low_pass, {"sigma_px": _steps(0.5, 8, 13)}),
    "median": Method(
        denoisers.median,
        {"radius_px": [1, 1.5, 2, 3, 4, 5, 6.1, 7.1]},
        in_volumes={"radius_px": [1, 1.5, 1.8, 2.3, 3, 3.7, 4.3, 5]},
    ),
    "bilateral": Method(
        denoisers.bilateral,
        {
            "sigma_px": [1, 1.5, 2, 3],
            "sigma_noise": [2, 4, 8, 16],
            "stabilised": _EITHER,
        },
        volumes=(True,),
    ),
    "non-local means": Method(
        denoisers.non_local_means,
        {
            "strength_noise": [0.35, 0.5, 0.7, 1, 1.4],
            "patch_px": [5, 7, 11, 15],
            "search_px": [3, 5],
            "sigma_noise": [1],
            "stabilised": _EITHER,
        },
        in_volumes={"patch_px": [3, 5], "search_px": [2, 3]},
    ),
    "total variation": Method(
        denoisers.total_variation,
        {"weight_noise": _steps(0.25, 4, 9), "stabilised": _EITHER},
    ),
    "bm3d": Method(
        denoisers.bm3d,
        {"sigma_noise": [0.7, 1, 1.4, 2, 2.8], "stabilised": _EITHER},
        volumes=(),
        package="bm3d",
        tuned_on=2**16,
    ),
    "bm4d": Method(
        denoisers.bm4d,
        {"sigma_noise": [0.7, 1, 1.4, 2, 2.8], "stabilised": _EITHER},
        planes=False,
        volumes=(False,),
        package="bm4d",
        tuned_on=2**16,
    ),
}


def named(ndim: int) -> dict[str, Method]:
    """The methods that are installed and can filter planes (2) or volumes (3)."""
    return {
        name: method
        for name, method in METHODS.items()
        if method.filters(ndim) and method.installed()
    }


def missing(ndim: int) -> list[str]:
    """Packages that are not installed, of methods that could filter planes (2) or volumes (3)."""
    return [
        str(method.package)
        for method in METHODS.values()
        if method.filters(ndim) and not method.installed()
    ]


def find(method: str | Method) -> Method:
    """The method of a name.

    Raises
    ------
    UsageError
        There is none.
    """
    if isinstance(method, Method):
        return method
    if method not in METHODS:
        raise UsageError(
            f"there is no baseline {method!r}", remedy=f"Choose one of {', '.join(METHODS)}"
        )
    return METHODS[method]


def apply(method: str | Method, image: npt.ArrayLike, setting: Mapping[str, float]) -> Floats:
    """Denoise an image with a setting of a method.

    The image is brought to a range of about 0 to 1 by its percentiles 2 and 99.8, its noise is
    estimated from itself (`carescope.physics.camera.estimate`), and the result is brought back:
    that of ``a * image + b`` is a times that of `image`, plus b, for positive a.

    Parameters
    ----------
    method
        A key of `METHODS`, or a method.
    image : (Y, X) or (Z, Y, X) array
        Grey levels, of at least 16 x 16 pixels a plane.
    setting
        Such as `carescope.baselines.tune` gives.

    Returns
    -------
    float32 array of the same shape and unit.

    Raises
    ------
    UsageError
        There is no such method, or its package is not installed.
    InputError
        The image is constant, not finite, or has not 2 or 3 dimensions of enough pixels.
    """
    chosen = find(method)
    grey = _checked(image)
    whole = Image(grey, "ZYX"[-grey.ndim :])
    scale = normalize.fit(whole)[0]
    values = scale.apply(grey)
    # An estimated offset can lie above the dark parts, which stabilising would then flatten; so
    # light is taken to begin at their level, which is 0.
    noise = camera.estimate(values if values.ndim == 3 else values[np.newaxis], offset=0.0)
    given = dict(setting)
    stabilised, planewise = (bool(given.pop(word, 0)) for word in ("stabilised", "planewise"))
    spread = max(math.sqrt(float(noise.variance(values).mean())), LEAST_NOISE)
    if stabilised:
        values, spread = stabilise.forward(values, noise).astype(np.float32), 1.0
    parameters = {
        name.replace(NOISE, GREY): value * spread if name.endswith(NOISE) else value
        for name, value in given.items()
    }
    if planewise and values.ndim == 3:
        found = np.stack([chosen.function(plane, **parameters) for plane in values])
    else:
        found = chosen.function(values, **parameters)
    if stabilised:
        found = stabilise.inverse(found, noise).astype(np.float32)
    return scale.undo(found)


def _checked(image: npt.ArrayLike) -> npt.NDArray[Any]:
    grey = np.asarray(image)
    sound = grey.dtype.kind in "buif" and grey.ndim in (2, 3) and min(grey.shape[-2:]) >= 16
    if not sound or (grey.ndim == 3 and len(grey) < 2):
        raise InputError(
            "baselines need a plane (Y, X), or a volume (Z, Y, X) of 2 planes and more, of real "
            f"numbers and 16 x 16 pixels at least, not {describe_shape(grey.shape)} {grey.dtype}",
            remedy="Give larger images; channels and time points one by one",
        )
    if not np.isfinite(grey).all():
        raise InputError(
            "an image holds values that are not finite", remedy="Replace or crop them away"
        )
    return grey
