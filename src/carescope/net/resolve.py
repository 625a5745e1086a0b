"""Which network a recipe's name stands for."""

from __future__ import annotations

from typing import Any

from carescope.task import Task


def resolve(
    name: str, task: Task, *, planes: int = 1, scales: bool = False, per_channel: bool = False
) -> dict[str, Any]:
    """The architecture, as `build` takes it, for a task.

    ``auto`` is the network that restored best within minutes on two cores (see benchmarks/): a
    `ShuffleUNet`, for isotropic restoration with cells as tall as recorded planes lie apart, up to
    4 rows. The papers' networks are what their names say. In 3D a network pools along z only
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
        alone = task.model_copy(update={"channels_in": 1, "channels_out": 1})
        part = resolve(name, alone, planes=planes, scales=scales)
        return {"name": "separate", "ndim": task.ndim, "channels": task.channels_in, "part": part}
    architecture: dict[str, Any] = {"name": name, "ndim": task.ndim, "channels": task.channels_in}
    if not task.keeps_channels:
        architecture["channels_out"] = task.channels_out
    deep = planes >= LEAST_POOLED_PLANES
    if name == "auto":
        architecture |= {"name": "shuffle", "depth": 2, "first_filters": 32}
        if task.kind == "isotropic":
            architecture |= {"cell": [4 if task.factor >= 3 else 2, 2], "dropout": 0.1}
        else:
            architecture["cell"] = [1, 2, 2][-task.ndim :]
            if task.ndim == 3:
                architecture["pool"] = [2 if deep else 1, 2, 2]
    elif task.ndim == 3:
        architecture["pool"] = [2 if deep else 1, 2, 2]
    return architecture | ({"scales": True} if scales else {})


#: Stacks of fewer planes are not pooled along z: a patch would be all border.
LEAST_POOLED_PLANES = 16
