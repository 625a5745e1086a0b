"""Simulate images: a phantom whose truth is known, and what a microscope would record of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from carescope import __version__, phantoms
from carescope.errors import InputError, UsageError
from carescope.files.folder import check_makeable, make
from carescope.files.scratch import Scratch, scratch
from carescope.grid import Grid
from carescope.image import VoxelSize, check_voxel_um
from carescope.jobs.exposed import SLAB_PLANES, Exposed, Parts
from carescope.jobs.inputs import Optics
from carescope.jobs.outputs import check_dtype, check_output, is_zarr
from carescope.jobs.series import Facts, Series
from carescope.jobs.settings import moves, parsed
from carescope.phantoms import Autofluorescence
from carescope.physics import camera, exposure
from carescope.physics.psf import PSF
from carescope.write import tiff, zarr

#: The parts that are sampled as the microscope samples.
RECORDED = ("clean", "image")
LARGEST_UINT16 = 65535
#: Rows and columns of a file of an OME-Zarr.
SHARD_PX = 512


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
    as_zarr: bool = False,
    overwrite: bool = False,
    command: str,
    watch: Callable[[float], None] = lambda _: None,
) -> list[Facts]:
    """Write phantoms, their labels, and images of them, under the same names in folders.

    All is made plane by plane: memory grows with the size of a plane and the depth of the PSF, and
    not with the number of planes. The light that is seen lies in a file without a name in `out`
    meanwhile.

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
    as_zarr
        Write OME-Zarr instead of OME-TIFF.
    overwrite
        Replace files that are there.
    command
        What the metadata say made it; where it was interrupted, the same goes on with the images
        that are missing.
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
    _kept_planes(shape[0], factor)
    Autofluorescence((1, 1), seed, strength=autofluorescence)
    series = Series(out, {"simulated by": __version__, "command": command})
    ours = series.ours()
    seeds = range(seed, seed + count)
    targets = [_targets(kind, out, s, as_zarr, overwrite=overwrite, ours=ours) for s in seeds]
    rows: list[Facts] = []

    def made(one: int, places: Mapping[str, Path], ours: bool) -> Facts:
        films: list[Exposed] = []
        tell: Callable[[float], None] = lambda share: watch(  # noqa: E731
            (len(rows) + (len(films) + share) / frames) / count
        )
        with ExitStack() as rooms:
            room: Scratch | None = None
            for frame in range(frames):
                world = _world(kind, shape, one, given, frame)
                faint = Autofluorescence(world.shape, one, strength=autofluorescence)
                if room is None:
                    room = rooms.enter_context(scratch(make(out), world.box[1:]))
                kept = _kept_planes(world.box[0], factor)
                films.append(Exposed(world, faint, room, kept, psf=psf, factor=factor, watch=tell))
            told = {"command": command, "phantom": kind, "seed": str(one)}
            told |= {name: str(value) for name, value in given.items()}
            layouts = {part: _layout(part, films, voxel_um, factor, dtype) for part in places}
            seen = [film.recorded(noise, photons, one, f) for f, film in enumerate(films)]
            clipped = _write(films, seen, places, layouts, told, overwrite=overwrite or ours)
        return {"objects": max(f.objects for f in films), "clipped": clipped}

    with series.underway():
        for one, places in zip(seeds, targets, strict=True):
            facts = series.once(list(places.values()), partial(made, one, places))
            rows.append({part: str(path) for part, path in places.items()} | facts)
    return rows


def _world(
    kind: str, shape: Sequence[int], seed: int, given: Mapping[str, Any], frame: int
) -> phantoms.Phantom:
    """What is there, in a frame of a movie where it moves."""
    more = {"time": float(frame)} if moves(kind) else {}
    return phantoms.KINDS[kind](shape, seed, **given, **more)  # type: ignore[arg-type]


def _check_numbers(kind: str, count: int, frames: int) -> None:
    if min(count, frames) < 1:
        raise UsageError("nothing is to be made", remedy="Give --count and --frames from 1 on")
    if frames > 1 and not moves(kind):
        movers = ", ".join(filter(moves, phantoms.KINDS))
        raise UsageError(f"{kind} do not move", where="--frames", remedy=f"These do: {movers}")


def _kept_planes(planes: int, factor: float) -> int:
    """How many planes of a phantom lie between the first and the last that is recorded."""
    if factor == 1:
        return planes
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


def _targets(
    kind: str, out: Path, seed: int, as_zarr: bool, *, overwrite: bool, ours: Collection[Path]
) -> dict[str, Path]:
    """Where each part of one image goes; refused where it could not be written."""
    check_makeable(out)
    ending = ".ome.zarr" if as_zarr else ".ome.tif"
    parts = dict.fromkeys(["truth", "labels", *RECORDED, *phantoms.KINDS[kind].mapped])
    targets = {part: out / part / f"{kind}_{seed:04d}{ending}" for part in parts}
    for target in targets.values():
        if target.parent.is_dir():
            check_output(target, overwrite=overwrite, ours=ours)
    return targets


def _layout(
    part: str, films: Sequence[Exposed], voxel_um: VoxelSize, factor: float, dtype: str
) -> dict[str, Any]:
    """Size, axes, pixel type, voxel size and channels of the file of a part."""
    film, world = films[0], films[0].world
    recorded, mapped = part in RECORDED, part in world.mapped
    names = () if mapped else world.labelled if part == "labels" else world.channels
    planes = film.planes if recorded else film.kept_planes
    lengths = dict(zip("TCZYX", (len(films), len(names), planes, *world.box[1:]), strict=True))
    flat = "Z" if world.is_flat or mapped else ""
    left_out = flat + "T" * (len(films) == 1) + "C" * (not names)
    axes = "".join(axis for axis in "TCZYX" if axis not in left_out)
    small = max(film.largest for film in films) <= LARGEST_UINT16  # which ImageJ can show
    types = {"image": dtype, "labels": "uint16" if small else "int32"}
    return {
        "shape": tuple(lengths[axis] for axis in axes),
        "axes": axes,
        "dtype": types.get(part, "float32"),
        "voxel_um": (voxel_um[0] * factor, *voxel_um[1:]) if recorded else voxel_um,
        "channel_names": names,
    }


def _write(
    films: Sequence[Exposed],
    seen: Sequence[Iterator[tuple[slice, Parts]]],
    places: Mapping[str, Path],
    layouts: Mapping[str, dict[str, Any]],
    told: Mapping[str, str],
    *,
    overwrite: bool,
) -> int:
    """Write the parts of one image slab by slab; how many values did not fit their type."""
    with ExitStack() as stack:
        sinks = {
            part: stack.enter_context(_create(part, path, layouts[part], told, overwrite=overwrite))
            for part, path in places.items()
        }

        def put(frame: int, slab: slice, parts: Mapping[str, npt.NDArray[Any]]) -> None:
            named = {"T": frame, "C": slice(None), "Z": slab, "Y": slice(None), "X": slice(None)}
            for part, values in parts.items():
                axes = layouts[part]["axes"]
                flat = "Z" not in axes and part not in films[frame].maps
                place = tuple(named[axis] for axis in axes)
                sinks[part][place] = values[..., 0, :, :] if flat else values

        for frame, (film, recorded) in enumerate(zip(films, seen, strict=True)):
            for slab, parts in itertools.chain(recorded, film.true()):
                put(frame, slab, {n: v for n, v in parts.items() if n not in film.maps})
            put(frame, slice(None), film.maps)
    return int(sinks["image"].clipped)


def _create(
    part: str, path: Path, layout: dict[str, Any], told: Mapping[str, str], *, overwrite: bool
) -> AbstractContextManager[Any]:
    """The file of a part, to be filled."""
    make(path.parent)
    if not is_zarr(path):
        return tiff.create(path, **layout, provenance=told, overwrite=overwrite)
    sides = {"T": 1, "C": 1, "Z": SLAB_PLANES, "Y": SHARD_PX, "X": SHARD_PX}
    shard = tuple(sides[axis] for axis in layout["axes"])
    labels = part == "labels"
    return zarr.create(
        path, **layout, provenance=told, shard=shard, labels=labels, overwrite=overwrite
    )
