"""Options that several commands share, each spelt and explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

OPTICS, TRAINING, READING = "Optics", "Training", "Reading the file"


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


def _option(text: str, *names: str, panel: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=True, **more)


def _triple(text: str, panel: str, name: str) -> Any:
    return _option(text, name, panel=panel, parser=triple, metavar="Z,Y,X")


Stack = Annotated[Path, typer.Argument(help="The image file.", show_default=False)]
Model = Annotated[Path, typer.Argument(help="The model folder.", show_default=False)]
Out = Annotated[Path, _option("Where to write the OME-TIFF.")]
Overwrite = Annotated[bool, _option("Replace files that exist.", "--overwrite")]
Json = Annotated[bool, _option("Print results as JSON for machines.", "--json")]
Dtype = Annotated[
    str, _option("Type of the output: float32, or uint8, uint16 with clipping counted.")
]
Report = Annotated[
    Path | None, _option("Where to write the report; <out>.report.html by default.", "--report")
]

Axes = Annotated[
    str | None, _option("Dimensions of the array where the file does not say.", panel=READING)
]
Voxel = Annotated[Any, _triple("Voxel size in um, instead of the file's.", READING, "--voxel-um")]
Channel = Annotated[int | None, _option("Which channel, from 0.", panel=READING, min=0)]
Timepoint = Annotated[int | None, _option("Which time point, from 0.", panel=READING, min=0)]
AllowIncomplete = Annotated[
    bool, _option("Use the complete planes of a damaged file.", "--allow-incomplete", panel=READING)
]
FillNonfinite = Annotated[
    bool, _option("Take NaN and infinite pixels as dark.", "--fill-nonfinite", panel=READING)
]

Factor = Annotated[
    float | None,
    _option("Restored planes per recorded plane; by default step / pixel size.", panel=OPTICS),
]
Psf = Annotated[
    str,
    _option(
        "none (undo the sampling alone), gaussian, widefield, confocal, twophoton, lightsheet, "
        "or the TIFF of a measured PSF.",
        panel=OPTICS,
    ),
]
PsfMode = Annotated[
    str,
    _option(
        "split: up to the lateral resolution. full: also deconvolve the lateral blur.",
        panel=OPTICS,
    ),
]
PsfVoxel = Annotated[Any, _triple("Voxel size of a measured PSF in um.", OPTICS, "--psf-voxel-um")]
Na = Annotated[float | None, _option("Numerical aperture of the detection.", panel=OPTICS)]
NaIllum = Annotated[float | None, _option("That of a light sheet.", panel=OPTICS)]
Wavelength = Annotated[
    float | None,
    _option("Emission wavelength in um (twophoton: excitation).", "--wavelength-um", panel=OPTICS),
]
RefractiveIndex = Annotated[
    float | None, _option("Of the immersion; water (1.33) by default.", panel=OPTICS)
]
Sigma = Annotated[Any, _triple("Gaussian standard deviations in um.", OPTICS, "--sigma-um")]

Network = Annotated[
    str, _option("auto (best within the time given), care, isonet1, isonet2.", panel=TRAINING)
]
Minutes = Annotated[float | None, _option("Wall time of training; 5 by default.", panel=TRAINING)]
Steps = Annotated[
    int | None, _option("Exact number of training steps instead; repeatable.", panel=TRAINING)
]
Loss = Annotated[str, _option("mse, mae or psnr (IsoNet's).", panel=TRAINING)]
Schedule = Annotated[str, _option("cosine, or plateau (CARE's).", panel=TRAINING)]
LearningRate = Annotated[
    float | None, _option("Adam's; each network has its own default.", panel=TRAINING)
]
BatchSize = Annotated[int, _option("Patches a step.", panel=TRAINING)]
PatchPx = Annotated[int, _option("Side of a patch, a multiple of 16.", panel=TRAINING)]
Seed = Annotated[int, _option("Of everything random.", panel=TRAINING)]
Noise = Annotated[
    str,
    _option("match: the network meets the noise of axial slices. none: no noise.", panel=TRAINING),
]
Precision = Annotated[str, _option("auto, float32 or bfloat16, in training.", panel=TRAINING)]
Device = Annotated[str, _option("auto, cpu, cuda or mps.", panel=TRAINING)]
Tensorboard = Annotated[str | None, _option("Folder for TensorBoard events.", panel=TRAINING)]
