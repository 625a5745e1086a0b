"""Checkpoints of a training run: one safetensors file each, named after its own hash.

The name proves the content, so a damaged checkpoint is known as such and the one before it
is used. Two are kept.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from carescope.files import atomic
from carescope.files.folder import read_bytes

KEPT = 2


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
    atomic.write_bytes(path, content, overwrite=True)
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
        content = read_bytes(path)
        if hashlib.sha256(content).hexdigest()[:16] != path.stem.rsplit("-", 1)[1]:
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


def _step(path: Path) -> int:
    return int(path.name.split("-")[1])


def _newest_first(run: Path) -> list[Path]:
    return sorted(run.glob("step-*-*.safetensors"), reverse=True) if run.is_dir() else []
