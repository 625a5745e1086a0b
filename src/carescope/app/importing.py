"""The command that takes over models of CSBDeep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from carescope.app import options as o
from carescope.app.given import print_facts


@o.takes(
    {
        "source": (o.argument(Path, "The folder with config.json and weights."), o.REQUIRED),
        "model": (o.option(Path, "Folder for the model."), o.REQUIRED),
        "kind": (
            o.option(
                str | None, "What it was trained for: care (if not given), isotropic, upsampling."
            ),
            None,
        ),
        "factor": (
            o.option(float | None, "Restored planes per recorded plane, of the last two."),
            None,
        ),
    },
    o.RESULT,
)
def import_csbdeep(given: dict[str, Any]) -> None:
    """Make a model of one that was trained with CSBDeep; it needs no TensorFlow."""
    from carescope.jobs.importing import import_csbdeep as job

    kinds = {"care": "denoise", "projection": "project", "upsampling": "upsample"}
    made = job(
        given["source"],
        given["model"],
        kind=kinds.get(given["kind"], given["kind"]),
        factor=given["factor"],
        overwrite=given["overwrite"],
    )
    task = made.task
    facts: dict[str, object] = {
        "model": given["model"],
        "restores": f"{task.kind} in {task.ndim}D, channels {task.channels_in}:{task.channels_out}",
        "weights": made.facts["weights"],
        "sha256": made.sha256,
    }
    print_facts(facts, given["as_json"])
