"""Compare a restoration with the truth, and with what classical methods make of the same input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import baselines, metrics, read
from carescope.axes import describe_shape
from carescope.errors import InputError
from carescope.files.hashes import sha256
from carescope.image import Image
from carescope.jobs.finding import find_images, several
from carescope.jobs.outputs import BESIDE

Real = npt.NDArray[Any]
Row = dict[str, Any]
#: Images of one field by what they are: restored, truth, and perhaps low.
Field = dict[str, Image]

SCORES = ("nrmse", "ssim", "psnr_db")
#: On how many pairs a setting is tried: these are evenly spread over all that are given.
MOST_PAIRS = 12
# A 3D window of 7 voxels does not fit into fewer planes.
SSIM_PLANES = 7


def compare_methods(
    restored: Path,
    truth: Path,
    *,
    low: Path | None = None,
    tune: tuple[Path, Path] | None = None,
    axes: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, list[Row]]:
    """Scores of restorations, of what they were made from, and of classical methods.

    Channels are scored apart, and each has settings of its own.

    Parameters
    ----------
    restored, truth, low
        Image files, or folders of them that are matched by name (``a.ome.tif`` is called a). What
        was restored, `low`, is scored too where it is given.
    tune
        (noisy, clean) pairs, files or folders, other than those compared: on them the setting of
        each classical method is chosen, which is then applied to `low`.
    axes
        Of all files, where they do not say.
    say
        Told what is being done.

    Returns
    -------
    dict of two lists of rows
        ``methods``: name, setting, and the mean of each score over images and time points;
        ``images``: the scores one by one. Rows name their channel where there are several.

    Raises
    ------
    InputError
        A file cannot be read; files or folders do not match; an image is among those compared and
        those tuned on.
    """
    paths = {"restored": restored, "truth": truth} | ({"low": low} if low else {})
    fields = open_fields(paths, axes)
    settings: dict[int, dict[str, baselines.Setting]] = {}
    if tune is not None:
        pairs = open_fields({"low": tune[0], "truth": tune[1]}, axes)
        _refuse_overlap(pairs, fields)
        settings = _tuned(pairs, fields[0]["truth"], say)
    rows = []
    for number, field in enumerate(fields):
        say(f"comparing image {number + 1} of {len(fields)}")
        rows += list(_scored(field, settings))
    return {"methods": _means(rows, settings), "images": rows}


def _scored(field: Field, settings: dict[int, dict[str, baselines.Setting]]) -> Iterator[Row]:
    """The score of every method, at every channel and time point of one field."""
    truth = field["truth"]
    for channel, moment in np.ndindex(truth.size("C"), truth.size("T")):
        parts = {role: part_of(image, channel, moment) for role, image in field.items()}
        place: Row = {"file": name_of(Path(field["restored"].source or "array"))}
        place |= {"channel": channel_name(truth, channel)} if truth.size("C") > 1 else {}
        place |= {"timepoint": moment} if truth.size("T") > 1 else {}
        try:
            if "low" in parts:
                yield place | {"name": "input"} | _scores(parts["truth"], parts["low"])
            for name, setting in settings.get(channel, {}).items():
                found = baselines.apply(name, parts["low"], setting)
                yield place | {"name": name} | _scores(parts["truth"], found)
            yield place | {"name": "restored"} | _scores(parts["truth"], parts["restored"])
        except InputError as error:
            raise InputError(
                error.what, where=field["restored"].source, remedy=error.remedy
            ) from error


def _scores(truth: Real, image: Real) -> dict[str, float]:
    return metrics.evaluate(truth, image, planewise=truth.ndim == 3 and len(truth) < SSIM_PLANES)


def _means(rows: Sequence[Row], settings: dict[int, dict[str, baselines.Setting]]) -> list[Row]:
    """One row for each method and channel, in the order in which they first appear."""
    grouped: dict[tuple[Any, str], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row.get("channel"), row["name"]), []).append(row)
    channels = list(dict.fromkeys(channel for channel, _ in grouped))
    means = []
    for (channel, name), group in grouped.items():
        mean: Row = {"channel": channel} if channel is not None else {}
        mean |= {"name": name, "setting": settings.get(channels.index(channel), {}).get(name)}
        for score in SCORES:
            mean[score] = float(np.mean([row[score] for row in group]))
        means.append(mean)
    return means


def _tuned(
    pairs: Sequence[Field], like: Image, say: Callable[[str], None]
) -> dict[int, dict[str, baselines.Setting]]:
    """The setting of each method, for each channel, chosen on pairs like the images compared."""
    ndim = _ndim(like)
    odd = [
        f"{image.source} has {describe_shape(image.shape, image.axes)}"
        for pair in pairs
        for image in pair.values()
        if image.size("C") != like.size("C") or _ndim(image) != ndim
    ]
    if odd:
        raise InputError(
            f"settings are chosen on images with the axes and channels of those compared, here "
            f"{describe_shape(like.shape, like.axes)}: {'; '.join(odd)}",
            where=like.source,
            remedy="Give --tune-low and --tune-high images of the same kind",
        )
    moments = [(pair, t) for pair in pairs for t in range(pair["truth"].size("T"))]
    spread = np.linspace(0, len(moments) - 1, min(len(moments), MOST_PAIRS)).round().astype(int)
    for package in baselines.missing(ndim):
        say(f"{package} is left out, as it is not installed: pip install {package}")
    settings: dict[int, dict[str, baselines.Setting]] = {}
    for channel in range(like.size("C")):
        arrays = [
            (part_of(pair["low"], channel, t), part_of(pair["truth"], channel, t))
            for pair, t in (moments[i] for i in spread)
        ]
        settings[channel] = {}
        for name in baselines.named(ndim):
            say(f"choosing a setting of {name}; pairs: {len(arrays)}")
            try:
                settings[channel][name] = baselines.tune(name, arrays)
            except InputError as error:
                where = pairs[0]["low"].source
                raise InputError(error.what, where=where, remedy=error.remedy) from error
    return settings


def open_fields(paths: dict[str, Path], axes: str | None) -> list[Field]:
    """The images of each field, opened and of one shape; all that do not match are named."""
    fields = [
        {role: read.open(path, axes=axes) for role, path in matched.items()}
        for matched in _matched(paths)
    ]
    odd = []
    for field in fields:
        truth = field["truth"]
        odd += [
            f"{image.source} has {describe_shape(image.shape, image.axes)}, but {truth.source} "
            f"{describe_shape(truth.shape, truth.axes)}"
            for image in field.values()
            if image.axes != truth.axes or image.shape != truth.shape
        ]
    if odd:
        raise InputError(
            f"images of one field differ: {'; '.join(odd)}",
            remedy="Give images of the same field and size; --axes names dimensions",
        )
    return fields


def _matched(paths: dict[str, Path]) -> list[dict[str, Path]]:
    """Files of one field each: those given, or those of one name in each folder."""
    folders = [path for path in paths.values() if several(path)]
    if not folders:
        return [paths]
    files = [str(path) for path in paths.values() if not several(path)]
    if files:
        raise InputError(
            f"{', '.join(map(str, folders))} are folders, but {', '.join(files)} are not",
            remedy="Give files, or folders of files that are matched by name",
        )
    inside = {role: _by_name(path) for role, path in paths.items()}
    names = sorted(set().union(*inside.values()))
    missing = [
        f"{paths[role]} has no {', '.join(absent)}"
        for role, found in inside.items()
        if (absent := [name for name in names if name not in found])
    ]
    if missing:
        raise InputError(
            f"images are matched by name, and some lack a partner: {'; '.join(missing)}",
            remedy="Put the same names into each folder (a.ome.tif and a.tif are both a)",
        )
    return [{role: inside[role][name] for role in paths} for name in names]


def _by_name(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    paths = find_images([folder])
    whole = {name_of(path).lower() for path in paths}
    spread = {f"{name}_{layer}" for name in whole for layer in BESIDE}
    for path in paths:
        name = name_of(path).lower()
        if name in spread:  # what `restore --spread` and `--height` wrote beside a restoration
            continue
        if name in found:
            raise InputError(
                f"{found[name].name} and {path.name} have the same name, {name}",
                where=folder,
                remedy="Keep one of them in the folder",
            )
        found[name] = path
    return found


def _refuse_overlap(pairs: Sequence[Field], fields: Sequence[Field]) -> None:
    """Refuse to tune on what is compared, whatever the files are called."""
    compared = {
        sha256(Path(str(field[role].source))): field[role].source
        for field in fields
        for role in ("low", "truth")
        if role in field
    }
    both = [
        f"{image.source} is {compared[content]}"
        for pair in pairs
        for image in pair.values()
        if (content := sha256(Path(str(image.source)))) in compared
    ]
    if both:
        raise InputError(
            f"settings may not be chosen on images that are compared: {'; '.join(both)}",
            remedy="Give --tune-low and --tune-high other images of the same kind",
        )


def part_of(image: Image, channel: int, moment: int) -> Real:
    """One channel at one time point: (Z, Y, X), or (Y, X) where there is one plane."""
    part: Real = np.asarray(image.arranged("TCZYX").data[moment, channel])
    return part if _ndim(image) == 3 else part[0]


def _ndim(image: Image) -> int:
    """3 for volumes; 2 where there is one plane."""
    return 3 if image.size("Z") > 1 else 2


def channel_name(image: Image, channel: int) -> str:
    """The name of a channel, or its number where names are absent or repeated."""
    unique = len(set(image.channel_names)) == image.size("C")
    return image.channel_names[channel] if unique else str(channel)


def name_of(path: Path) -> str:
    """The name of a file without .tif, .tiff or .ome.tif."""
    return path.stem.removesuffix(".ome")
