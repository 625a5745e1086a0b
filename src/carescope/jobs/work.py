"""What is restored into what, and all that the bytes of the result depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carescope import engine, predict
from carescope.errors import UsageError
from carescope.image import Image
from carescope.jobs.identity import identity
from carescope.jobs.outputs import is_zarr, stem
from carescope.model import Ensemble, Model

#: What a ledger calls the engine of a work.
ENGINE = "--engine"
#: What the numbers of a scale are, by the family of the distribution.
SCALES = {
    "laplace": "scale b of a Laplace distribution around the restored value, in grey levels",
    "gaussian": "standard deviation of a Gaussian around the restored value, in grey levels",
}


@dataclass(frozen=True)
class Layer:
    """One of the images that a restoration consists of."""

    path: Path
    dtype: str
    provenance: Mapping[str, str]


@dataclass(frozen=True)
class Work:
    """What is restored, into what.

    Parameters
    ----------
    model, stack
        What restores, and what is restored.
    there
        What the restoration will be.
    layers
        The images to write, by the field of `carescope.predict.Estimate`; ``mean`` among them.
    identity
        Of the stack, where there will be a ledger: `identity`.
    """

    model: Model | Ensemble
    stack: Image
    there: predict.Outline
    layers: Mapping[str, Layer]
    identity: str = ""

    @property
    def out(self) -> Path:
        return self.layers["mean"].path

    def told(self) -> dict[str, Any]:
        """All that the bytes of the result depend on, for a ledger."""
        there, by = self.there, engine.settled(self.model)
        software = predict.provenance(self.model, self.stack)["software"]
        return {
            "version of carescope": software,
            "model": identified(self.model),
            "input": [stem(Path(self.stack.source or "array")), self.identity],
            "size, voxel size or channels": [
                there.axes,
                there.shape,
                there.voxel_um,
                there.channel_names,
                there.frame_s,
            ],
            "--dtype": self.layers["mean"].dtype,
            "--spread": sorted(self.layers),
            ENGINE: [by, engine.version(by)],
        }


def identified(model: Model | Ensemble) -> list[Any]:
    """What tells a model, as it restores, from any other: JSON values."""
    found = model.calibration
    return [model.sha256, [found.factors, found.trends] if found else None, model.tta]


def planned(
    model: Model | Ensemble,
    stack: Image,
    out: Path,
    extra: Mapping[str, Path],
    dtype: str,
    *,
    force: bool,
    provenance: dict[str, str] | None = None,
) -> Work:
    """What is restored, into what; refused where the model and the stack do not match."""
    if dtype != "float32" and not model.task.keeps_channels:
        raise UsageError(
            "has no room for what this model restores: other channels come out than go in, in "
            "units of their own, mostly from 0 to 1",
            where=f"--dtype {dtype}",
            remedy="Leave it out",
        )
    there = predict.outline(model, stack, force=force)
    facts = predict.provenance(model, stack) | (provenance or {})
    layers = {"mean": Layer(out, dtype, facts)}
    for name, path in extra.items():
        told = facts | {"values": _meaning(name, model)}
        layers[name] = Layer(path, "float32", told)
    return Work(model, stack, there, layers, identity(stack) if is_zarr(out) else "")


def _meaning(name: str, model: Model | Ensemble) -> str:
    """What the numbers of a layer are, for its metadata."""
    if name == "scale":
        how = model.calibration.words() if model.calibration else "as the network predicts it"
        return f"{SCALES[str(model.family)]}, {how}"
    if name == "height":
        return "plane of the surface, from 0"
    return f"disagreement of {len(model.members)} models, from 0 (one opinion) to 1"
