"""A model as a folder: model.json says everything, weights.safetensors holds the numbers.

Nothing that is loaded can run code. The JSON carries the hash of the weights, so the two
cannot be mixed up, cut short or altered without it being noticed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Self

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import carescope
from carescope import net
from carescope.errors import ModelError, OutputError
from carescope.files import atomic
from carescope.files.folder import check_makeable, make, read_bytes
from carescope.model.model import Model
from carescope.normalize import Affine
from carescope.recipe import Recipe

SCHEMA = 1
DESCRIPTION, WEIGHTS = "model.json", "weights.safetensors"


class _Normaliser(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    low: float
    high: float

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.high > self.low:
            raise ValueError("high must exceed low")
        return self


class _Description(BaseModel):
    """What model.json must hold."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    schema_version: int = Field(ge=1, le=SCHEMA)
    carescope_version: str
    architecture: dict[str, Any]
    recipe: Recipe
    normaliser: _Normaliser
    factor: float = Field(ge=1, le=100)
    step_um: float = Field(gt=0)
    pixel_um: float = Field(gt=0)
    facts: dict[str, Any]
    weights_sha256: str


def check_absent(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse, before any work, a folder with a finished model, or where none can be written."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(
            "it is a file, and a model is a folder",
            where=folder,
            remedy="Choose another name with --model",
        )
    if (folder / DESCRIPTION).exists() and not overwrite:
        raise OutputError(
            "there is a finished model already",
            where=folder,
            remedy="Choose another folder with --model, or replace it with --overwrite",
        )
    check_makeable(folder)


def save(model: Model, folder: str | Path, *, overwrite: bool = False) -> None:
    """Write a model; the folder counts as a model only once model.json is there.

    Raises
    ------
    OutputError
        There is a model already and `overwrite` is false, or the folder cannot be written.
    """
    folder = Path(folder)
    check_absent(folder, overwrite=overwrite)
    make(folder)
    content = model.packed()
    description = _Description(
        schema_version=SCHEMA,
        carescope_version=carescope.__version__,
        architecture=model.architecture,
        recipe=model.recipe,
        normaliser=_Normaliser(low=model.affine.low, high=model.affine.high),
        factor=model.factor,
        step_um=model.step_um,
        pixel_um=model.pixel_um,
        facts=model.facts,
        weights_sha256=hashlib.sha256(content).hexdigest(),
    )
    atomic.write_bytes(folder / WEIGHTS, content, overwrite=True)
    atomic.write_text(folder / DESCRIPTION, description.model_dump_json(indent=2), overwrite=True)


def load(folder: str | Path) -> Model:
    """Read a model back, refusing whatever is missing, damaged or not finite.

    Raises
    ------
    ModelError
        The folder is no model, was made by a newer version, or its weights are missing,
        altered or hold NaN or infinity.
    """
    folder = Path(folder)
    description = _describe(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelError(
            f"the weights {WEIGHTS} are missing",
            where=folder,
            remedy="Copy the whole model folder, or train it again",
        )
    content = read_bytes(path)
    digest = hashlib.sha256(content).hexdigest()
    if digest != description.weights_sha256:
        raise ModelError(
            f"the weights are not those that the model was saved with: their sha256 begins with "
            f"{digest[:16]}, and {DESCRIPTION} says {description.weights_sha256[:16]}",
            where=path,
            remedy="Copy the whole model folder again, or train it again",
        )
    return Model(
        network=_network(path, description, content),
        architecture=description.architecture,
        recipe=description.recipe,
        affine=Affine(description.normaliser.low, description.normaliser.high),
        factor=description.factor,
        step_um=description.step_um,
        pixel_um=description.pixel_um,
        facts=description.facts,
    )


def _describe(folder: Path) -> _Description:
    path = folder / DESCRIPTION
    if not path.is_file():
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
            "the description is not readable as a JSON object",
            where=path,
            remedy="Copy the whole model folder again",
        )
    version = content.get("schema_version")
    if isinstance(version, int) and version > SCHEMA:
        raise ModelError(
            f"the model needs carescope >= {content.get('carescope_version', '?')}",
            where=folder,
            remedy="Upgrade with pip install --upgrade carescope",
        )
    try:
        return _Description.model_validate(content)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, e["loc"])) for e in error.errors())
        raise ModelError(
            f"the description lacks or misstates: {fields}",
            where=path,
            remedy="Copy the whole model folder again",
        ) from None


def _network(path: Path, description: _Description, content: bytes) -> torch.nn.Module:
    try:
        weights = safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise ModelError(
            f"the weights are not a safetensors file: {error}",
            where=path,
            remedy="Copy the whole model folder again",
        ) from None
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise ModelError(
                f"the weights {name} hold NaN or infinity",
                where=path,
                remedy="Train the model again",
            )
    try:
        network = net.build(**description.architecture)
        network.load_state_dict(weights)
    except Exception as error:  # a wrong architecture may fail in any way
        raise ModelError(
            f"the weights do not fit the architecture: {error}",
            where=path,
            remedy="Copy the whole model folder again",
        ) from None
    return network.eval()
