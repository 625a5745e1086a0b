"""The command ``bench``: the papers' experiments, rerun."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from carescope.app import options as o
from carescope.app.given import command_line, print_facts
from carescope.errors import UsageError

BENCH: o.Group = {
    "name": (o.argument(str | None, "The experiment; without one, all are listed."), None),
    "out": (o.option(Path | None, "Folder for the table, the page and the figure."), None),
    "full": (o.option(bool, "The paper's scale: hours, better with a GPU.", "--full"), False),
    "seed": (o.option(int, "Of everything random.", min=0), 0),
}


@o.takes(BENCH, o.RESULT)
def bench(given: dict[str, Any]) -> None:
    """Rerun an experiment of the papers; the same command again goes on with one cut short."""
    from carescope import experiments
    from carescope.app.progress import Watch
    from carescope.experiments.run import run

    name, out, as_json = given["name"], given["out"], given["as_json"]
    if name is None:
        titles = {name: experiments.named(name).title for name in experiments.NAMES}
        print_facts(titles, as_json)
        return
    experiment = experiments.named(name)
    if out is None:
        raise UsageError(
            "has nowhere to put its results", where=f"bench {name}", remedy="Give --out a folder"
        )
    with Watch(quiet=as_json) as watch:
        made = run(
            experiment,
            out,
            full=given["full"],
            seed=given["seed"],
            overwrite=given["overwrite"],
            command=command_line(),
            watch=watch,
        )
    facts = {
        "table": str(made.csv),
        "page": str(made.markdown),
        "figure": str(made.figure),
        "minutes": round(made.minutes, 1),
        "rows not converged": made.unconverged,
    }
    if as_json:
        rows = [{n: v for n, v in row.items() if n[0] != "_"} for row in made.rows]
        print(json.dumps(facts | {"rows": rows}))
        return
    for table in experiment.tables(made.rows):
        print(f"{table.markdown()}")
    print_facts(facts, as_json=False)
