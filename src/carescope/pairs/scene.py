"""A simulated world and the microscope that looks at it: what a network can be trained on alone."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from carescope import phantoms, rng
from carescope.errors import CarescopeError, UsageError
from carescope.image import VoxelSize
from carescope.phantoms.texture import slabs
from carescope.physics.blur import blur
from carescope.physics.camera import Noise
from carescope.physics.exposure import in_focus
from carescope.physics.psf import PSF, gaussian, named
from carescope.recipe import validated

Floats = npt.NDArray[np.float32]
Range = tuple[float, float]

SIGMA_PER_FWHM = 1 / 2.3548
SETTING = float | int | bool | tuple[float, ...]
# Pixels whose sides differ by less are square.
SQUARE_WITHIN = 0.01
LEAST_PX = 32


class Sight(NamedTuple):
    """One simulated field, a bright structure being 1: as it should be, and as light from it is.

    `sharp` is the structure at the resolution that is wanted, `light` what the optics make of it
    and of its autofluorescence, scaled to a maximum of 1 as `sharp` is with it.
    """

    sharp: Floats
    light: Floats


class Scene(BaseModel):
    """Structures, optics and camera of simulated training images.

    Parameters
    ----------
    phantom
        Which structure: a key of `carescope.phantoms.KINDS` that has one channel.
    settings
        The phantom's own arguments, such as ``{"width_px": 2}``.
    shape
        Rows and columns of a field, or planes, rows and columns; the network sees the same axes.
    voxel_um
        Pixel size of the images that are to be restored: one number, or z, y and x, of which the
        last two are equal.
    psf
        ``gaussian``, ``widefield``, ``confocal``, ``twophoton`` or ``lightsheet``, with `na`,
        `na_illum`, `wavelength_um`, `refractive_index` or `sigma_um` as it needs; one sigma stands
        for all three.
    sharp_um
        Full width at half maximum to which targets are blurred; 0 leaves them as the phantom is.
    photons
        Photo-electrons in the brightest pixel of a frame, from and to; each field is seen with
        several numbers in between. One number stands for both, here and below.
    frames
        How many frames an input is the mean of, from and to.
    gain, offset, read_noise
        The camera: grey levels per photo-electron, without light, and of reading out.
    autofluorescence
        Mean of the smooth light that is added, as a share of a bright structure, from and to.
    fields
        How many fields are simulated.

    Raises
    ------
    pydantic.ValidationError
        Something is missing or impossible.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    phantom: str
    settings: dict[str, SETTING] = Field(default_factory=dict)
    shape: tuple[int, ...] = (256, 256)
    voxel_um: float | tuple[float, float, float]
    psf: Literal["gaussian", "widefield", "confocal", "twophoton", "lightsheet"]
    na: float | None = None
    na_illum: float | None = None
    wavelength_um: float | None = None
    refractive_index: float | None = None
    sigma_um: tuple[float, float, float] | None = None
    sharp_um: float = Field(0.0, ge=0)
    photons: Range = (20.0, 500.0)
    frames: tuple[int, int] = (1, 10)
    gain: float = Field(2.0, gt=0)
    offset: float = 100.0
    read_noise: float = Field(4.0, ge=0)
    autofluorescence: Range = (0.0, 0.3)
    fields: int = Field(64, ge=2, le=10_000)

    @field_validator("phantom")
    @classmethod
    def _known(cls, phantom: str) -> str:
        if phantom not in phantoms.KINDS:
            raise ValueError(f"there is no phantom {phantom!r}; choose {', '.join(phantoms.KINDS)}")
        return phantom

    @field_validator("shape")
    @classmethod
    def _large(cls, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) not in (2, 3) or min(shape) < LEAST_PX:
            raise ValueError(f"2 or 3 lengths of at least {LEAST_PX} pixels are needed")
        return shape

    @field_validator("photons", "frames", "autofluorescence", "sigma_um", mode="before")
    @classmethod
    def _alike(cls, value: object, info: ValidationInfo) -> object:
        """One number stands for both ends of a range, and for all three sigmas."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        return (value,) * (3 if info.field_name == "sigma_um" else 2)

    @field_validator("voxel_um")
    @classmethod
    def _square(cls, voxel_um: float | VoxelSize) -> float | VoxelSize:
        z, y, x = voxel_um if isinstance(voxel_um, tuple) else (voxel_um,) * 3
        if not min(z, y, x) > 0 or abs(y / x - 1) > SQUARE_WITHIN:
            raise ValueError("pixels are square, and larger than 0")
        return voxel_um

    @field_validator("photons", "frames", "autofluorescence")
    @classmethod
    def _rising(cls, values: Range, info: ValidationInfo) -> Range:
        least = 0 if info.field_name == "autofluorescence" else 1e-3
        if not least <= values[0] <= values[1]:
            raise ValueError(f"({values[0]:g}, {values[1]:g}) does not rise from above 0")
        return values

    @classmethod
    def of(cls, values: dict[str, Any], where: str = "scene") -> Scene:
        """A scene from loose values, refusing each bad one by name.

        Raises
        ------
        UsageError
            A key is unknown (with the nearest known one), missing, or a value impossible; the
            phantom or the optics cannot be had.
        """
        scene = validated(cls, values, where, str)
        try:
            world = scene.world(0)
            _ = scene.point_spread
        except CarescopeError as error:
            key = (error.where or "").removeprefix("--").replace("-", "_")
            raise UsageError(
                f"{key}: {error.what}" if key else error.what, where=where, remedy=error.remedy
            ) from None
        except TypeError as error:
            raise UsageError(
                f"settings: {error}",
                where=where,
                remedy=f"See docs/phantoms.md for {scene.phantom}",
            ) from None
        if world.channels:
            raise UsageError(
                f"{scene.phantom} have the channels {', '.join(world.channels)}, and a network is "
                "trained for one",
                where=where,
                remedy="Choose another phantom, or settings: {summed: true}",
            )
        return scene

    @property
    def axes(self) -> Literal["YX", "ZYX"]:
        """Those of a field."""
        return "YX" if len(self.shape) == 2 else "ZYX"

    @property
    def spacing_um(self) -> VoxelSize:
        """Voxel size (z, y, x)."""
        one = self.voxel_um
        return one if isinstance(one, tuple) else (one, one, one)

    def world(self, seed: int) -> phantoms.Phantom:
        """The structures of one field."""
        return phantoms.KINDS[self.phantom](self.shape, seed, **self.settings)  # type: ignore[arg-type]

    @cached_property
    def point_spread(self) -> PSF:
        """The optics, on the voxels of a field."""
        return named(
            self.psf,
            self.spacing_um,
            na=self.na,
            na_illum=self.na_illum,
            wavelength_um=self.wavelength_um,
            refractive_index=self.refractive_index,
            sigma_um=self.sigma_um,
        )

    def field(self, seed: int, number: int) -> Sight:
        """Simulate one field; the same for the same numbers.

        Parameters
        ----------
        seed
            The recipe's.
        number
            Which field.
        """
        draw = rng.generator(seed, "scene", number)
        one = int(draw.integers(2**31))
        sharp, _ = self.world(one).whole()
        strength = float(draw.uniform(*self.autofluorescence))
        haze = phantoms.Autofluorescence(self.shape, one, strength=strength)
        whole = sharp.reshape(haze.box).copy()
        for slab in slabs(haze.box):
            whole[slab] += haze.planes(slab)
        light = self._seen(whole.reshape(sharp.shape), self.point_spread)
        if self.sharp_um > 0:
            sigma = self.sharp_um * SIGMA_PER_FWHM
            sharp = self._seen(sharp, gaussian((sigma, sigma, sigma), self.spacing_um))
        brightest = light.max() or np.float32(1)  # a field may be empty
        return Sight(sharp / brightest, light / brightest)

    def _seen(self, density: Floats, psf: PSF) -> Floats:
        kernel = psf.values if density.ndim == 3 else in_focus(psf)
        return np.asarray(np.maximum(blur(density, kernel), 0), np.float32)

    def exposure(self, seed: int, number: int, which: int) -> tuple[float, Noise]:
        """How brightly, in grey levels, and with what noise a field is seen for one of its times.

        The mean of N frames has the noise of a camera whose gain is an N-th and whose read noise is
        a root of N smaller.
        """
        draw = rng.generator(seed, "exposure", number, which)
        low, high = np.log(self.photons)
        photons = float(np.exp(draw.uniform(low, high)))
        least, most = np.log(self.frames)
        frames = max(1, round(float(np.exp(draw.uniform(least, most)))))
        noise = Noise(self.gain / frames, self.offset, self.read_noise / np.sqrt(frames))
        return self.gain * photons, noise
