"""Table 1 of the IsoNet paper on stacks of 160^3 voxels: every structure under every microscope.

    python benchmarks/isonet_table1_cells.py --out table1 --methods "IsoNet-2 split" carescope
    python benchmarks/isonet_table1_cells.py --out small --structures embryo --optics gaussian

`carescope bench isonet-table1` has all methods in one cell of that table, or with --full in all
nine on 512^3 voxels. Here are all nine at the size of the one, for some methods; the blurred stacks
and Richardson-Lucy are always among them. The structure `embryo` has as many nuclei, but smaller
ones, 9 to 15 pixels in radius. The same command goes on with what was interrupted.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from carescope.app.progress import Watch
from carescope.experiments import isonet_table1 as table1
from carescope.experiments.experiment import Case
from carescope.experiments.run import run


def cases(structures: list[str], optics: list[str], methods: list[str], seed: int) -> list[Case]:
    """Each cell as the experiment sizes its only one."""
    [cell] = {(case["structure"], case["optics"]) for case in table1.cases(False, seed)}
    said = ", ".join(cell)
    return [
        case
        | {"structure": structure, "optics": microscope}
        | {"name": case["name"].replace(said, f"{structure}, {microscope}")}
        for structure in structures
        for microscope in optics
        for case in table1.cases(False, seed)
        if case["method"] in methods
    ]


def main() -> None:
    """Write the table, the page and the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("table1"))
    parser.add_argument("--structures", nargs="+", default=list(table1.STRUCTURES))
    parser.add_argument("--optics", nargs="+", default=list(table1.OPTICS))
    parser.add_argument("--methods", nargs="+", default=list(table1.LEARNT))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    methods = [table1.BLURRED, table1.LUCY, *given.methods]
    asked = given.structures, given.optics, methods
    experiment = replace(table1.EXPERIMENT, cases=lambda _, seed: cases(*asked, seed))
    with Watch() as watch:
        made = run(
            experiment,
            given.out,
            seed=given.seed,
            command=shlex.join(["python", "benchmarks/isonet_table1_cells.py", *sys.argv[1:]]),
            watch=watch,
        )
    print(made.markdown.read_text())


if __name__ == "__main__":
    main()
