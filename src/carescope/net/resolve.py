"""Which network a recipe's name stands for."""

from __future__ import annotations

from typing import Any


def resolve(name: str, *, factor: float) -> dict[str, Any]:
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
    """
    if name != "auto":
        return {"name": name, "ndim": 2, "channels": 1}
    rows = 4 if factor >= 3 else 2
    return {
        "name": "shuffle",
        "ndim": 2,
        "channels": 1,
        "cell": [rows, 2],
        "depth": 2,
        "first_filters": 32,
        "dropout": 0.1,
    }
