"""The papers' experiments on simulated truths, a file each; ``carescope bench NAME`` runs one.

To add one: write its file, which ends with ``EXPERIMENT = Experiment(...)``, and add one line to
`NAMES`.
"""

from __future__ import annotations

from importlib import import_module

from carescope.errors import UsageError
from carescope.experiments.experiment import DAGGER, Case, Experiment, Row, Table, Watch, mark

#: What the command line calls an experiment, and the module it is in.
NAMES: dict[str, str] = {
    "isonet-table1": "isonet_table1",
    "isonet-seg": "isonet_seg",
    "liver-sweep": "liver_sweep",
    "two-view": "two_view",
    "dose": "dose",
    "drosophila": "drosophila",
    "channels": "channels",
    "calibration": "calibration",
    "spectrum": "spectrum",
    "speed": "speed",
}

__all__ = ["DAGGER", "NAMES", "Case", "Experiment", "Row", "Table", "Watch", "mark", "named"]


def named(name: str) -> Experiment:
    """The experiment of a name; its module is loaded now.

    Raises
    ------
    UsageError
        There is no such experiment.
    """
    if name not in NAMES:
        raise UsageError(
            f"there is no experiment {name!r}", remedy=f"Choose one of {', '.join(NAMES)}"
        )
    found: Experiment = import_module(f"carescope.experiments.{NAMES[name]}").EXPERIMENT
    return found
