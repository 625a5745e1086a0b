"""The artefact on disk: a network, its recipe, and the rule that normalises its images."""

from carescope.model.folder import DESCRIPTION, check_absent, load, save
from carescope.model.model import Model

__all__ = ["DESCRIPTION", "Model", "check_absent", "load", "save"]
