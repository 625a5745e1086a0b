"""Which images paths stand for: files, folders and patterns, in the order in which people count."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob
from os.path import abspath
from pathlib import Path
from re import findall

from carescope import read
from carescope.errors import InputError


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The images that paths name: themselves, those in a folder, or what a pattern matches.

    The folder of an OME-Zarr is an image itself.

    Each is named once; those of a folder or pattern in the order in which people count: t2, t10.

    Parameters
    ----------
    paths
        Files, folders, or patterns with ``*``, ``?``, ``[...]`` or, for folders within folders,
        ``**``. A file that is there is no pattern, whatever it is called.

    Raises
    ------
    InputError
        A folder holds no image, or a pattern matches nothing.
    """
    named: dict[Path, Path] = {}
    for path in paths:
        matched = _matched(path) if _is_pattern(path) else [path]
        for each in matched:
            for found in _inside(each) if _is_folder(each) else [each]:
                named.setdefault(Path(abspath(found)), found)
    return list(named.values())


def several(path: Path) -> bool:
    """Whether a path stands for the images in a folder, or for what it matches."""
    return _is_folder(path) or _is_pattern(path)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not read.is_image_folder(path)


def _is_pattern(path: Path) -> bool:
    return not set("*?[").isdisjoint(str(path)) and not path.exists()


def _matched(pattern: Path) -> list[Path]:
    """All that a pattern stands for, for shells that do not see to it."""
    found = [Path(path) for path in glob(str(pattern), recursive=True)]
    if not found:
        raise InputError(
            "no file or folder is called like this",
            where=pattern,
            remedy="Correct the pattern, or give files or the folder they lie in",
        )
    return sorted(found, key=_counted)


def _inside(folder: Path) -> list[Path]:
    """The TIFFs and OME-Zarr images in a folder."""
    found = [p for p in folder.iterdir() if p.suffix.lower() in (".tif", ".tiff", ".zarr")]
    found = [p for p in found if not p.name.startswith(".")]
    if not found:
        raise InputError(
            "holds no .tif or .tiff file and no .zarr",
            where=folder,
            remedy="Give image files, or the folder they lie in",
        )
    return sorted(found, key=_counted)


def _counted(path: Path) -> list[tuple[list[tuple[str, int]], str]]:
    """What puts paths into the order in which people count."""
    return [
        ([(text, int(digits or -1)) for text, digits in findall(r"(\D*)(\d*)", part.lower())], part)
        for part in path.parts
    ]
