"""Simulate images: a phantom whose truth is known, and what a microscope would record of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import phantoms, rng
from carescope.errors import InputError, UsageError
from carescope.files.folder import check_makeable, make
from carescope.grid import Grid
from carescope.image import Image, VoxelSize, check_voxel_um
from carescope.jobs.inputs import Optics
from carescope.jobs.outputs import check_dtype, check_output
from carescope.jobs.settings import moves, parsed
from carescope.phantoms import Autofluorescence, Phantom
from carescope.phantoms.numbering import renumbered
from carescope.physics import camera, exposure
from carescope.physics.psf import PSF
from carescope.write import tiff

#: Arrays of one image by the name of the folder that they go to.
Parts = dict[str, npt.NDArray[Any]]

#: The parts that are sampled as the microscope samples.
RECORDED = ("clean", "image")
LARGEST_UINT16 = 65535


def simulate(
    kind: str,
    out: Path,
    shape: Sequence[int],
    noise: camera.Noise,
    *,
    seed: int = 0,
    count: int = 1,
    frames: int = 1,
    settings: Sequence[str] = (),
    voxel_um: VoxelSize = (0.2, 0.2, 0.2),
    optics: Optics | None = None,
    factor: float = 1.0,
    photons: float = 100.0,
    autofluorescence: float = 0.0,
    dtype: str = "uint16",
    overwrite: bool = False,
    command: str = "",
    watch: Callable[[float], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Write phantoms, their labels, and images of them, under the same names in folders.

    Parameters
    ----------
    kind
        A key of `carescope.phantoms.KINDS`.
    out
        Gets the folders ``truth``, ``labels``, ``clean`` (the image without noise) and ``image``;
        of an epithelium also ``surface`` and ``height``, in recorded planes.
    shape
        (Z, Y, X) or (Y, X) of the phantom, in voxels of `voxel_um`.
    noise, photons, factor
        The camera, and as for `carescope.physics.exposure.expected`. Truth and labels end with
        the last recorded plane, as a restoration does.
    seed, count
        Seed of the first image, and how many there are: seed, seed + 1, ...
    frames
        Of a movie; of phantoms that move.
    settings
        ``name=value`` for the phantom's own arguments, see `carescope.jobs.settings.parsed`.
    voxel_um
        (z, y, x) in micrometres; recorded planes are `factor` times as far apart.
    optics
        The PSF; none where None.
    autofluorescence
        Mean of smooth light that is added before the blur, as a share of a bright structure.
    dtype
        Of the image: integers are rounded and clipped.
    overwrite
        Replace files that are there.
    command
        What the metadata say made it.
    watch
        Told how far the work is, from 0 to 1.

    Returns
    -------
    list of dict
        Of each image the files by folder, how many objects are labelled, and how many grey
        levels were clipped.

    Raises
    ------
    UsageError
        An option is impossible.
    OutputError
        A file exists, or cannot be written.
    """
    given = parsed(kind, settings)
    check_dtype(dtype)
    exposure.check_exposure(noise, photons, factor, len(shape))
    _check_numbers(kind, count, frames)
    psf = _point_spread(optics or Optics(), check_voxel_um(voxel_um))
    if factor != 1:
        _restored_planes(shape[0], factor)
    Autofluorescence((1, 1), seed, strength=autofluorescence)
    seeds = range(seed, seed + count)
    targets = [_targets(kind, out, one, overwrite=overwrite) for one in seeds]
    done, rows = 0, []

    def tell(share: float) -> None:
        watch((done + share) / (count * frames))

    for one, places in zip(seeds, targets, strict=True):
        movie: list[Parts] = []
        for frame in range(frames):
            more = {"time": float(frame)} if moves(kind) else {}
            world = phantoms.KINDS[kind](shape, one, **given, **more)  # type: ignore[arg-type]
            parts = _true(world, factor)
            tell(0.5)
            light = Autofluorescence(world.shape, one, strength=autofluorescence)
            parts["clean"] = _clean(parts.pop("whole"), world, light, noise, photons, psf, factor)
            draw = rng.generator(one, "simulated camera", frame)
            parts["image"] = camera.expose(parts["clean"], noise, draw)
            movie.append(parts)
            done += 1
            tell(0)
        whole = movie[0] if frames == 1 else {n: np.stack([f[n] for f in movie]) for n in movie[0]}
        told = {"command": command, "phantom": kind, "seed": str(one)}
        told |= {name: str(value) for name, value in given.items()}
        images = _images(whole, world, voxel_um, factor, moving=frames > 1)
        rows.append(_write(images, places, dtype, told, overwrite=overwrite))
    return rows


def _check_numbers(kind: str, count: int, frames: int) -> None:
    if min(count, frames) < 1:
        raise UsageError("nothing is to be made", remedy="Give --count and --frames from 1 on")
    if frames > 1 and not moves(kind):
        movers = ", ".join(filter(moves, phantoms.KINDS))
        raise UsageError(f"{kind} do not move", where="--frames", remedy=f"These do: {movers}")


def _restored_planes(planes: int, factor: float) -> int:
    """How many planes of a phantom lie between the first and the last that is recorded."""
    try:
        recorded = int((planes - 1) / factor + 1e-6) + 1 if factor >= 1 else 1
        return Grid(recorded, factor, 1.0).restored_planes
    except InputError as error:
        raise UsageError(
            f"of {planes} planes, every {factor:g} cannot be recorded",
            where="--factor",
            remedy="Give a factor from 1 on that leaves 2 planes, or more planes with --shape",
        ) from error


def _point_spread(optics: Optics, voxel_um: VoxelSize) -> PSF | None:
    if optics.psf == "auto":
        raise UsageError(
            "there is no stack in which it could be found",
            where="--psf auto",
            remedy="Name the optics, or leave --psf out for none",
        )
    psf = optics.point_spread(voxel_um)
    return None if psf is None else psf.resampled(voxel_um)


def _targets(kind: str, out: Path, seed: int, *, overwrite: bool) -> dict[str, Path]:
    """Where each part of one image goes; refused where it could not be written."""
    check_makeable(out)
    parts = dict.fromkeys(["truth", "labels", *RECORDED, *phantoms.KINDS[kind].mapped])
    targets = {part: out / part / f"{kind}_{seed:04d}.ome.tif" for part in parts}
    for target in targets.values():
        if target.parent.is_dir():
            check_output(target, overwrite=overwrite)
    return targets


def _true(world: Phantom, factor: float) -> Parts:
    """What is true of a phantom, to the last recorded plane, and its ``whole`` density."""
    density, labels = world.whole()
    parts: Parts = {"whole": density, "truth": density, "labels": labels}
    if factor != 1:
        kept = slice(_restored_planes(world.box[0], factor))
        left = np.ascontiguousarray(labels[..., kept, :, :])
        renumbered(left.reshape(-1, *world.box[1:]))
        parts |= {"truth": density[..., kept, :, :], "labels": left}
    parts |= world.maps()
    if "height" in parts:
        parts["height"] = parts["height"] / np.float32(factor)  # in recorded planes
    return parts


def _clean(
    density: npt.NDArray[np.float32],
    world: Phantom,
    light: Autofluorescence,
    noise: camera.Noise,
    photons: float,
    psf: PSF | None,
    factor: float,
) -> npt.NDArray[np.float32]:
    """The image without noise, channel by channel, each with its own brightest voxel."""
    faint = light.planes(slice(0, world.box[0])).reshape(world.shape) if light.strength else 0
    channels = [
        exposure.expected(channel + faint, noise, photons=photons, psf=psf, factor=factor)
        for channel in (density if world.channels else [density])
    ]
    return np.stack(channels) if world.channels else channels[0]


def _images(
    parts: Parts, world: Phantom, voxel_um: VoxelSize, factor: float, *, moving: bool
) -> dict[str, Image]:
    """The parts with axes, voxel sizes and names of channels."""
    recorded_um = (voxel_um[0] * factor, *voxel_um[1:])
    images = {}
    for part, array in parts.items():
        names = world.labelled if part == "labels" else world.channels
        axes = "YX" if world.is_flat or part in world.mapped else "ZYX"
        names = () if part in world.mapped else names
        axes = "T" * moving + "C" * bool(names) + axes
        images[part] = Image(array, axes, recorded_um if part in RECORDED else voxel_um, names)
    return images


def _write(
    images: Mapping[str, Image],
    targets: Mapping[str, Path],
    dtype: str,
    told: dict[str, str],
    *,
    overwrite: bool,
) -> dict[str, Any]:
    """Write the parts of one image; give their files and what is in them."""
    labels = images["labels"].array()
    types = {"image": dtype}
    if labels.max() <= LARGEST_UINT16:
        types["labels"] = "uint16"  # which ImageJ can show
    clipped = 0
    for part, path in targets.items():
        make(path.parent)
        kind = types.get(part)
        clipped += tiff.save(path, images[part], dtype=kind, provenance=told, overwrite=overwrite)
    objects = int(np.count_nonzero(np.bincount(labels.ravel())[1:]))
    files = {part: str(path) for part, path in targets.items()}
    return files | {"objects": objects, "clipped": clipped}
