"""Commands on phantoms: ``simulate`` records them, ``train simulated`` learns from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from carescope.app import options as o
from carescope.app.given import (
    command_line,
    optics_given,
    print_facts,
    print_learnt,
    recipe_given,
    shared_given,
)
from carescope.app.learning import MODEL


def sizes(text: str) -> tuple[int, ...]:
    """Read ``Z,Y,X`` or ``Y,X``; a single number stands for Z, Y and X."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    numbers = numbers * 3 if len(numbers) == 1 else numbers
    if len(numbers) not in (2, 3) or min(numbers) < 1:
        raise typer.BadParameter(f"{text!r} is no size Z,Y,X or Y,X, such as 128,256,256")
    return numbers


PHANTOM: o.Group = {
    "kind": (
        o.argument(str, "nuclei, membranes, tissue, tubes, granules or epithelium."),
        o.REQUIRED,
    ),
    "out": (o.option(Path, "Folder for truth, labels, clean and image."), o.REQUIRED),
    "shape": (
        o.option(
            Any,
            "Voxels of the truth; Y,X for a plane, of all but an epithelium.",
            "--shape",
            parser=sizes,
            metavar="Z,Y,X",
        ),
        "128,256,256",
    ),
    "seed": (o.option(int, "Of the first image.", min=0), 0),
    "count": (o.option(int, "How many images, with seeds one after the other.", min=1), 1),
    "frames": (o.option(int, "Frames of a movie of an epithelium.", min=1), 1),
    "settings": (
        o.option(
            list[str],
            "A setting of the phantom, such as width_px=3.",
            "--set",
            metavar="NAME=VALUE",
        ),
        [],
    ),
    "as_zarr": (o.option(bool, "Write OME-Zarr instead of OME-TIFF.", "--zarr"), False),
    "autofluorescence": (
        o.option(float, "Mean of smooth background light; a bright structure is 1."),
        0.0,
    ),
}
MICROSCOPE: o.Group = {
    "voxel_um": (
        o.option(
            Any, "Voxel size of the truth in um.", "--voxel-um", parser=o.triple, metavar="Z,Y,X"
        ),
        "0.2",
    ),
    "factor": (o.option(float, "Planes of the truth per recorded plane.", min=1), 1.0),
    "psf": (
        o.option(
            str,
            "none, gaussian, widefield, confocal, twophoton, lightsheet, or the TIFF of a "
            "measured PSF.",
        ),
        "none",
    ),
    "psf_voxel_um": o.OPTICS["psf_voxel_um"],
}
CAMERA: o.Group = {
    "photons": (o.option(float, "Photo-electrons in the brightest voxel."), 100.0),
    "gain": (o.option(float, "Grey levels per photo-electron."), 1.0),
    "offset": (o.option(float, "Grey level without light."), 100.0),
    "read_noise": (o.option(float, "Standard deviation of reading out in grey levels."), 2.0),
    "dtype": (o.option(str, "Type of the image: uint16, uint8, int16 or float32."), "uint16"),
}


@o.takes(PHANTOM, MICROSCOPE, o.LENS, CAMERA, o.RESULT)
def simulate(given: dict[str, Any]) -> None:
    """Write phantoms whose truth is known, and images of them as a microscope sees them."""
    from carescope.app.progress import Watch
    from carescope.jobs.simulate import simulate as job
    from carescope.physics.camera import Noise

    optics = optics_given(given)
    with Watch(quiet=given["as_json"]) as watch:
        rows = job(
            given["kind"],
            given["out"],
            given["shape"],
            Noise(given["gain"], given["offset"], given["read_noise"]),
            seed=given["seed"],
            count=given["count"],
            frames=given["frames"],
            settings=given["settings"],
            voxel_um=given["voxel_um"],
            optics=optics,
            factor=given["factor"],
            photons=given["photons"],
            autofluorescence=given["autofluorescence"],
            dtype=given["dtype"],
            as_zarr=given["as_zarr"],
            overwrite=given["overwrite"],
            command=command_line(),
            watch=watch.simulating,
        )
        for row in rows:
            if not row["objects"]:
                watch.say(f"warning: {row['labels']} holds no object; try a larger --shape")
    if given["as_json"]:
        print(json.dumps(rows))
        return
    for row in rows:
        print_facts(row, as_json=False)


SCENE: o.Group = {
    "scene": (o.argument(Path, "The YAML file of structures, optics and camera."), o.REQUIRED)
}


@o.takes(SCENE, MODEL, o.RESULT, o.TRAINING | {"patch_planes": o.PAIRS["patch_planes"]})
def train_simulated(given: dict[str, Any]) -> None:
    """Learn from simulated images alone; the same command again resumes a run cut short."""
    from carescope.app.progress import Watch
    from carescope.jobs import simulated as job
    from carescope.jobs.members import check_kept
    from carescope.train import distributed

    recipe, shared, main = recipe_given(given), shared_given(given), distributed.is_main()
    check_kept(given["model"], shared)
    scene = job.open_scene(given["scene"])
    with Watch(quiet=given["as_json"] or not main) as watch:
        learnt = job.learn_scene(
            scene,
            recipe,
            members=given["ensemble"],
            start=given["start"],
            folder=given["model"],
            shared=shared,
            watch=watch.training,
        )
        told = dict.fromkeys(said for one in learnt.members for said in one.facts["warnings"])
        for warning in told:
            watch.say(f"warning: {warning}")
    kept = ("trained_on", "steps", "seconds", "best_validation_loss")
    print_learnt(given, learnt, kept, list(told))
