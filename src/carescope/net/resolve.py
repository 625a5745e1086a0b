"""Which network a recipe's name stands for."""

from __future__ import annotations

from typing import Any


def resolve(
    name: str,
    *,
    factor: float,
    channels: int = 1,
    scales: bool = False,
    per_channel: bool = False,
) -> dict[str, Any]:
    """The architecture, as `build` takes it, for a stack.

    ``auto`` is the network that restored best within minutes on two cores (see
    benchmarks/isotropic_nuclei.py): a `ShuffleUNet` whose cells are as tall as recorded planes lie
    apart, up to 4 rows.  The papers' networks are what their names say.

    Parameters
    ----------
    name
        ``auto``, ``care``, ``isonet1`` or ``isonet2``.
    factor
        Restored planes per recorded plane.
    channels
        Channels of the stack, restored jointly.
    scales
        Whether the network returns the scale of each restored pixel as well.
    per_channel
        Whether each channel gets a network of its own instead.
    """
    if per_channel and channels > 1:
        part = resolve(name, factor=factor, scales=scales)
        return {"name": "separate", "ndim": 2, "channels": channels, "part": part}
    architecture: dict[str, Any] = {"name": name, "ndim": 2, "channels": channels}
    if name == "auto":
        architecture |= {
            "name": "shuffle",
            "cell": [4 if factor >= 3 else 2, 2],
            "depth": 2,
            "first_filters": 32,
            "dropout": 0.1,
        }
    return architecture | ({"scales": True} if scales else {})
