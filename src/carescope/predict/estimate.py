"""What is restored of a block: views and members put together, and given back as grey levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from carescope import normalize, trust
from carescope.model import Ensemble, Model, fuse
from carescope.normalize import Affine

Floats = npt.NDArray[np.float32]

#: Pixels of whole planes whose disagreement is found at once: for all threads, in little memory.
_SLAB_PX = 1 << 20


class Estimate(NamedTuple):
    """What is restored of a block, or of a volume: arrays of one shape.

    Parameters
    ----------
    mean
        Grey levels; normalised units of the targets where other channels come out than go in.
    scale
        Laplace scale b, or Gaussian standard deviation, in the unit of the mean; None without
        scales.
    disagreement
        Of the members of an ensemble with scales, 0 to 1; None for any other model.
    height
        Where the surface is that a stack was projected from, in planes from 0; None where that was
        not asked for.
    """

    mean: Floats
    scale: Floats | None = None
    disagreement: Floats | None = None
    height: Floats | None = None

    def into(self, layers: Mapping[str, Any], place: Any) -> None:
        """Assign each field that is named to a place of its layer."""
        for name, layer in layers.items():
            layer[place] = getattr(self, name)


def estimate(
    members: Floats, model: Model | Ensemble, maps: Sequence[Affine], *, disagreement: bool
) -> Estimate:
    """What the members restored, as one and in grey levels.

    Parameters
    ----------
    members
        (members, C or 2C, Z, Y, X) normalised.
    model
        Whose members they are.
    maps
        What normalised each channel that went in.
    disagreement
        Whether to find that of an ensemble's members.
    """
    differ = _disagreement(members, model) if disagreement else None
    together = fused(members, model)
    channels = model.task.channels_out
    mean, scale = together[:channels], together[channels:] if model.spread else None
    found = model.calibration
    if scale is not None and found:
        scale = scale * np.array(found.factors, np.float32)[:, None, None, None]
    if model.task.keeps_channels:  # mu becomes a mu + b and sigma a sigma, a > 0 for each channel
        widths = np.array([one.width for one in maps], np.float32)
        mean = normalize.undo(maps, mean)
        scale = None if scale is None else scale * widths[:, None, None, None]
    return Estimate(mean, scale, differ)


def fused(parts: Floats, model: Model | Ensemble) -> Floats:
    """Views or members (parts, C or 2C, Z, Y, X) as one; plane by plane, as memory is short."""
    if len(parts) == 1:
        return np.asarray(parts[0])
    whole: Floats = np.empty(parts.shape[1:], np.float32)
    for z in range(whole.shape[1]):
        whole[:, z] = fuse(parts[:, :, z], model.task.channels_out, model.spread)
    return whole


def _disagreement(members: Floats, model: Model | Ensemble) -> Floats | None:
    """How much the members of an ensemble disagree, (C, Z, Y, X); None without scales."""
    if model.spread is None or len(members) == 1:
        return None
    channels = model.task.channels_out
    means, scales = members[:, :channels], members[:, channels:]
    told: Floats = np.empty(means.shape[1:], np.float32)
    deep = max(1, _SLAB_PX // told[:, 0].size)
    for z in range(0, told.shape[1], deep):
        slab = np.s_[:, z : z + deep]
        told[slab] = trust.disagreement(
            means[:, *slab], scales[:, *slab], family=model.spread, threads=torch.get_num_threads()
        )
    return told
