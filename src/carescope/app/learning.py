"""Commands that learn from a stack: ``isotropic`` and ``train isotropic``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carescope.app import options as o
from carescope.app.given import command_line, open_given, print_facts

if TYPE_CHECKING:
    from carescope.jobs.inputs import Optics
    from carescope.recipe import Recipe


def isotropic(
    stack: o.Stack,
    out: o.Out,
    model: Annotated[
        Path | None, typer.Option(help="Folder that keeps what was learnt.", show_default=False)
    ] = None,
    report: o.Report = None,
    dtype: o.Dtype = "float32",
    axes: o.Axes = None,
    voxel_um: o.Voxel = None,
    channel: o.Channel = None,
    timepoint: o.Timepoint = None,
    allow_incomplete: o.AllowIncomplete = False,
    fill_nonfinite: o.FillNonfinite = False,
    factor: o.Factor = None,
    psf: o.Psf = "none",
    psf_mode: o.PsfMode = "split",
    psf_voxel_um: o.PsfVoxel = None,
    na: o.Na = None,
    na_illum: o.NaIllum = None,
    wavelength_um: o.Wavelength = None,
    refractive_index: o.RefractiveIndex = None,
    sigma_um: o.Sigma = None,
    network: o.Network = "auto",
    minutes: o.Minutes = None,
    steps: o.Steps = None,
    loss: o.Loss = "mse",
    schedule: o.Schedule = "cosine",
    learning_rate: o.LearningRate = None,
    batch_size: o.BatchSize = 16,
    patch_px: o.PatchPx = 128,
    noise: o.Noise = "match",
    precision: o.Precision = "auto",
    seed: o.Seed = 0,
    device: o.Device = "auto",
    tensorboard: o.Tensorboard = None,
    overwrite: o.Overwrite = False,
    as_json: o.Json = False,
) -> None:
    """Learn from one anisotropic stack, restore it to isotropic resolution, and report."""
    given = dict(locals())
    from carescope.app.progress import Watch
    from carescope.files import atomic
    from carescope.jobs import isotropic as job
    from carescope.jobs import restore
    from carescope.model import check_absent

    recipe, optics = _recipe(given), _optics(given)
    page = report or job.report_path(out)
    restore.check_output(out, overwrite=overwrite)
    atomic.check_writable(page, overwrite=overwrite)
    if model:
        check_absent(model, overwrite=overwrite)
    image, warnings = open_given(given)
    with Watch(quiet=as_json) as watch:
        written, page, _ = job.isotropic(
            image,
            out,
            optics,
            recipe,
            factor=factor,
            folder=model,
            page=page,
            dtype=dtype,
            overwrite=overwrite,
            device=device,
            tensorboard=tensorboard,
            command=command_line(),
            warnings=warnings,
            watch_training=watch.training,
            watch_restoring=watch.restoring,
        )
    facts: dict[str, object] = {
        "restored": written.path,
        "shape": " x ".join(map(str, written.image.shape)),
        "voxel_um": ", ".join(f"{v:.4g}" for v in written.image.voxel()),
        "clipped": written.clipped,
        "report": page,
    }
    print_facts(facts | ({"model": model} if model else {}), as_json)


def train_isotropic(
    stack: o.Stack,
    model: Annotated[Path, typer.Option(help="Folder for the model.", show_default=False)],
    axes: o.Axes = None,
    voxel_um: o.Voxel = None,
    channel: o.Channel = None,
    timepoint: o.Timepoint = None,
    allow_incomplete: o.AllowIncomplete = False,
    fill_nonfinite: o.FillNonfinite = False,
    factor: o.Factor = None,
    psf: o.Psf = "none",
    psf_mode: o.PsfMode = "split",
    psf_voxel_um: o.PsfVoxel = None,
    na: o.Na = None,
    na_illum: o.NaIllum = None,
    wavelength_um: o.Wavelength = None,
    refractive_index: o.RefractiveIndex = None,
    sigma_um: o.Sigma = None,
    network: o.Network = "auto",
    minutes: o.Minutes = None,
    steps: o.Steps = None,
    loss: o.Loss = "mse",
    schedule: o.Schedule = "cosine",
    learning_rate: o.LearningRate = None,
    batch_size: o.BatchSize = 16,
    patch_px: o.PatchPx = 128,
    noise: o.Noise = "match",
    precision: o.Precision = "auto",
    seed: o.Seed = 0,
    device: o.Device = "auto",
    tensorboard: o.Tensorboard = None,
    overwrite: o.Overwrite = False,
    as_json: o.Json = False,
) -> None:
    """Learn to restore stacks of one kind; the same command again resumes a run cut short."""
    given = dict(locals())
    from carescope.app.progress import Watch
    from carescope.jobs.isotropic import learn
    from carescope.model import check_absent

    recipe, optics = _recipe(given), _optics(given)
    check_absent(model, overwrite=overwrite)
    image, warnings = open_given(given)
    with Watch(quiet=as_json) as watch:
        learnt = learn(
            image,
            optics,
            recipe,
            factor=factor,
            folder=model,
            overwrite=overwrite,
            device=device,
            tensorboard=tensorboard,
            watch=watch.training,
        )
        for warning in [*warnings, *learnt.warnings]:
            watch.say(f"warning: {warning}")
    facts = learnt.model.facts
    print_facts(
        {
            "model": model,
            "steps": facts["steps"],
            "seconds": facts["seconds"],
            "best_validation_loss": facts["best_validation_loss"],
            "sha256": learnt.model.sha256,
        },
        as_json,
    )


def _recipe(given: dict[str, Any]) -> Recipe:
    from carescope.recipe import Recipe

    return Recipe.of(**{name: given[name] for name in Recipe.model_fields if name in given})


def _optics(given: dict[str, Any]) -> Optics:
    from dataclasses import fields

    from carescope.jobs.inputs import Optics

    return Optics(**{field.name: given[field.name] for field in fields(Optics)})
