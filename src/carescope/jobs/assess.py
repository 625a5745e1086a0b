"""Say what is known of images and models, and whether an image is sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carescope import read
from carescope.axes import describe_shape
from carescope.errors import CarescopeError
from carescope.image import Image
from carescope.read.check import refuse_unfit, scan

if TYPE_CHECKING:
    from carescope.model import Ensemble, Model


def check_files(files: Sequence[Path], *, axes: str | None = None) -> list[dict[str, object]]:
    """Read every pixel of each file; one row a file, the bad ones too."""
    rows: list[dict[str, object]] = []
    for path in files:
        try:
            image = read.open(path, axes=axes)
            seen = scan(image)
            refuse_unfit(seen, image)
            says = f"{_summary(image)}, {seen.minimum:g} to {seen.maximum:g}"
            if seen.saturated > 0:
                says += f", {seen.saturated:.2%} saturated"
            if gaps := read.gaps_of(path):
                says += f". {gaps}"
            rows.append({"file": str(path), "ok": True, "says": says})
        except CarescopeError as error:
            rows.append({"file": str(path), "ok": False, "says": f"{error.what}. {error.remedy}"})
    return rows


def describe(path: Path, *, axes: str | None = None) -> dict[str, object]:
    """What an image file or a model folder says of itself."""
    if path.is_dir() and not read.is_image_folder(path):
        return _describe_model(path)
    image = read.open(path, axes=axes)
    facts: dict[str, object] = {
        "file": path,
        "axes": image.axes,
        "shape": describe_shape(image.shape, image.axes),
        "dtype": image.dtype.name,
        "voxel_um (z, y, x)": _voxel(image),
    }
    if image.frame_s is not None:
        facts["frame_s"] = f"{image.frame_s:.6g}"
    if image.channel_names:
        facts["channels"] = ", ".join(image.channel_names)
    return facts | read.storage_of(path) | read.provenance_of(path)


def _describe_model(path: Path) -> dict[str, object]:
    from carescope.model import load

    model = load(path)
    facts, members, task = model.facts, model.members, model.task
    weights = sum(p.numel() for m in members for p in m.network.parameters())
    low, high = model.recipe.percentiles
    described: dict[str, object] = {
        "model": path,
        "restores": _purpose(model),
        "channels": model.task.channels_out,
        "network": f"{members[0].architecture['name']}, {weights:,} weights",
        **_training(model),
        "normalisation": f"percentiles {low:g} and {high:g} of each channel become 0 and 1",
        "spread": _scales(model),
        "sha256": model.sha256,
    }
    if task.step_um and task.pixel_um:
        described |= {"optics": facts["optics"]} if "optics" in facts else {}
        planes = (
            "" if task.ndim == 2 and "scene" in facts else f"planes {task.step_um:g} um apart, "
        )
        described["geometry"] = f"{planes}pixels of {task.pixel_um:g} um"
    if len(members) > 1:
        losses = [m.facts.get("best_validation_loss") for m in members]
        described["best_validation_loss"] = ", ".join(map(str, losses))
        described["members"] = ", ".join(m.sha256[:16] for m in members)
    return described


def _scales(model: Model | Ensemble) -> str:
    """What a model says of how sure it is, and who checked that."""
    if model.spread is None:
        return "none"
    how = model.calibration.words() if model.calibration else "not calibrated"
    return f"{model.spread} scales, {how}"


def _training(model: Model | Ensemble) -> dict[str, object]:
    """Where a model comes from."""
    facts = model.facts
    if model.members[0].imported:
        return {"trained_by": f"CSBDeep, in {facts['folder']}"}
    return {
        "trained_on": f"{_names(facts)} at {facts.get('trained_at', '?')}",
        "training": f"{facts.get('steps', '?')} steps in {facts.get('seconds', '?')} s",
        "best_validation_loss": facts.get("best_validation_loss"),
    }


def _purpose(model: Model | Ensemble) -> str:
    task, space = model.task, f"{model.task.ndim}D"
    if task.kind == "isotropic":
        psf = "" if model.members[0].imported else f"{model.recipe.psf_mode} PSF, "
        return f"{psf}{task.factor:g} planes for each recorded one"
    said = {"denoise": "noise", "project": "stacks to their surface"}
    if task.kind == "upsample":
        return f"{task.factor:g} planes for each recorded one, in {space}"
    if scene := model.facts.get("scene"):
        return f"{scene['phantom']} as simulated, in {space}"
    return f"{said[task.kind]}, in {space}"


def _names(facts: dict[str, Any]) -> str:
    """The files a model learnt from; of many, the first three."""
    names = facts.get("trained_on") or ["?"]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _summary(image: Image) -> str:
    return f"{describe_shape(image.shape, image.axes)} {image.dtype.name}, voxel {_voxel(image)}"


def _voxel(image: Image) -> str:
    if image.voxel_um is None:
        return "size unknown"
    return " x ".join(f"{v:.4g}" for v in image.voxel_um) + " um"
