"""The command that restores, with one process or with several."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carescope.app import options as o
from carescope.app.given import command_line, print_facts
from carescope.errors import InputError, UsageError, all_of

if TYPE_CHECKING:
    from carescope.app.progress import Watch
    from carescope.jobs.cluster import Cluster
    from carescope.jobs.crew import Crew
    from carescope.jobs.order import Order
    from carescope.jobs.restore import Written
    from carescope.jobs.series import Series
    from carescope.model import Ensemble, Model


_ENGINE: o.Group = {
    "engine": (
        o.option(
            str,
            "What runs the network: torch, openvino, compile, or auto: the fastest that agrees "
            "with torch in float32.",
        ),
        "auto",
    ),
}

_SHARING: o.Group = {
    "workers": (
        o.option(int | None, "Restore with so many processes, which share the threads.", min=1),
        None,
    ),
    "shard": (
        o.option(
            str | None,
            "Restore part i of N, counted from 0; the job that finds all finished does the rest.",
            metavar="i/N",
        ),
        None,
    ),
    "dask": (
        o.option(
            str | None,
            "Restore with the workers of a Dask cluster: the address of its scheduler, or local.",
            metavar="ADDRESS",
        ),
        None,
    ),
}


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
        "tta": (
            o.option(
                bool,
                "Restore mirror images too and take the mean: a little closer, four times as long.",
                "--tta",
            ),
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
    _ENGINE,
    o.MEMORY,
    _SHARING,
    o.RESULT,
    o.READING,
)
def restore(given: dict[str, Any]) -> None:
    """Restore stacks with a model; the model knows what restoring means."""
    from carescope.app.progress import Watch
    from carescope.files.resident import share_heaps
    from carescope.jobs.batch import restore_files
    from carescope.jobs.finding import find_images
    from carescope.jobs.outputs import outputs
    from carescope.jobs.restore import check_spread
    from carescope.model import load, with_tta
    from carescope.predict import check_projects

    share_heaps()
    model = load(given["model"])
    if given["tta"]:
        model = with_tta(model)
    if given["spread"]:
        check_spread(model)
    if given["height"]:
        check_projects(model)
    sources = find_images(given["stacks"])
    _check_together(given, sources)
    members = len(model.members) if given["spread"] else 0
    with Watch(quiet=given["as_json"]) as watch:
        if given["shard"] is not None:
            _restore_part(given, sources[0], members, watch)
            return
        orders = [_order(given, source) for source in sources]
        series = _series(given["out"], model, orders)
        targets = outputs(
            sources,
            given["out"],
            given["dtype"],
            members=members,
            height=given["height"],
            overwrite=given["overwrite"],
            ours=series.ours() if series else (),
        )
        if series and (count := series.finished()):
            watch.say(f"{count} of {len(orders)} were restored before this command was interrupted")
        opened = all_of(orders, lambda order: order.look(model), InputError)
        for stack, warnings, _ in opened:
            for warning in warnings:
                watch.say(f"warning: {stack.source}: {warning}")
        with _hands(given, orders[0].seen(opened[0][2])) as hands:
            written = restore_files(
                model,
                [stack for stack, _, _ in opened],
                targets,
                **{name: given[name] for name in _PASSED_ON},
                memory_bytes=given["memory"],
                provenance=orders[0].provenance,
                hands=hands,
                series=series,
                watch=watch.restoring,
            )
        for warning in (said for one in written for said in one.warnings):
            watch.say(f"warning: {warning}")
    _print(written, [warnings for _, warnings, _ in opened], as_json=given["as_json"])


def _print(written: Sequence[Written], read: Sequence[list[str]], *, as_json: bool) -> None:
    """Say what was restored, and with JSON also all warnings: of reading, and of restoring."""
    done = [
        {"restored": str(w.path), "engine": w.engine, "clipped": w.clipped}
        | {name: str(path) for name, path in w.beside.items()}
        for w in written
    ]
    if as_json:
        told = [
            row | {"warnings": [*said, *w.warnings]}
            for row, said, w in zip(done, read, written, strict=True)
        ]
        print(json.dumps(told))
        return
    for row in done:
        print_facts(row, as_json=False)


_PASSED_ON = ("spread", "height", "dtype", "engine", "overwrite", "force", "strict")
_CHOOSING = ("channel", "timepoint")
_READING = ("axes", "voxel_um", *_CHOOSING, "allow_incomplete", "fill_nonfinite")


def _order(given: dict[str, Any], source: Path) -> Order:
    """What is restored, in plain words."""
    from carescope.jobs.order import Order

    # Who restores does not alter what is restored.
    told = {"command": command_line("--workers", "--shard", "--dask")}
    if given["average"] > 1:
        told["averaged"] = f"every {given['average']} frames"
    told |= {name: str(given[name]) for name in _CHOOSING if given[name] is not None}
    asked = (*_READING, "average", "spread", "height", "dtype", "force", "engine", "tta")
    paths = (str(given["model"]), str(source), str(given["out"]))
    return Order(*paths, **{name: given[name] for name in asked}, provenance=told)


def _series(out: Path, model: Model | Ensemble, orders: Sequence[Order]) -> Series | None:
    """Where it is noted which of several files are finished; None of one file."""
    from carescope import __version__
    from carescope.jobs.series import Series
    from carescope.jobs.work import identified

    if len(orders) == 1:
        return None
    told = {"version": __version__, "model": identified(model)}
    return Series(out, told | {"orders": [order.text() for order in orders]})


def _check_together(given: dict[str, Any], sources: Sequence[Path]) -> None:
    """Refuse what cannot be done together, or by several processes."""
    from carescope.jobs.outputs import is_zarr

    if given["average"] > 1 and given["timepoint"] is not None:
        raise UsageError(
            "takes one time point, of which there is no mean",
            where="--timepoint",
            remedy="Leave it out, or --average",
        )
    several = [name for name in ("workers", "shard", "dask") if given[name] is not None]
    if not several:
        return
    option = "--" + several[-1]
    if "dask" in several and (
        "shard" in several or (given["workers"] and given["dask"] != "local")
    ):
        raise UsageError(
            f"is given beside --{'shard' if 'shard' in several else 'workers'}",
            where="--dask",
            remedy="Leave out one of the two; --dask local takes --workers",
        )
    if not is_zarr(given["out"]):
        raise UsageError(
            f"needs an output that is written in pieces, and {given['out']} is not",
            where=option,
            remedy="Give an --out that ends in .zarr",
        )
    if len(sources) > 1:
        raise UsageError(
            f"is for one image, and {len(sources)} are given",
            where=option,
            remedy="Give a command for each",
        )


def _hands(given: dict[str, Any], order: Order) -> AbstractContextManager[Crew | Cluster | None]:
    """Who restores blocks: nobody else, unless it was asked for."""
    from contextlib import nullcontext

    from carescope.jobs.cluster import Cluster
    from carescope.jobs.crew import Crew

    if given["dask"] is not None:
        return Cluster(order, given["dask"], count=given["workers"])
    if (given["workers"] or 1) > 1:
        return Crew(order, given["workers"])
    return nullcontext()


def _restore_part(given: dict[str, Any], source: Path, members: int, watch: Watch) -> None:
    """Restore a part, and say what came of it."""
    from carescope.jobs.outputs import beside, check_distinct
    from carescope.jobs.shards import Shard, parse

    number, count = parse(given["shard"])
    order, out = _order(given, source), given["out"]
    check_distinct([out, *beside(out, members, height=given["height"]).values()], [source])
    shard = Shard(order, number, count, workers=given["workers"] or 1, say=watch.say)
    part = shard.restore(
        memory_bytes=given["memory"],
        overwrite=given["overwrite"],
        strict=given["strict"],
        watch=watch.restoring,
    )
    for warning in part.warnings:
        watch.say(f"warning: {warning}")
    facts: dict[str, Any] = {"shard": given["shard"], "state": part.state}
    if part.state == "part finished":
        facts |= {"blocks": f"{part.finished} of {part.blocks} of the whole are finished"}
    else:
        facts |= {"restored": order.out}
    if part.state == "restored":
        facts |= {"clipped": part.clipped}
    if given["as_json"]:
        facts |= {"warnings": part.warnings}
    print_facts(facts, given["as_json"])
