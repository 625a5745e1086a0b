"""Simulated structures whose truth is known."""

from carescope.phantoms.nuclei import nuclei

__all__ = ["nuclei"]
