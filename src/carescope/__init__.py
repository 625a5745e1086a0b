"""carescope: the image a better fluorescence microscope would have taken.

Every public name is loaded when it is first used, so that ``import carescope`` is instant.
To add one: a line in `_PUBLIC`, and the same line for type checkers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carescope import metrics as metrics
    from carescope import model
    from carescope import net as net
    from carescope import pairs as pairs
    from carescope import phantoms as phantoms
    from carescope import physics as physics
    from carescope import trust as trust
    from carescope.grid import Grid as Grid
    from carescope.image import Image as Image
    from carescope.physics.microscope import Microscope as Microscope
    from carescope.predict import restore as restore
    from carescope.read import open as open
    from carescope.recipe import Recipe as Recipe
    from carescope.train import fit as fit
    from carescope.write import save as save

    Ensemble = model.Ensemble
    load_model = model.load
    save_model = model.save

__version__ = "0.1.0"

# name: (module, name in it), or (module, None) for the module itself
_PUBLIC: dict[str, tuple[str, str | None]] = {
    "Ensemble": ("carescope.model", "Ensemble"),
    "Grid": ("carescope.grid", "Grid"),
    "Image": ("carescope.image", "Image"),
    "Microscope": ("carescope.physics.microscope", "Microscope"),
    "Recipe": ("carescope.recipe", "Recipe"),
    "fit": ("carescope.train", "fit"),
    "load_model": ("carescope.model", "load"),
    "metrics": ("carescope.metrics", None),
    "net": ("carescope.net", None),
    "open": ("carescope.read", "open"),
    "pairs": ("carescope.pairs", None),
    "phantoms": ("carescope.phantoms", None),
    "physics": ("carescope.physics", None),
    "restore": ("carescope.predict", "restore"),
    "save": ("carescope.write", "save"),
    "save_model": ("carescope.model", "save"),
    "trust": ("carescope.trust", None),
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'carescope' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    found = import_module(module)
    if attribute is not None:
        found = getattr(found, attribute)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
