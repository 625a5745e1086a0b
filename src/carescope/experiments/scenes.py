"""Simulated stacks of which all is known: phantom, labels, isotropic truth, optics, camera."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from carescope import phantoms, rng
from carescope.image import Image
from carescope.jobs.inputs import Optics
from carescope.phantoms import Phantom
from carescope.physics import blur, camera, sampling
from carescope.physics.isotropic import isotropic_blur
from carescope.physics.psf import PSF

Volume = npt.NDArray[Any]

CAMERA = camera.Noise(gain=1.0, offset=100.0, read_noise=2.0)
PHOTONS = 400.0  # at density 1
#: 1500 nuclei in 512^3 voxels, as in the IsoNet paper, and of a size at which the isotropic truth
#: and the blurred stack are segmented about as well as there.
PER_NUCLEUS_PX3 = 90_000.0
RADIUS_PX = (14.0, 22.0)


class Microscope(NamedTuple):
    """Optics, how many planes lie from one recorded plane to the next, and the pixel size."""

    title: str
    optics: Optics
    every: int
    pixel_um: float = 0.1


MICROSCOPES: dict[str, Microscope] = {
    "gaussian": Microscope("Gaussian 2/8", Optics(psf="gaussian", sigma_um=(0.8, 0.2, 0.2)), 8),
    "confocal": Microscope(
        "confocal NA 1.1",
        Optics(psf="confocal", na=1.1, wavelength_um=0.52, refractive_index=1.33),
        4,
    ),
    "lightsheet": Microscope(
        "light sheet NA 0.8/0.1",
        Optics(psf="lightsheet", na=0.8, na_illum=0.1, wavelength_um=0.52, refractive_index=1.33),
        8,
    ),
    "drosophila": Microscope(
        "light sheet NA 1.1/0.1, pixels of 0.39 µm",
        Optics(psf="lightsheet", na=1.1, na_illum=0.1, wavelength_um=0.52, refractive_index=1.33),
        5,
        0.39,
    ),
    "liver": Microscope(
        "two-photon NA 1.3, pixels of 0.3 µm",
        Optics(psf="twophoton", na=1.3, wavelength_um=0.78, refractive_index=1.47),
        1,
        0.3,
    ),
}


class Scene(NamedTuple):
    """A phantom, and what a microscope makes of it; volumes are (Z, Y, X)."""

    density: Volume
    labels: Volume
    truth: Volume
    """The phantom blurred alike in all directions, without noise: what restoring aims at."""
    seen: Volume
    """The phantom under the microscope's PSF, all planes, without noise."""
    psf: PSF


def phantom(structure: str, shape: tuple[int, int, int], seed: int) -> Phantom:
    """Nuclei, the smaller ones of an embryo, membranes, or tissue: both in one channel."""
    if structure == "tissue":
        return phantoms.Tissue(shape, seed, summed=True)
    if structure == "membranes":
        return phantoms.Membranes(shape, seed)
    if structure == "embryo":
        return phantoms.Nuclei(shape, seed, volume_per_nucleus_px3=PER_NUCLEUS_PX3)
    return phantoms.Nuclei(shape, seed, radius_px=RADIUS_PX, volume_per_nucleus_px3=PER_NUCLEUS_PX3)


def simulate(
    structure: str, microscope: Microscope, shape: tuple[int, int, int], seed: int
) -> Scene:
    """A phantom and its images without noise."""
    density, labels = phantom(structure, shape, seed).whole()
    psf = microscope.optics.point_spread((microscope.pixel_um,) * 3)
    if psf is None:
        raise ValueError(f"{microscope.title} has no PSF")
    seen = blur.blur(density, psf.values)
    return Scene(density, labels, isotropic_blur(density, psf), seen, psf)


def record(scene: Scene, microscope: Microscope, seed: int, *, stage: str = "camera") -> Image:
    """The stack that a camera gives: every so many planes, with photon and read noise."""
    light = np.maximum(sampling.sample(scene.seen, microscope.every), 0)
    grey = camera.expose(CAMERA.offset + PHOTONS * light, CAMERA, rng.generator(seed, stage))
    pixel_um = microscope.pixel_um
    voxel_um = (microscope.every * pixel_um, pixel_um, pixel_um)
    return Image(grey, "ZYX", voxel_um, source=f"simulated {seed}")
