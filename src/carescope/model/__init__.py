"""The artefact on disk: networks with their recipe and geometry, alone or as an ensemble."""

from carescope.model.description import DESCRIPTION
from carescope.model.ensemble import Ensemble, fuse, with_tta
from carescope.model.folder import check_absent, load, save, save_ensemble
from carescope.model.model import Model

__all__ = [
    "DESCRIPTION",
    "Ensemble",
    "Model",
    "check_absent",
    "fuse",
    "load",
    "save",
    "save_ensemble",
    "with_tta",
]
