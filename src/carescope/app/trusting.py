"""Commands about how far a model can be believed: ``trust`` and ``movie``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from carescope.app import options as o
from carescope.app.given import command_line, open_given, print_facts

if TYPE_CHECKING:
    from carescope.image import Image

MODEL: o.Group = {"model": (o.argument(Path, "The model folder."), o.REQUIRED)}
REGISTER: o.Group = {"register": o.PAIRS["register"]}
FORCE: o.Group = {
    "force": (
        o.option(bool, "Calibrate with pairs that are doubtful, or were trained on.", "--force"),
        False,
    )
}
REPORT: o.Group = {
    "report": (
        o.option(Path | None, "Where to write the report; trust.html in the model if not."),
        None,
    )
}


def crop(text: str) -> tuple[slice, slice]:
    """Read ``Y0:Y1,X0:X1``."""
    try:
        ends = [[int(n) for n in part.split(":")] for part in text.split(",")]
        (top, bottom), (left, right) = ends
    except ValueError:
        top = bottom = left = right = 0
    if not (0 <= top < bottom and 0 <= left < right):
        raise typer.BadParameter(f"{text!r} is not Y0:Y1,X0:X1, such as 100:200,0:150")
    return slice(top, bottom), slice(left, right)


@o.takes(MODEL, o.HELD_OUT, REGISTER, FORCE, REPORT, o.RESULT, o.READING)
def trust(given: dict[str, Any]) -> None:
    """Hold a model's scales against truths it never saw, and keep in it how to read them."""
    from carescope.app.progress import Watch
    from carescope.errors import ModelError
    from carescope.jobs import denoise as pairs
    from carescope.jobs.registered import registered
    from carescope.jobs.trust import calibrate
    from carescope.model import load

    task = load(given["model"]).task
    if task.kind == "isotropic":
        raise ModelError(
            "restores isotropically, and no microscope records the truth of that",
            where=given["model"],
            remedy="Compare it with a simulated truth: carescope simulate, restore, evaluate",
        )
    matched = pairs.match(given["low"], given["high"])

    def open_one(path: Path) -> tuple[Image, list[str]]:
        return open_given(given | {"stack": path}, lambda image: None, stacks_only=False)

    images, warnings = pairs.open_pairs(matched, open_one, task.kind, lambda _: task.factor)
    doubts: list[str] = []
    if task.kind == "denoise":
        images, moved, doubts = registered(images, correct=given["register"])
        warnings += moved
    page = given["report"] or given["model"] / "trust.html"
    with Watch(quiet=given["as_json"]) as watch:
        found = calibrate(
            given["model"],
            images,
            page,
            overwrite=given["overwrite"],
            force=given["force"],
            doubts=doubts,
            warnings=warnings,
            command=command_line(),
            watch=watch.restoring,
        )
        for warning in found["warnings"]:  # type: ignore[attr-defined]
            watch.say(f"warning: {warning}")
    if given["as_json"]:
        print_facts(found | {"report": page}, as_json=True)
        return
    facts: dict[str, object] = {"scales are read as": found["family"]}
    for row in found["channels"]:  # type: ignore[attr-defined]
        facts[f"{row['channel']}"] = (
            f"factor {row['factor']:.3g}; the 90 % interval held "
            f"{row['predicted_coverage']['90%']:.1%}, now {row['calibrated_coverage']['90%']:.1%}; "
            f"calibration error {row['predicted_error']:.1%}, now {row['calibrated_error']:.1%}"
        )
    print_facts(facts | {"report": page}, as_json=False)


@o.takes(
    MODEL,
    o.STACK,
    {
        "out": (o.option(Path, "The .mp4 to write."), o.REQUIRED),
        "frames": (o.option(int, "How many samples.", min=1), 60),
        "fps": (o.option(float, "Frames a second.", min=0.1), 10.0),
        "plane": (o.option(int | None, "Which restored plane of a stack; the middle one."), None),
        "crop": (
            o.option(
                Any, "Rows and columns to show.", "--crop", parser=crop, metavar="Y0:Y1,X0:X1"
            ),
            None,
        ),
        "seed": (o.option(int, "Of the samples."), 0),
    },
    o.RESULT,
    o.READING,
)
def movie(given: dict[str, Any]) -> None:
    """Make a movie of samples from what a model predicts, beside the image and the mean."""
    from carescope.app.progress import Watch
    from carescope.jobs.familiar import check_familiar
    from carescope.jobs.movie import sample_movie
    from carescope.model import load
    from carescope.normalize import fit
    from carescope.predict import outline

    model = load(given["model"])
    stacks_only = model.task.kind == "isotropic"
    several = model.task.channels_out > 1  # all are given, and one of those restored is shown
    asked = given | {"channel": None} if several else given
    image, _ = open_given(asked, lambda image: outline(model, image), stacks_only=stacks_only)
    warnings = check_familiar(model, image, fit(image, model.recipe.percentiles))
    with Watch(quiet=given["as_json"]) as watch:
        for warning in warnings:
            watch.say(f"warning: {warning}")
    count = sample_movie(
        model,
        image,
        given["out"],
        frames=given["frames"],
        fps=given["fps"],
        plane=given["plane"],
        channel=(given["channel"] or 0) if several else 0,
        crop=given["crop"],
        seed=given["seed"],
        overwrite=given["overwrite"],
    )
    facts: dict[str, Any] = {"movie": given["out"], "frames": count}
    if given["as_json"]:  # people have been told
        facts["warnings"] = warnings
    print_facts(facts, given["as_json"])
