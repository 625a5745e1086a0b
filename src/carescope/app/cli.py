"""The command line. Every command reads its options, calls a job, and prints what came of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import carescope
from carescope.app import (
    benching,
    comparison,
    importing,
    learning,
    pairing,
    pointspread,
    restoring,
    simulating,
    trusting,
)
from carescope.app import options as o
from carescope.app.given import command_line, print_facts
from carescope.errors import CarescopeError, OutOfMemoryError, of_memory

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
app.command()(benching.bench)
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
    """Our error, or the one of a lack of memory."""
    if isinstance(problem, CarescopeError):
        return problem
    if not of_memory(problem):
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


app.command()(restoring.restore)
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
