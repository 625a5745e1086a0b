"""Options that several commands share, each spelt and explained once.

A group is a table: name of the argument, its type and help, its default. `takes` gives a command
the options of several groups; the command gets them as one mapping by name.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

Group = dict[str, tuple[Any, Any]]
REQUIRED = inspect.Parameter.empty


def takes(*groups: Group) -> Callable[[Callable[[dict[str, Any]], None]], Callable[..., None]]:
    """Give a command the options of `groups`, in their order."""
    options = {name: option for group in groups for name, option in group.items()}

    def decorate(command: Callable[[dict[str, Any]], None]) -> Callable[..., None]:
        def called(**given: Any) -> None:
            command(given)

        called.__name__, called.__doc__ = command.__name__, command.__doc__
        called.__annotations__ = {name: kind for name, (kind, _) in options.items()}
        called.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind
                )
                for name, (kind, default) in options.items()
            ]
        )
        return called

    return decorate


def triple(text: str) -> tuple[float, float, float]:
    """Read ``Z,Y,X``; a single number stands for all three."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers = numbers * 3
    if len(numbers) != 3:
        raise typer.BadParameter(f"{text!r} is not three numbers Z,Y,X, such as 2,0.2,0.2")
    return (numbers[0], numbers[1], numbers[2])


def size_bytes(text: str) -> int:
    """Read an amount of memory: ``4GB``, ``500MB``, or a number of bytes."""
    units = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    number = text.strip().upper().rstrip("BKMGT")
    unit = text.strip().upper()[len(number) :]
    try:
        size = float(number) * units[unit if unit in units else unit + "B"]
    except (ValueError, KeyError):
        size = math.nan
    if not 1 <= size < 1e18:
        raise typer.BadParameter(f"{text!r} is no amount of memory, such as 4GB")
    return int(size)


def option(kind: Any, text: str, *names: str, panel: str | None = None, **more: Any) -> Any:
    """An option of a type, with its help."""
    return Annotated[kind, typer.Option(*names, help=text, rich_help_panel=panel, **more)]


def argument(kind: Any, text: str) -> Any:
    """A positional argument of a type, with its help."""
    return Annotated[kind, typer.Argument(help=text, show_default=False)]


def _panel(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Makers of options and of triples under one heading of the help."""

    def plain(kind: Any, text: str, *names: str, **more: Any) -> Any:
        return option(kind, text, *names, panel=name, **more)

    def numbers(text: str, spelt: str) -> Any:
        return option(Any, text, spelt, panel=name, parser=triple, metavar="Z,Y,X")

    return plain, numbers


_reading, _reading_triple = _panel("Reading the file")
_optics, _optics_triple = _panel("Optics")
_training, _ = _panel("Training")

STACK: Group = {"stack": (argument(Path, "The image file."), REQUIRED)}

STACKS: Group = {
    "stacks": (argument(list[Path], "Image files of one kind, or folders of them."), REQUIRED)
}

OUT: Group = {
    "out": (
        option(Path, "Where to write the OME-TIFF, or OME-Zarr if it ends in .zarr."),
        REQUIRED,
    ),
}

WRITING: Group = {
    "dtype": (
        option(str, "Type of the output: float32, or uint8, uint16 with clipping counted."),
        "float32",
    ),
}

MEMORY: Group = {
    "memory": (
        option(
            Any,
            "Below what the whole program stays, such as 4GB.",
            "--memory",
            parser=size_bytes,
            metavar="SIZE",
        ),
        None,
    ),
}

SPREAD: Group = {
    "spread": (
        option(
            bool,
            "Also write the scale of the predicted distribution and, of an ensemble, the "
            "disagreement.",
            "--spread",
        ),
        False,
    ),
}

RESULT: Group = {
    "overwrite": (
        option(bool, "Replace files, models and cut-short runs that exist.", "--overwrite"),
        False,
    ),
    "as_json": (option(bool, "Print results as JSON for machines.", "--json"), False),
}

AXES: Group = {
    "axes": (_reading(str | None, "Dimensions of the array where the file does not say."), None),
}

READING: Group = AXES | {
    "voxel_um": (_reading_triple("Voxel size in um, instead of the file's.", "--voxel-um"), None),
    "channel": (_reading(int | None, "Which channel, from 0; all if not given.", min=0), None),
    "timepoint": (_reading(int | None, "Which time point, from 0; all if not given.", min=0), None),
    "allow_incomplete": (
        _reading(bool, "Use the complete planes of a damaged file.", "--allow-incomplete"),
        False,
    ),
    "fill_nonfinite": (
        _reading(bool, "Take NaN and infinite pixels as dark.", "--fill-nonfinite"),
        False,
    ),
}

LENS: Group = {
    "na": (_optics(float | None, "Numerical aperture of the detection."), None),
    "na_illum": (_optics(float | None, "That of a light sheet."), None),
    "wavelength_um": (
        _optics(float | None, "Emission wavelength in um (twophoton: excitation)."),
        None,
    ),
    "refractive_index": (_optics(float | None, "Of the immersion; water (1.33) by default."), None),
    "sigma_um": (_optics_triple("Gaussian standard deviations in um.", "--sigma-um"), None),
}

OPTICS: Group = {
    "factor": (
        _optics(
            float | None, "Restored planes per recorded plane; by default plane distance / pixel."
        ),
        None,
    ),
    "psf": (
        _optics(
            str,
            "auto (found from the stack itself), none (undo the sampling alone), gaussian, "
            "widefield, confocal, twophoton, lightsheet, or the TIFF of a measured PSF.",
        ),
        "auto",
    ),
    "psf_mode": (
        _optics(str, "split: up to the lateral resolution. full: undo the lateral blur too."),
        "split",
    ),
    "psf_voxel_um": (_optics_triple("Voxel size of a measured PSF in um.", "--psf-voxel-um"), None),
} | LENS

TRAINING: Group = {
    "network": (
        _training(str, "auto (best within the time given), care, isonet1 or isonet2."),
        "auto",
    ),
    "minutes": (_training(float | None, "Wall time of training; 5 by default."), None),
    "steps": (
        _training(int | None, "Exact number of training steps instead; repeatable."),
        None,
    ),
    "loss": (
        _training(str | None, "mse (if not given), mae, psnr (IsoNet's), laplace or gaussian."),
        None,
    ),
    "laplace": (
        _training(bool, "Predict a Laplace distribution per pixel: --loss laplace.", "--laplace"),
        False,
    ),
    "ensemble": (
        _training(
            int, "How many networks; minutes are shared by them, steps are those of each.", min=1
        ),
        1,
    ),
    "per_channel": (
        _training(bool, "A network for each channel, not one for all.", "--per-channel"),
        False,
    ),
    "start": (_training(Path | None, "Go on from a model (fine-tuning).", "--from"), None),
    "schedule": (_training(str, "cosine, or plateau (CARE's)."), "cosine"),
    "learning_rate": (
        _training(float | None, "Adam's; each network has its own default."),
        None,
    ),
    "batch_size": (_training(int, "Patches a step."), 16),
    "patch_px": (_training(int, "Side of a patch, a multiple of 16."), 128),
    "precision": (_training(str, "auto, float32 or bfloat16, in training."), "auto"),
    "seed": (_training(int, "Of everything random."), 0),
    "device": (_training(str, "auto, cpu, cuda or mps."), "auto"),
    "workers": (
        _training(int | None, "Threads that make patches ahead; chosen if not given.", min=0),
        None,
    ),
    "tensorboard": (_training(str | None, "Folder for TensorBoard events."), None),
}

SECTIONS: Group = {
    "passes": (
        _training(
            int, "2: train again on slices of the first restoration, where there is a PSF. Or 1."
        ),
        2,
    ),
    "noise": (
        _training(
            str,
            "match: the network meets the noise of axial slices. clean: and learns to remove it. "
            "none: no noise.",
        ),
        "match",
    ),
}

HELD_OUT: Group = {
    "low": (option(list[Path], "Folder of images as they are; several are pooled."), REQUIRED),
    "high": (option(Path, "Folder of the same images as they should be."), REQUIRED),
}

SURFACES: Group = {
    "low": (option(list[Path], "Folder of stacks; several are pooled."), REQUIRED),
    "surface": (
        option(Path, "Folder of their surfaces: single planes under the same names."),
        REQUIRED,
    ),
}

#: Patches of whole stacks are small along Y and X.
SMALL_PATCHES: Group = {"patch_px": (TRAINING["patch_px"][0], 64)}

PAIRS: Group = HELD_OUT | {
    "register": (
        option(bool, "Move targets back that lie shifted by whole pixels.", "--register"),
        False,
    ),
    "preset": (
        _training(str, "paper: CARE's network and recipe, 40,000 steps. none."),
        "none",
    ),
    "patch_planes": (_training(int, "Planes of a patch in stacks, a multiple of 4."), 16),
    "most_noise": (
        _training(
            float | None,
            "Show inputs with up to so many times their noise; 2 if scales are learnt, else 1.",
            min=1,
        ),
        None,
    ),
}
