"""The command ``evaluate``: a restoration, or what was found in it, beside the truth."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

from carescope.app import options as o
from carescope.app.given import print_facts
from carescope.errors import UsageError


@o.takes(
    {
        "restored": (o.argument(Path, "The restored image, or a folder of them."), o.REQUIRED),
        "truth": (o.argument(Path, "The true image, or the folder of same names."), o.REQUIRED),
        "low": (
            o.option(Path | None, "The image, or folder, that was restored: scored as well."),
            None,
        ),
        "baselines": (
            o.option(bool, "Score classical denoisers of --low as well.", "--baselines"),
            False,
        ),
        "tune_low": (
            o.option(Path | None, "Other noisy images, on which baselines are tuned."),
            None,
        ),
        "tune_high": (o.option(Path | None, "The clean images of --tune-low."), None),
        "labels": (
            o.option(bool, "Both are label images: SEG and matched objects.", "--labels"),
            False,
        ),
        "segment": (
            o.option(
                str | None,
                "Segment the restored image against true labels: components or watershed.",
            ),
            None,
        ),
        "track": (
            o.option(bool, "With --labels of films: link objects over time first.", "--track"),
            False,
        ),
        "iou": (
            o.option(float | None, "With these: from which overlap objects match; 0.5 without."),
            None,
        ),
        "widefield": (
            o.option(
                bool,
                "The second image is no truth, but what was restored: resolution-scaled error.",
                "--widefield",
            ),
            False,
        ),
        "average": (
            o.option(int, "With --widefield: means of so many frames were restored.", min=1),
            1,
        ),
        "error_map": (
            o.option(Path | None, "With --widefield: gets where the two disagree."),
            None,
        ),
    },
    o.AXES,
    o.RESULT,
)
def evaluate(given: dict[str, Any]) -> None:
    """NRMSE, SSIM and PSNR of a restoration, or SEG of its objects, as the papers define them."""
    from carescope.app.progress import Watch
    from carescope.jobs.compare import SCORES, compare_methods
    from carescope.jobs.finding import several

    _check(given)
    if given["widefield"]:
        _widefield(given)
        return
    if given["labels"] or given["segment"] is not None:
        _objects(given)
        return
    restored, low = given["restored"], given["low"]
    one = low is None and not several(restored)
    with Watch(quiet=given["as_json"] or one) as watch:
        found = compare_methods(
            restored,
            given["truth"],
            low=low,
            tune=(given["tune_low"], given["tune_high"]) if given["baselines"] else None,
            axes=given["axes"],
            say=watch.say,
        )
    if one and len(found["images"]) == 1:
        (row,) = found["images"]
        print_facts({score: row[score] for score in SCORES}, given["as_json"])
    elif given["as_json"]:
        told = {part: [_without_infinity(row) for row in rows] for part, rows in found.items()}
        print(json.dumps(told))
    else:
        _print_table(found["methods"])


def _widefield(given: dict[str, Any]) -> None:
    """Resolution-scaled error of a restoration against what it was made of."""
    from carescope.jobs.faithful import compare_widefield

    found = compare_widefield(
        given["restored"],
        given["truth"],
        average=given["average"],
        error_map=given["error_map"],
        axes=given["axes"],
        overwrite=given["overwrite"],
    )
    print_facts(found, given["as_json"])


def _objects(given: dict[str, Any]) -> None:
    """SEG and matching of label images, or of images that are segmented first."""
    from carescope.app.progress import Watch
    from carescope.jobs.objects import compare_objects

    with Watch(quiet=given["as_json"]) as watch:
        found = compare_objects(
            given["restored"],
            given["truth"],
            segmentation=given["segment"],
            low=given["low"],
            track=given["track"],
            iou=0.5 if given["iou"] is None else given["iou"],
            axes=given["axes"],
            say=watch.say,
        )
    if given["as_json"]:
        print(json.dumps(found))
        return
    rows = found["methods"]
    names = [" ".join(map(str, (*_channel(row), row["name"]))) for row in rows]
    width = max(map(len, names))
    print(f"{'':<{width}}{'SEG':>9}{'true':>9}{'found':>9}{'matched':>9}{'missed':>16}")
    for name, row in zip(names, rows, strict=True):
        counts = "".join(f"{row[count]:>9}" for count in ("truth_objects", "objects", "matched"))
        share = f"({row['unmatched_fraction']:.1%})"
        print(f"{name:<{width}}{row['seg']:>9.4f}{counts}{row['missed']:>8}{share:>8}")
    if "links" in rows[0]:
        _print_links(names, rows)


def _print_links(names: list[str], rows: list[dict[str, Any]]) -> None:
    """Of films: links from frame to frame, and which were found."""
    width = max(len("links"), *map(len, names))
    heads = ("true", "found", "matched", "recall", "precision", "F1")
    print(f"\n{'links':<{width}}" + "".join(f"{head:>10}" for head in heads))
    for name, row in zip(names, rows, strict=True):
        counts = "".join(f"{row[count]:>10}" for count in ("truth_links", "links", "matched_links"))
        shares = (row[f"link_{share}"] for share in ("recall", "precision", "f1"))
        said = "".join(f"{'–' if share is None else f'{share:.4f}':>10}" for share in shares)
        print(f"{name:<{width}}{counts}{said}")


def _check(given: dict[str, Any]) -> None:
    """Refuse options that do not go together."""
    _check_objects(given)
    others = ("labels", "segment", "baselines", "low")
    if given["widefield"] and (more := [name for name in others if given[name]]):
        raise UsageError(
            f"does not go together with --{more[0]}",
            where="--widefield",
            remedy="Leave out one of the two",
        )
    for name, used in (("average", given["average"] > 1), ("error_map", given["error_map"])):
        if used and not given["widefield"]:
            option = "--" + name.replace("_", "-")
            raise UsageError("is of no use here", where=option, remedy="Add --widefield")
    needed = {"--" + n.replace("_", "-"): given[n] for n in ("low", "tune_low", "tune_high")}
    if given["baselines"] and None in needed.values():
        raise UsageError(
            "needs " + ", ".join(name for name, value in needed.items() if value is None),
            where="--baselines",
            remedy="Give what was restored, and noisy and clean images of others to tune on",
        )
    for name in ("--tune-low", "--tune-high"):
        if needed[name] is not None and not given["baselines"]:
            raise UsageError(
                "is of use with --baselines alone", where=name, remedy="Add --baselines, or drop it"
            )


def _check_objects(given: dict[str, Any]) -> None:
    """Refuse what does not go with label images, and what goes with them alone."""
    labels, segment = given["labels"], given["segment"] is not None
    if labels and segment:
        raise UsageError(
            "says that both are label images, and --segment that one is not",
            where="--labels",
            remedy="Leave out one of the two",
        )
    unused = {
        "--track": given["track"] and not labels,
        "--baselines": given["baselines"] and (labels or segment),
        "--low": given["low"] is not None and labels,
        "--iou": given["iou"] is not None and not (labels or segment),
    }
    linked = "Leave it out: what is segmented is linked anyway" if segment else "Add --labels"
    remedies = {"--iou": "Add --labels or --segment", "--track": linked}
    for name in (name for name, wrong in unused.items() if wrong):
        raise UsageError("is of no use here", where=name, remedy=remedies.get(name, "Leave it out"))


def _without_infinity(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON can tell it; the PSNR of equal images is infinite."""
    return {n: None if isinstance(v, float) and not isfinite(v) else v for n, v in row.items()}


def _print_table(rows: list[dict[str, Any]]) -> None:
    from carescope.jobs.compare import SCORES

    names = [" ".join(map(str, (*_channel(row), row["name"]))) for row in rows]
    width = max(map(len, names))
    print(f"{'':<{width}}{'NRMSE':>9}{'SSIM':>9}{'PSNR':>12}")
    for name, row in zip(names, rows, strict=True):
        nrmse, ssim, psnr_db = (row[score] for score in SCORES)
        line = f"{name:<{width}}{nrmse:>9.4f}{ssim:>9.4f}{psnr_db:>9.2f} dB  {_words(row)}"
        print(line.rstrip())


def _channel(row: dict[str, Any]) -> list[str]:
    return [f"{row['channel']}:"] if "channel" in row else []


def _words(row: dict[str, Any]) -> str:
    """A setting, such as ``sigma_noise 1.4, stabilised``."""
    setting = row["setting"] or {}
    parts = [
        name if value is True else f"{name} {value:g}"
        for name, value in setting.items()
        if value is not False
    ]
    return ", ".join(parts)
