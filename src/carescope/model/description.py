"""What model.json holds, for a model and for an ensemble, and how it vouches for itself."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from carescope.errors import ModelError
from carescope.files.folder import read_bytes
from carescope.recipe import Recipe
from carescope.task import Task

SCHEMA = 1
DESCRIPTION = "model.json"
_OWN_HASH = "description_sha256"
_COPY_AGAIN = "Copy the whole model folder again, or train it again"


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    schema_version: int = Field(ge=1, le=SCHEMA)
    carescope_version: str


class ModelDescription(_Described):
    """A model's."""

    architecture: dict[str, Any]
    recipe: Recipe
    task: Task
    facts: dict[str, Any]
    weights_sha256: str


class MemberDescription(BaseModel):
    """Which model a member of an ensemble is, and where it lies within the ensemble's folder."""

    model_config = ConfigDict(extra="forbid")
    folder: str = Field(pattern=r"^member-[0-9]{1,4}$")
    sha256: str


class EnsembleDescription(_Described):
    """An ensemble's."""

    members: list[MemberDescription] = Field(min_length=2)
    facts: dict[str, Any] = Field(default_factory=dict)


def text_of(description: ModelDescription | EnsembleDescription) -> str:
    """The content of model.json, with its own hash in it."""
    content = json.loads(description.model_dump_json())
    return json.dumps(content | {_OWN_HASH: digest(content)}, indent=2, ensure_ascii=False)


def digest(content: dict[str, Any]) -> str:
    """SHA-256 of a description, whatever the order and the spaces it is written with."""
    told = {name: value for name, value in content.items() if name != _OWN_HASH}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def describe(folder: Path) -> ModelDescription | EnsembleDescription:
    """Read model.json.

    Raises
    ------
    ModelError
        It is missing, not JSON, of a newer version, lacks or misstates something, or was altered.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        if (folder / "run").is_dir():
            raise ModelError(
                "training has not ended, so there is no model yet",
                where=folder,
                remedy="Give the command that trains it again: it goes on where it was",
            )
        raise ModelError(
            f"there is no {DESCRIPTION}, so this is not a carescope model",
            where=folder,
            remedy="Give the folder that --model named in training",
        )
    try:
        content = json.loads(read_bytes(path))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ModelError(
            "the description is not readable as a JSON object", where=path, remedy=_COPY_AGAIN
        )
    version = content.get("schema_version")
    if isinstance(version, int) and version > SCHEMA:
        raise ModelError(
            f"the model needs carescope >= {content.get('carescope_version', '?')}",
            where=folder,
            remedy="Upgrade with pip install --upgrade carescope",
        )
    return _validated(content, path)


def _validated(content: dict[str, Any], path: Path) -> ModelDescription | EnsembleDescription:
    kind = EnsembleDescription if "members" in content else ModelDescription
    own_hash = content.get(_OWN_HASH)
    told = {name: value for name, value in content.items() if name != _OWN_HASH}
    try:
        description = kind.model_validate(told)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, e["loc"])) for e in error.errors())
        raise ModelError(
            f"the description lacks or misstates: {fields}", where=path, remedy=_COPY_AGAIN
        ) from None
    if own_hash != digest(content):
        raise ModelError(
            f"the description was altered or damaged: {_OWN_HASH} is not that of its content",
            where=path,
            remedy=_COPY_AGAIN,
        )
    return description
