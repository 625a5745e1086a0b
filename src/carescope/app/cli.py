"""The command line. Every command reads its options, calls a job, and prints what came of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import carescope
from carescope.app import learning
from carescope.app import options as o
from carescope.app.given import command_line, open_given, print_facts
from carescope.errors import CarescopeError

INTERRUPTED = 130

app = typer.Typer(
    help="Content-aware restoration of fluorescence microscopy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
train_app = typer.Typer(help="Train a model and keep it.", no_args_is_help=True)
app.add_typer(train_app, name="train")
app.command()(learning.isotropic)
train_app.command("isotropic")(learning.train_isotropic)


def main() -> None:
    """Run the command line; every problem ends as one message and an exit code."""
    as_json = "--json" in sys.argv
    try:
        app(standalone_mode=True)
    except CarescopeError as error:
        if as_json:
            facts = {"error": error.what, "where": error.where, "remedy": error.remedy}
            print(json.dumps(facts))
        else:
            print(f"carescope: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("carescope: interrupted; nothing half-written was left.", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"carescope {carescope.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("demo"),
    minutes: Annotated[float, typer.Option(help="Training time of each restoration.")] = 1.5,
    seed: o.Seed = 0,
) -> None:
    """Restore a real stack of nuclei from every 4th plane, and compare with the rest."""
    from carescope.app.progress import Watch
    from carescope.jobs.demo import demo as run

    with Watch() as watch:
        result = run(
            out,
            minutes=minutes,
            seed=seed,
            command=command_line(),
            say=watch.say,
            watch_training=watch.training,
            watch_restoring=watch.restoring,
        )
    print()
    print(f"On the {result.unseen} planes that were never seen:")
    print(f"{'':<10}{'PSNR':>10}{'NRMSE':>9}{'SSIM':>8}")
    for row in result.scores:
        print(f"{row['name']:<10}{row['psnr']:>7.2f} dB{row['nrmse']:>9.4f}{row['ssim']:>8.4f}")
    print(f"\nReport: {result.report}\nWith the optics undone too: {result.optics_report}")


@app.command()
def restore(
    model: o.Model,
    stacks: Annotated[list[Path], typer.Argument(help="Image files.", show_default=False)],
    out: Annotated[Path, typer.Option(help="An OME-TIFF, or a folder for one each.")],
    dtype: o.Dtype = "float32",
    axes: o.Axes = None,
    voxel_um: o.Voxel = None,
    channel: o.Channel = None,
    timepoint: o.Timepoint = None,
    allow_incomplete: o.AllowIncomplete = False,
    fill_nonfinite: o.FillNonfinite = False,
    force: Annotated[
        bool, typer.Option("--force", help="Go on where the geometry is not the model's.")
    ] = False,
    overwrite: o.Overwrite = False,
    as_json: o.Json = False,
) -> None:
    """Restore stacks with a model; the model knows what restoring means."""
    given = dict(locals())
    from carescope.app.progress import Watch
    from carescope.jobs import restore as job
    from carescope.model import load

    loaded = load(model)
    targets = job.outputs(stacks, out)
    for target in targets:
        job.check_output(target, overwrite=overwrite)
    done = []
    with Watch(quiet=as_json) as watch:
        for path, target in zip(stacks, targets, strict=True):
            image, warnings = open_given(given | {"stack": path})
            for warning in warnings:
                watch.say(f"warning: {path.name}: {warning}")
            written = job.restore_file(
                loaded,
                image,
                target,
                dtype=dtype,
                overwrite=overwrite,
                force=force,
                provenance={"command": command_line()},
                watch=watch.restoring,
            )
            done.append({"restored": str(target), "clipped": written.clipped})
    if as_json:
        print(json.dumps(done))
    else:
        for row in done:
            print_facts(row, as_json=False)


@app.command()
def evaluate(
    restored: o.Stack,
    truth: Annotated[Path, typer.Argument(help="The true image.", show_default=False)],
    axes: o.Axes = None,
    as_json: o.Json = False,
) -> None:
    """NRMSE, SSIM and PSNR of a restoration, as the papers define them."""
    from carescope.jobs.compare import compare

    print_facts(compare(restored, truth, axes=axes), as_json)


@app.command()
def psf(
    kind: Annotated[
        str,
        typer.Argument(
            help="gaussian, widefield, confocal, twophoton or lightsheet.", show_default=False
        ),
    ],
    out: o.Out,
    voxel_um: Annotated[
        Any, typer.Option(help="Voxel size of the PSF in um.", parser=o.triple, metavar="Z,Y,X")
    ],
    na: o.Na = None,
    na_illum: o.NaIllum = None,
    wavelength_um: o.Wavelength = None,
    refractive_index: o.RefractiveIndex = None,
    sigma_um: o.Sigma = None,
    overwrite: o.Overwrite = False,
    as_json: o.Json = False,
) -> None:
    """Write the point-spread function of a microscope as an OME-TIFF."""
    from carescope.jobs.optics import write_psf

    facts = write_psf(
        kind,
        out,
        voxel_um,
        na=na,
        na_illum=na_illum,
        wavelength_um=wavelength_um,
        refractive_index=refractive_index,
        sigma_um=sigma_um,
        overwrite=overwrite,
    )
    print_facts(facts, as_json)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Image files.", show_default=False)],
    axes: o.Axes = None,
    as_json: o.Json = False,
) -> None:
    """Look at every pixel of images: are they whole, finite and not constant?"""
    from carescope.jobs.assess import check_files

    results = check_files(files, axes=axes)
    if as_json:
        print(json.dumps(results))
    for row in results if not as_json else []:
        print(f"{'ok  ' if row['ok'] else 'BAD '} {row['file']}: {row['says']}")
    if not all(row["ok"] for row in results):
        raise typer.Exit(3)


@app.command()
def info(
    path: Annotated[Path, typer.Argument(help="An image or a model folder.", show_default=False)],
    axes: o.Axes = None,
    as_json: o.Json = False,
) -> None:
    """What is known of an image or a model."""
    from carescope.jobs.assess import describe

    print_facts(describe(path, axes=axes), as_json)
