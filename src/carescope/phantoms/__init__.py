"""Simulated structures whose truth is known.

Each phantom is a class that gives its planes slab by slab, and a function of the same name and
arguments that makes all of it at once.
"""

from carescope.phantoms.autofluorescence import Autofluorescence, autofluorescence
from carescope.phantoms.epithelium import Epithelium, Sheet, epithelium
from carescope.phantoms.granules import Granules, granules
from carescope.phantoms.membranes import Membranes, membranes
from carescope.phantoms.nuclei import Nuclei, nuclei
from carescope.phantoms.phantom import Phantom
from carescope.phantoms.tissue import Tissue, tissue
from carescope.phantoms.tubes import Tubes, tubes

#: Every phantom by the name of its function, for ``carescope simulate``.
KINDS: dict[str, type[Phantom]] = {
    "nuclei": Nuclei,
    "membranes": Membranes,
    "tissue": Tissue,
    "tubes": Tubes,
    "granules": Granules,
    "epithelium": Epithelium,
}

__all__ = [
    "KINDS",
    "Autofluorescence",
    "Epithelium",
    "Granules",
    "Membranes",
    "Nuclei",
    "Phantom",
    "Sheet",
    "Tissue",
    "Tubes",
    "autofluorescence",
    "epithelium",
    "granules",
    "membranes",
    "nuclei",
    "tissue",
    "tubes",
]
