"""The nodes of a Zarr store in a folder: their metadata, read before Zarr itself does.

Zarr would run whatever codec a file names, one that loads pickle among them. Nothing is opened
whose codecs are not in the lists here.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from carescope.errors import InputError
from carescope.files.folder import read_bytes

Version = Literal[2, 3]
_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
_CODECS_2 = {
    *("blosc", "zstd", "zlib", "gzip", "lz4", "bz2", "lzma", "shuffle", "delta", "bitround"),
    *("fixedscaleoffset", "quantize", "packbits", "astype", "crc32", "crc32c", "adler32"),
    *("fletcher32", "jenkins_lookup3"),
}
_CODECS_3 = {"bytes", "transpose", "blosc", "gzip", "zstd", "crc32c", "sharding_indexed"}
_CODECS_3 |= {f"numcodecs.{name}" for name in _CODECS_2}
_DTYPES_3 = {
    *("bool", "float16", "float32", "float64"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}
#: A chunk is decompressed at once; one beyond this size is damaged, or made to fill the memory.
MOST_CHUNK_BYTES = 1 << 31
_KEY = re.compile(r"(c[/.])?\d+([/.]\d+)*")
_COPY = "Copy the whole folder again from its origin"
CONVERT = "Save it as OME-Zarr 0.5 or 0.4, for instance with bioformats2raw or napari-ome-zarr"


def is_store(path: Path) -> bool:
    """Whether a folder is a Zarr store, or one of the images in one."""
    named = path.suffix.lower() == ".zarr"
    return path.is_dir() and (named or any((path / mark).is_file() for mark in _MARKS))


@dataclass(frozen=True)
class Node:
    """A group or an array of a store.

    Parameters
    ----------
    path
        Its folder.
    version
        Of the Zarr format, 2 or 3.
    attributes
        What is written on it.
    array
        How its pixels are stored, where it is an array; otherwise None.
    """

    path: Path
    version: Version
    attributes: dict[str, Any]
    array: dict[str, Any] | None


def node(path: Path) -> Node:
    """Read the metadata of a group or an array.

    Raises
    ------
    InputError
        There are none, they are damaged, or of another version than 2 and 3.
    """
    if (path / "zarr.json").is_file():
        found = _json(path / "zarr.json")
        _check_version(path, found, 3)
        kind = found.get("node_type")
        if kind not in ("group", "array"):
            raise _damaged(path, f"zarr.json declares a node of type {kind!r}")
        attributes = _mapping(path, found.get("attributes", {}))
        return Node(path, 3, attributes, found if kind == "array" else None)
    name = next((n for n in (".zarray", ".zgroup") if (path / n).is_file()), None)
    if name is None:
        raise InputError(
            "is no Zarr store: it has neither zarr.json nor .zgroup",
            where=path,
            remedy="Give the folder of an OME-Zarr image; copy it again if it was cut short",
        )
    found = _json(path / name)
    _check_version(path, found, 2)
    there = (path / ".zattrs").is_file()
    attributes = _json(path / ".zattrs") if there else {}
    return Node(path, 2, attributes, found if name == ".zarray" else None)


@dataclass(frozen=True)
class Stored:
    """How the pixels of an array are stored.

    Parameters
    ----------
    shape, dtype
        Of the array, in the machine's byte order.
    chunk
        What is decompressed at once, a length an axis.
    file
        What a file holds, a length an axis: a chunk, or a shard of several.
    """

    path: Path
    version: Version
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk: tuple[int, ...]
    file: tuple[int, ...]

    @property
    def files(self) -> int:
        """How many files make up the whole array."""
        return math.prod(-(-n // part) for n, part in zip(self.shape, self.file, strict=True))

    def present(self) -> int:
        """How many of them are there."""
        ends = [-(-n // part) for n, part in zip(self.shape, self.file, strict=True)]
        found = 0
        for key in _keys(self.path):
            at = [int(n) for n in re.findall(r"\d+", key)]
            known = _KEY.fullmatch(key) and len(at) == len(ends)
            found += bool(known and all(i < end for i, end in zip(at, ends, strict=True)))
        return found


def stored(array: Node) -> Stored:
    """How an array is stored.

    Raises
    ------
    InputError
        Its metadata are damaged, it holds no numbers, its chunks are absurd, or it is encoded in
        a way that is not read here.
    """
    facts = array.array
    if facts is None:
        raise _damaged(array.path, "a resolution level is no array")
    try:
        version_2 = array.version == 2
        found = _stored_2(array.path, facts) if version_2 else _stored_3(array.path, facts)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        said = f"its array metadata are incomplete ({type(error).__name__}: {error})"
        raise _damaged(array.path, said) from error
    lengths = {len(found.shape), len(found.chunk), len(found.file)}
    if len(lengths) > 1 or min((*found.shape, *found.chunk, *found.file), default=0) < 1:
        raise _damaged(
            array.path, f"declares {found.shape} pixels in chunks of {found.chunk} in {found.file}"
        )
    held = math.prod(found.chunk) * found.dtype.itemsize
    if held > MOST_CHUNK_BYTES:
        raise InputError(
            f"keeps {held / 1e9:.3g} GB in one chunk, which would be read at once",
            where=array.path,
            remedy="Save it again in smaller chunks",
        )
    return found


def _stored_2(path: Path, facts: dict[str, Any]) -> Stored:
    if not isinstance(facts["dtype"], str):
        raise _of_type(path, "records")
    dtype = np.dtype(facts["dtype"])
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise _of_type(path, dtype.name)
    used = [facts["compressor"], *(facts.get("filters") or [])]
    _check_codecs(path, [c["id"] for c in used if c is not None], _CODECS_2)
    shape, chunk = _lengths(facts["shape"]), _lengths(facts["chunks"])
    return Stored(path, 2, shape, dtype.newbyteorder("="), chunk, chunk)


def _stored_3(path: Path, facts: dict[str, Any]) -> Stored:
    if facts["data_type"] not in _DTYPES_3:
        raise _of_type(path, str(facts["data_type"]))
    file = chunk = _lengths(facts["chunk_grid"]["configuration"]["chunk_shape"])
    if facts["chunk_grid"]["name"] != "regular":
        raise _damaged(path, f"has a chunk grid of the kind {facts['chunk_grid']['name']!r}")
    codecs = list(_codecs(facts["codecs"]))
    _check_codecs(path, [codec["name"] for codec in codecs], _CODECS_3)
    for codec in codecs:
        if codec["name"] == "sharding_indexed":
            chunk = _lengths(codec["configuration"]["chunk_shape"])
    dtype = np.dtype(facts["data_type"])
    return Stored(path, 3, _lengths(facts["shape"]), dtype, chunk, file)


def _codecs(listed: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All codecs, those within a shard too."""
    for codec in listed:
        yield codec
        inside = codec.get("configuration", {})
        yield from _codecs([*inside.get("codecs", ()), *inside.get("index_codecs", ())])


def _check_codecs(path: Path, names: list[str], known: set[str]) -> None:
    unknown = sorted(set(names) - known)
    if unknown:
        raise InputError(
            f"is encoded with {', '.join(unknown)}, which is not read here",
            where=path,
            remedy="Save it again compressed with blosc, zstd or gzip, or uncompressed",
        )


def _lengths(values: Any) -> tuple[int, ...]:
    if not all(type(value) is int for value in values):
        raise ValueError(f"{values!r} are no lengths")
    return tuple(values)


def _keys(folder: Path, inside: str = "") -> Iterator[str]:
    """The relative names of all files in a folder, in constant memory."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{inside}{entry.name}"
            if entry.is_dir():
                yield from _keys(Path(entry.path), f"{name}/")
            else:
                yield name


def _json(path: Path) -> dict[str, Any]:
    try:
        return _mapping(path, json.loads(read_bytes(path)))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"is not JSON ({error})") from error


def _mapping(path: Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _damaged(path, "holds no JSON object")
    return value


def _check_version(path: Path, found: dict[str, Any], wanted: int) -> None:
    if found.get("zarr_format") != wanted:
        raise InputError(
            f"is of version {found.get('zarr_format')!r} of Zarr, and {wanted} was expected",
            where=path,
            remedy=CONVERT,
        )


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"is damaged: {what}", where=path, remedy=_COPY)


def _of_type(path: Path, name: str) -> InputError:
    return InputError(
        f"holds {name}, not numbers that are pixels",
        where=path,
        remedy="Save it as integers or floating point",
    )
