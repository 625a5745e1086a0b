"""The command line. Every command reads its options, calls a job, and prints what came of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import carescope
from carescope.app import (
    comparison,
    importing,
    learning,
    pairing,
    pointspread,
    simulating,
    trusting,
)
from carescope.app import options as o
from carescope.app.given import command_line, open_given, print_facts
from carescope.errors import CarescopeError, OutOfMemoryError

if TYPE_CHECKING:
    from carescope.image import Image
    from carescope.model import Ensemble, Model

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
train_app.command("denoise")(pairing.train_denoise)
train_app.command("upsample")(pairing.train_upsample)
train_app.command("project")(pairing.train_project)
train_app.command("simulated")(simulating.train_simulated)
app.command()(pointspread.psf)
app.command()(simulating.simulate)
app.command()(trusting.trust)
app.command()(trusting.movie)
app.command("import-csbdeep")(importing.import_csbdeep)


def main() -> None:
    """Run the command line; every problem ends as one message and an exit code."""
    as_json = "--json" in sys.argv
    try:
        app(standalone_mode=True)
    except (CarescopeError, MemoryError, RuntimeError) as problem:
        error = _of_memory(problem)
        if as_json:
            facts = {"error": error.what, "where": error.where, "remedy": error.remedy}
            print(json.dumps(facts))
        else:
            print(f"carescope: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, SystemExit) as ending:
        # Typer turns Ctrl-C into an exit code, without a word.
        if isinstance(ending, SystemExit) and ending.code != INTERRUPTED:
            raise
        print(f"carescope: interrupted; {_of_interrupt(ending)}.", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _of_interrupt(ending: BaseException | None) -> str:
    """What the interrupted work said, if it said something; Typer puts an exit code over it."""
    while ending is not None:
        if isinstance(ending, KeyboardInterrupt) and ending.args:
            return str(ending)
        ending = ending.__context__
    return "nothing half-written was left"


def _of_memory(problem: Exception) -> CarescopeError:
    """Our error, or the one of a lack of memory, which torch reports as a RuntimeError."""
    if isinstance(problem, CarescopeError):
        return problem
    if not isinstance(problem, MemoryError) and "memory" not in str(problem):
        raise problem
    return OutOfMemoryError(
        "there is not enough memory for this",
        remedy="Give a smaller stack, --batch-size or --patch-px, or close other programs",
    )


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
@o.takes(
    {
        "out": (o.option(Path, "Folder for the results."), Path("demo")),
        "minutes": (o.option(float, "Training time of each of the two restorations."), 1.5),
        "seed": (o.option(int, "Of everything random."), 0),
    }
)
def demo(given: dict[str, Any]) -> None:
    """Restore a real stack of nuclei from every 4th plane, and compare with the rest."""
    from carescope.app.progress import Watch
    from carescope.jobs.demo import demo as run

    with Watch() as watch:
        result = run(
            given["out"],
            minutes=given["minutes"],
            seed=given["seed"],
            command=command_line(),
            say=watch.say,
            watch_training=watch.training,
            watch_restoring=watch.restoring,
        )
    print()
    print(f"On the {result.unseen} planes that were never seen:")
    print(f"{'':<10}{'PSNR':>10}{'NRMSE':>9}{'SSIM':>8}")
    for row in result.scores:
        print(f"{row['name']:<10}{row['psnr_db']:>7.2f} dB{row['nrmse']:>9.4f}{row['ssim']:>8.4f}")
    print(f"\nReport: {result.report}\nWith the optics undone too: {result.optics_report}")


@app.command()
@o.takes(
    {
        "model": (o.argument(Path, "The model folder."), o.REQUIRED),
        "stacks": (o.argument(list[Path], "Image files, or folders of them."), o.REQUIRED),
        "out": (o.option(Path, "An OME-TIFF, an OME-Zarr, or a folder for one each."), o.REQUIRED),
        "spread": (
            o.option(
                bool,
                "Write also how sure the model is: _scale, and _disagreement of an ensemble.",
                "--spread",
            ),
            False,
        ),
        "height": (
            o.option(bool, "Write also in which plane a projected surface was.", "--height"),
            False,
        ),
        "average": (
            o.option(int, "Restore the mean of every so many frames of a film.", min=1),
            1,
        ),
        "strict": (
            o.option(bool, "Refuse images unlike those of the training (exit code 7).", "--strict"),
            False,
        ),
        "force": (
            o.option(bool, "Go on where the geometry is not the model's.", "--force"),
            False,
        ),
    },
    o.WRITING,
    o.MEMORY,
    o.RESULT,
    o.READING,
)
def restore(given: dict[str, Any]) -> None:
    """Restore stacks with a model; the model knows what restoring means."""
    from carescope.app.progress import Watch
    from carescope.jobs import restore as job
    from carescope.jobs.inputs import find_images
    from carescope.jobs.outputs import outputs
    from carescope.model import load
    from carescope.predict import check_projects

    model = load(given["model"])
    if given["spread"]:
        job.check_spread(model)
    if given["height"]:
        check_projects(model)
    sources, dtype, overwrite = find_images(given["stacks"]), given["dtype"], given["overwrite"]
    members, average = len(model.members) if given["spread"] else 0, given["average"]
    targets = outputs(
        sources, given["out"], dtype, members=members, height=given["height"], overwrite=overwrite
    )
    opened = [_open_film(given | {"stack": path}, model) for path in sources]
    with Watch(quiet=given["as_json"]) as watch:
        for stack, warnings in opened:
            for warning in warnings:
                watch.say(f"warning: {stack.source}: {warning}")
        written = job.restore_files(
            model,
            [stack for stack, _ in opened],
            targets,
            spread=given["spread"],
            height=given["height"],
            dtype=dtype,
            overwrite=overwrite,
            force=given["force"],
            strict=given["strict"],
            memory_bytes=given["memory"],
            provenance={"command": command_line()}
            | ({"averaged": f"every {average} frames"} if average > 1 else {}),
            watch=watch.restoring,
        )
        for warning in (said for one in written for said in one.warnings):
            watch.say(f"warning: {warning}")
    done = [
        {"restored": str(w.path), "clipped": w.clipped}
        | {name: str(path) for name, path in w.beside.items()}
        for w in written
    ]
    if given["as_json"]:
        told = [
            row | {"warnings": [*read, *w.warnings]}
            for row, (_, read), w in zip(done, opened, written, strict=True)
        ]
        print(json.dumps(told))
        return
    for row in done:
        print_facts(row, as_json=False)


def _open_film(given: dict[str, Any], model: Model | Ensemble) -> tuple[Image, list[str]]:
    """Open an image that suits the model, the frames of a film averaged as was asked for."""
    from carescope.jobs.averaged import averaged
    from carescope.predict import outline

    average = given["average"]
    stack, warnings = open_given(
        given,
        lambda film: outline(model, averaged(film, average)[0], force=given["force"]),
        stacks_only=model.task.kind == "isotropic",
    )
    stack, left_out = averaged(stack, average)
    return stack, [*warnings, *left_out]


app.command()(comparison.evaluate)


@app.command()
@o.takes(
    {"files": (o.argument(list[Path], "Image files."), o.REQUIRED)},
    o.AXES,
    {"as_json": o.RESULT["as_json"]},
)
def check(given: dict[str, Any]) -> None:
    """Look at every pixel of images, whether they are whole, finite and not constant."""
    from carescope.jobs.assess import check_files

    results = check_files(given["files"], axes=given["axes"])
    if given["as_json"]:
        print(json.dumps(results))
    for row in results if not given["as_json"] else []:
        print(f"{'ok  ' if row['ok'] else 'BAD '} {row['file']}: {row['says']}")
    if not all(row["ok"] for row in results):
        raise typer.Exit(3)


@app.command()
@o.takes(
    {"path": (o.argument(Path, "An image or a model folder."), o.REQUIRED)},
    o.AXES,
    {"as_json": o.RESULT["as_json"]},
)
def info(given: dict[str, Any]) -> None:
    """What is known of an image or a model."""
    from carescope.jobs.assess import describe

    print_facts(describe(given["path"], axes=given["axes"]), given["as_json"])
