"""The command ``psf``: a point-spread function, computed from optics or averaged from beads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from carescope.app import options as o
from carescope.app.given import print_facts
from carescope.errors import UsageError

BEADS = "beads"
OF_BEADS: o.Group = {
    "bead_um": (o.option(float | None, "Diameter of the beads in um, to warn if too large."), None),
}
VOXEL: o.Group = {
    "voxel_um": (
        o.option(
            Any,
            "Voxel size of the PSF in um; of beads, instead of the file's.",
            parser=o.triple,
            metavar="Z,Y,X",
        ),
        None,
    )
}


@o.takes(
    {
        "kind": (
            o.argument(str, "gaussian, widefield, confocal, twophoton, lightsheet or beads."),
            o.REQUIRED,
        ),
        "stack": (o.argument(Path | None, "For beads: the image file that shows them."), None),
    },
    o.OUT,
    VOXEL,
    o.LENS,
    OF_BEADS,
    o.RESULT,
    {name: option for name, option in o.READING.items() if name not in VOXEL},
)
def psf(given: dict[str, Any]) -> None:
    """Write the point-spread function of a microscope as an OME-TIFF."""
    if given["kind"] == BEADS:
        _average(given)
    else:
        _compute(given)


def _compute(given: dict[str, Any]) -> None:
    from carescope.jobs.optics import write_psf

    kind = given["kind"]
    _refuse(given, ["stack", *OF_BEADS, *(n for n in o.READING if n not in VOXEL)])
    if given["voxel_um"] is None:
        raise UsageError(
            "is missing",
            where="--voxel-um",
            remedy=f"psf {kind} needs the voxel size in um as --voxel-um Z,Y,X",
        )
    optics = {name: given[name] for name in o.LENS}
    facts = write_psf(kind, given["out"], given["voxel_um"], overwrite=given["overwrite"], **optics)
    print_facts(facts, given["as_json"])


def _average(given: dict[str, Any]) -> None:
    from carescope.app.progress import Watch
    from carescope.jobs.optics import average_beads

    _refuse(given, list(o.LENS))
    if given["stack"] is None:
        raise UsageError(
            "no stack was given",
            where="psf beads",
            remedy="Name the file that shows beads: carescope psf beads STACK --out psf.tif",
        )
    with Watch(quiet=given["as_json"]) as watch:
        facts, warnings = average_beads(
            given["stack"],
            given["out"],
            bead_um=given["bead_um"],
            overwrite=given["overwrite"],
            **{name: given[name] for name in o.READING},
        )
        for warning in warnings:
            watch.say(f"warning: {warning}")
    if given["as_json"]:
        facts["warnings"] = warnings
    print_facts(facts, given["as_json"])


def _refuse(given: dict[str, Any], names: list[str]) -> None:
    """Refuse options that say nothing about the kind."""
    for name in names:
        if given[name] not in (None, False):
            spelt = str(given[name]) if name == "stack" else "--" + name.replace("_", "-")
            raise UsageError(
                f"says nothing about psf {given['kind']}", where=spelt, remedy="Leave it out"
            )
