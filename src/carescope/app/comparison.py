"""The command ``evaluate``: a restoration beside the truth, and beside classical methods."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

from carescope.app import options as o
from carescope.app.given import print_facts
from carescope.errors import UsageError

SCORES = ("nrmse", "ssim", "psnr_db")


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
    },
    o.AXES,
    {"as_json": o.RESULT["as_json"]},
)
def evaluate(given: dict[str, Any]) -> None:
    """NRMSE, SSIM and PSNR of a restoration, as the papers define them."""
    from carescope.app.progress import Watch
    from carescope.jobs import compare

    _check(given)
    restored, truth, axes = given["restored"], given["truth"], given["axes"]
    if given["low"] is None and not restored.is_dir() and not truth.is_dir():
        print_facts(compare.compare(restored, truth, axes=axes), given["as_json"])
        return
    with Watch(quiet=given["as_json"]) as watch:
        found = compare.compare_methods(
            restored,
            truth,
            low=given["low"],
            tune=(given["tune_low"], given["tune_high"]) if given["baselines"] else None,
            axes=axes,
            say=watch.say,
        )
    if given["as_json"]:
        told = {part: [_without_infinity(row) for row in rows] for part, rows in found.items()}
        print(json.dumps(told))
    else:
        _print_table(found["methods"])


def _check(given: dict[str, Any]) -> None:
    """Refuse options that do not go together."""
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


def _without_infinity(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON can tell it; the PSNR of equal images is infinite."""
    return {n: None if isinstance(v, float) and not isfinite(v) else v for n, v in row.items()}


def _print_table(rows: list[dict[str, Any]]) -> None:
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
