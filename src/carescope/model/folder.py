"""A model as a folder: model.json says everything, weights.safetensors holds the numbers.

An ensemble has a model.json of its own and its members, each a model folder, in member-0,
member-1 and so on. Nothing that is loaded can run code. The JSON carries the hash of the weights,
of the members, and of itself, so that none can be mixed up, cut short or altered without it being
noticed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import safetensors.torch
import torch

import carescope
from carescope import net
from carescope.errors import ModelError, OutputError
from carescope.files import atomic
from carescope.files.folder import check_makeable, make, read_bytes, remove
from carescope.model.description import (
    DESCRIPTION,
    SCHEMA,
    EnsembleDescription,
    MemberDescription,
    ModelDescription,
    describe,
    text_of,
)
from carescope.model.ensemble import Ensemble
from carescope.model.model import Model

WEIGHTS = "weights.safetensors"
_COPY_OR_TRAIN = "Copy the whole model folder again, or train it again"


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


def save(model: Model | Ensemble, folder: str | Path, *, overwrite: bool = False) -> None:
    """Write a model or an ensemble; the folder counts as one only once its model.json is there.

    Members of an ensemble that lie in the folder already are left as they are; what else of a
    model that was there before would only mislead is removed.

    Raises
    ------
    OutputError
        There is a model already and `overwrite` is false, or the folder cannot be written.
    """
    folder = Path(folder)
    check_absent(folder, overwrite=overwrite)
    make(folder)
    before = _parts(folder)
    if isinstance(model, Ensemble):
        _save_members(model, folder, overwrite=overwrite)
    else:
        content = model.packed()
        atomic.write_bytes(folder / WEIGHTS, content, overwrite=True)
        description = _description(model, content)
        atomic.write_text(folder / DESCRIPTION, text_of(description), overwrite=True)
    for name in before - _parts(folder):
        remove(folder / name)


def save_ensemble(folder: str | Path, *, overwrite: bool = False) -> Ensemble:
    """Make an ensemble of the models that lie in member-0, member-1 ... of a folder.

    Raises
    ------
    ModelError
        They are fewer than two, one of them is damaged, or they are not alike.
    OutputError
        There is a finished model already and `overwrite` is false.
    """
    folder = Path(folder)
    members: list[Model] = []
    while (place := folder / member_folder(len(members))).is_dir():
        members.append(_load_model(place, describe(place)))
    ensemble = Ensemble(tuple(members))
    save(ensemble, folder, overwrite=overwrite)
    return ensemble


def member_folder(number: int) -> str:
    """The name of the folder in which an ensemble keeps a member."""
    return f"member-{number}"


def load(folder: str | Path) -> Model | Ensemble:
    """Read a model or an ensemble back, refusing whatever is missing, damaged or not finite.

    Raises
    ------
    ModelError
        The folder is no model, was made by a newer version, its weights are missing, altered or
        hold NaN or infinity, or a member of an ensemble is missing or another than it was.
    """
    folder = Path(folder)
    description = describe(folder)
    if isinstance(description, EnsembleDescription):
        members = tuple(_load_member(folder, member) for member in description.members)
        try:
            return Ensemble(members, description.facts)
        except ModelError as error:
            raise ModelError(error.what, where=folder, remedy=error.remedy) from None
    return _load_model(folder, description)


def _save_members(ensemble: Ensemble, folder: Path, *, overwrite: bool) -> None:
    listed = []
    for number, member in enumerate(ensemble.members):
        name = member_folder(number)
        there = _sound(folder / name)
        if there is None or text_of(there) != text_of(_description(member, member.packed())):
            mine = there is None or there.weights_sha256 == member.sha256
            save(member, folder / name, overwrite=overwrite or mine)
        listed.append(MemberDescription(folder=name, sha256=member.sha256))
    description = EnsembleDescription(
        schema_version=SCHEMA,
        carescope_version=carescope.__version__,
        members=listed,
        facts=ensemble.known,
    )
    atomic.write_text(folder / DESCRIPTION, text_of(description), overwrite=True)


def _parts(folder: Path) -> set[str]:
    """What the model in a folder consists of beside its model.json; nothing where there is none."""
    try:
        description = describe(folder)
    except ModelError:
        return set()
    if isinstance(description, EnsembleDescription):
        return {member.folder for member in description.members}
    return {WEIGHTS}


def _sound(folder: Path) -> ModelDescription | None:
    """What the model in a folder is; None where there is no sound one."""
    try:
        description = describe(folder)
        _load_model(folder, description)
    except ModelError:
        return None
    return description if isinstance(description, ModelDescription) else None


def _description(model: Model, weights: bytes) -> ModelDescription:
    return ModelDescription(
        schema_version=SCHEMA,
        carescope_version=carescope.__version__,
        architecture=model.architecture,
        recipe=model.recipe,
        task=model.task,
        facts=model.facts,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )


def _load_member(folder: Path, member: MemberDescription) -> Model:
    place = folder / member.folder
    if not (place / DESCRIPTION).is_file():
        raise ModelError(
            f"the {member.folder} of this ensemble is missing",
            where=folder,
            remedy=_COPY_OR_TRAIN,
        )
    model = _load_model(place, describe(place))
    if model.sha256 != member.sha256:
        raise ModelError(
            f"the {member.folder} is not the one that the ensemble was made of: its sha256 begins "
            f"with {model.sha256[:16]}, and {DESCRIPTION} says {member.sha256[:16]}",
            where=folder,
            remedy=_COPY_OR_TRAIN,
        )
    return model


def _load_model(folder: Path, description: ModelDescription | EnsembleDescription) -> Model:
    if isinstance(description, EnsembleDescription):
        raise ModelError(
            "it is an ensemble where one model is needed",
            where=folder,
            remedy=f"Give the folder of one of its members, such as {member_folder(0)}",
        )
    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelError(
            f"the weights {WEIGHTS} are missing",
            where=folder,
            remedy="Copy the whole model folder, or train it again",
        )
    content = read_bytes(path)
    found = hashlib.sha256(content).hexdigest()
    if found != description.weights_sha256:
        raise ModelError(
            f"the weights are not those that the model was saved with: their sha256 begins with "
            f"{found[:16]}, and {DESCRIPTION} says {description.weights_sha256[:16]}",
            where=path,
            remedy=_COPY_OR_TRAIN,
        )
    model = Model(
        network=_network(path, description, content),
        architecture=description.architecture,
        recipe=description.recipe,
        task=description.task,
        facts=description.facts,
    )
    _refuse_contradiction(model, folder)
    return model


def _refuse_contradiction(model: Model, folder: Path) -> None:
    """The network must take the channels, and give the scales, that the description speaks of."""
    network, task, scales = model.network, model.task, bool(model.network.scales)
    same = network.channels_in == task.channels_in and network.channels_out == task.channels_out
    if not same or scales != (model.spread is not None):
        raise ModelError(
            f"the architecture has {network.channels_in} channels in, {network.channels_out} out, "
            f"{'with' if scales else 'without'} scales, which is not what task and recipe.loss = "
            f"{model.recipe.loss} say",
            where=folder / DESCRIPTION,
            remedy=_COPY_OR_TRAIN,
        )


def _network(path: Path, description: ModelDescription, content: bytes) -> torch.nn.Module:
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
