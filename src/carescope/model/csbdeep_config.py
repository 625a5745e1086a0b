"""What the config.json of a CSBDeep model says, and which other models' it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from carescope.errors import ModelError
from carescope.files.folder import read_bytes

CONFIG = "config.json"
_OPTIONS = ("unet_", "proj_")
_GIVE_FOLDER = "Give the folder that CSBDeep made, with config.json and weights_best.h5 in it"

MANY = 65536  # channels, beyond which nobody made a model

Sizes = int | list[int]


class Config(BaseModel):
    """The fields that tell what network it is; None or CSBDeep's default where one is missing.

    Sizes by axis are in the order of `axes`, which may be any, such as XYZC.
    """

    model_config = ConfigDict(strict=True, extra="ignore")

    axes: str | None = None
    n_dim: Literal[2, 3] | None = None
    n_channel_in: int | None = Field(None, ge=1, le=MANY)
    n_channel_out: int = Field(1, ge=1, le=MANY)
    probabilistic: bool | None = None
    unet_residual: bool | None = None
    unet_n_depth: int = Field(2, ge=1, le=16)
    unet_kern_size: Sizes | None = None
    unet_n_first: int | None = Field(None, ge=1, le=MANY)
    unet_last_activation: str = "linear"
    unet_input_shape: Any = None
    proj_axis: str = "Z"
    proj_n_depth: int = Field(4, ge=1, le=16)
    proj_n_filt: int | None = Field(None, ge=1, le=MANY)
    proj_n_conv_per_depth: int | None = Field(None, ge=1, le=MANY)
    proj_kern: list[int] | None = Field(None, min_length=3, max_length=3)
    proj_pool: list[int] | None = Field(None, min_length=3, max_length=3)
    train_loss: str | None = None
    train_checkpoint: str | None = None

    @field_validator("axes")
    @classmethod
    def _spatial(cls, axes: str | None) -> str | None:
        """Upper case, without the channel axis, whose place among kernels is always the same."""
        if axes is None:
            return None
        space = axes.upper().replace("C", "")
        if sorted(space) not in (["X", "Y"], ["X", "Y", "Z"]):
            raise ValueError("not YX or ZYX in any order")
        return space

    @property
    def sure(self) -> bool:
        """Whether a second head gives the scale of a Laplace distribution."""
        return self.train_loss == "laplace" if self.probabilistic is None else self.probabilistic

    @property
    def loss(self) -> Literal["mae", "mse", "laplace"]:
        """What it was trained with, or the nearest that there is a name for here."""
        if self.sure:
            return "laplace"
        return "mse" if self.train_loss == "mse" else "mae"


def read_config(folder: Path) -> tuple[Config, dict[str, Any]]:
    """Read config.json, checked and as it stands there.

    Raises
    ------
    ModelError
        It is missing, not JSON, another kind of model's, or says what cannot be.
    """
    content = _content(folder)
    path = folder / CONFIG
    _refuse_others(content, path)
    unknown = [k for k in content if k.startswith(_OPTIONS) and k not in Config.model_fields]
    if unknown:
        raise ModelError(
            f"it has the options {', '.join(sorted(unknown))}, unknown to CSBDeep",
            where=path,
            remedy="Import models of CSBDeep; restorations of others would be wrong",
        )
    try:
        return Config.model_validate(content), content
    except ValidationError as error:
        wrong = {str(e["loc"][0]): content.get(str(e["loc"][0])) for e in error.errors()}
        said = ", ".join(f"{name} = {value!r}" for name, value in wrong.items())
        remedy = "Restore the file as CSBDeep wrote it"
        if "axes" in wrong:
            remedy = "Only YX and ZYX, in any order, can be imported; call a time axis Z to have it"
        raise ModelError(f"it says what cannot be: {said}", where=path, remedy=remedy) from None


def _content(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if folder.suffix.lower() == ".zip" and folder.is_file():
        raise ModelError(
            "this is an archive, not a folder",
            where=folder,
            remedy="Unpack it and give the folder with config.json and weights_best.h5 in it",
        )
    if not path.is_file():
        raise ModelError(
            f"there is no {CONFIG}, so this is not the folder of a CSBDeep model",
            where=folder,
            remedy=_GIVE_FOLDER,
        )
    try:
        content = json.loads(read_bytes(path), parse_constant=str)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ModelError("it is not readable as a JSON object", where=path, remedy=_GIVE_FOLDER)
    return content


def _refuse_others(content: dict[str, Any], path: Path) -> None:
    """Relatives keep their models in the same way, but restore by other rules."""
    if any(key.startswith(("n2v_", "denoiseg_")) for key in content):
        raise ModelError(
            "this is a Noise2Void model, whose network and normalisation are not CARE's",
            where=path,
            remedy="Import a model that CSBDeep trained on pairs of images",
        )
    if "n_rays" in content or "rays_json" in content:
        raise ModelError(
            "this is a StarDist model, which outlines nuclei and restores nothing",
            where=path,
            remedy="Import a model that CSBDeep trained on pairs of images",
        )
    if not any(key in Config.model_fields and not key.startswith("train_") for key in content):
        raise ModelError(
            "it describes something else than a CSBDeep model", where=path, remedy=_GIVE_FOLDER
        )
