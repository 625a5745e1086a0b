"""Checkpoints of a training run: one safetensors file each, named after its own hash.

The name proves the content, so a damaged checkpoint is known as such and the one before it
is used. Two are kept, and there is room on the disk for a third while it is written.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from carescope.errors import InputError, OutputError
from carescope.files import atomic, lock
from carescope.files.folder import make, read_bytes
from carescope.train import distributed

KEPT = 2

_NAME = re.compile(r"step-(\d{8,})-([0-9a-f]{16})\.safetensors")


@contextmanager
def alone(run: Path | None) -> Iterator[None]:
    """Keep other trainings out of a folder; this process may enter it again.

    Raises
    ------
    OutputError
        Another process, which is named, works there; or the folder cannot be written.
    """
    with lock.alone(run) if run and distributed.is_main() else nullcontext():
        yield


def check_room(run: Path, size_bytes: int) -> None:
    """Refuse, before the first step, a disk that will not hold the checkpoints.

    Raises
    ------
    OutputError
        There is no room for as many as will be there at a time.
    """
    there = len(_newest_first(make(run)))
    atomic.check_room(run, [size_bytes] * max(1, KEPT + 1 - there))


def save(run: Path, step: int, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Path:
    """Write a checkpoint and remove all but the newest `KEPT`.

    Parameters
    ----------
    run
        The folder MODEL/run, made where it is missing.
    step
        Training steps taken.
    tensors
        Weights and optimiser state by name.
    facts
        Everything else, as JSON can hold it.

    Raises
    ------
    OutputError
        The folder cannot be written or the disk is full; earlier checkpoints stay.
    """
    packed = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = safetensors.torch.save(packed, {"facts": json.dumps(facts, sort_keys=True)})
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = run / f"step-{step:08d}-{digest}.safetensors"
    try:
        atomic.write_bytes(path, content, overwrite=True)
    except OutputError as error:
        raise OutputError(
            f"{error.what}; training ends at step {step}, with the checkpoint before that kept",
            where=run,
            remedy="Free some space and repeat the command: it goes on from there",
        ) from error
    # What claims to come from a later step is damaged: this run went on from an earlier one.
    earlier = [old for old in _newest_first(run) if _step(old) < step]
    for old in {*_newest_first(run)} - {path, *earlier[: KEPT - 1]}:
        old.unlink(missing_ok=True)
    return path


def load(run: Path) -> tuple[tuple[dict[str, Tensor], dict[str, Any]] | None, list[str]]:
    """The newest sound checkpoint.

    Returns
    -------
    found
        The tensors and facts that `save` was given, or None where there is no checkpoint.
    warnings
        One sentence for each damaged checkpoint that was passed over.
    """
    warnings: list[str] = []
    for path in _newest_first(run):
        content = _sound(path)
        if content is None:
            warnings.append(f"The checkpoint {path} is damaged; the one before it was sought.")
            continue
        # The header is 8 bytes of length, then JSON; facts sit in its metadata.
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        facts = json.loads(header["__metadata__"]["facts"])
        return (safetensors.torch.load(content), facts), warnings
    return None, warnings


def clear(run: Path) -> None:
    """Remove all checkpoints of a finished run; its history stays."""
    for path in _newest_first(run):
        path.unlink(missing_ok=True)


def _sound(path: Path) -> bytes | None:
    """The content of a checkpoint, or None where it is not what its name says."""
    try:
        content = read_bytes(path)
    except InputError:  # a bad sector of the disk
        return None
    digest = hashlib.sha256(content).hexdigest()
    return content if path.name.endswith(f"-{digest[:16]}.safetensors") else None


def _step(path: Path) -> int:
    return int(path.name.split("-")[1])


def _newest_first(run: Path) -> list[Path]:
    named = [path for path in run.glob("step-*") if _NAME.fullmatch(path.name)]
    return sorted(named, key=lambda path: (_step(path), path.name), reverse=True)
