"""Simulated structures whose truth is known."""

from carescope.phantoms.membranes import membranes
from carescope.phantoms.nuclei import nuclei
from carescope.phantoms.tubes import tubes

__all__ = ["membranes", "nuclei", "tubes"]
