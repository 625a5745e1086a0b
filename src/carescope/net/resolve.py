"""Which network a recipe's name stands for."""

from __future__ import annotations

from typing import Any

from carescope.errors import UsageError
from carescope.pairs.regions import POOLED_PLANES
from carescope.task import Task


def resolve(
    name: str, task: Task, *, planes: int = 1, scales: bool = False, per_channel: bool = False
) -> dict[str, Any]:
    """The architecture, as `build` takes it, for a task.

    ``auto`` is the network that restored best within minutes on two cores (see benchmarks/): a
    narrow `UNet` to denoise; for isotropic restoration a `ShuffleUNet`, with cells as tall as
    recorded planes lie apart, up to 4 rows; and CARE's `ProjectionNet` where a stack is to become
    its surface. The papers' networks are what their names say. In 3D a network pools along z only
    where there is room.

    Parameters
    ----------
    name
        ``auto``, ``care``, ``isonet1`` or ``isonet2``.
    task
        What is to be restored.
    planes
        Planes of the smallest stack, for networks that see ZYX.
    scales
        Whether the network returns the scale of each restored pixel as well.
    per_channel
        Whether each channel gets a network of its own instead.
    """
    if per_channel and task.channels_in > 1:
        if task.kind == "project":
            raise UsageError(
                "channels of a stack are projected from one surface",
                where="--per-channel",
                remedy="Leave it out, or train on one --channel at a time",
            )
        alone = task.model_copy(update={"channels_in": 1, "channels_out": 1})
        part = resolve(name, alone, planes=planes, scales=scales)
        return {"name": "separate", "ndim": task.ndim, "channels": task.channels_in, "part": part}
    architecture: dict[str, Any] = {"name": name, "ndim": task.ndim, "channels": task.channels_in}
    if not task.keeps_channels:
        architecture["channels_out"] = task.channels_out
    if task.kind == "project":
        if name not in ("auto", "care"):
            raise UsageError(
                f"the network {name} does not project stacks",
                remedy="Leave --network out, or choose care",
            )
        return architecture | {"name": "projection"} | ({"scales": True} if scales else {})
    deep = planes >= POOLED_PLANES
    if name == "auto" and task.kind == "denoise":
        depth = 3 if task.ndim == 2 else 2
        architecture |= {"name": "care", "depth": depth, "first_filters": 16, "kernel": 3}
    elif name == "auto":
        architecture |= {"name": "shuffle", "depth": 2, "first_filters": 32}
        if task.kind == "isotropic":
            architecture |= {"cell": [4 if task.factor >= 3 else 2, 2], "dropout": 0.1}
        else:  # what was interpolated is alike along z
            architecture |= {"cell": [2, 2, 2], "pool": [1, 2, 2]}
    if task.ndim == 3 and "pool" not in architecture:
        architecture["pool"] = [2 if deep else 1, 2, 2]
    return architecture | ({"scales": True} if scales else {})
