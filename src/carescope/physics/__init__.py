"""Optics, blur, axial sampling and camera noise: what a microscope does to its object."""

from carescope.physics import blur, camera, kernel, psf, sampling

__all__ = ["blur", "camera", "kernel", "psf", "sampling"]
