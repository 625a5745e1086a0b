"""From TIFF to TIFF as large as the paper's stack: carescope's default beside csbdeep, in rounds.

    python benchmarks/speed_whole_stacks.py --out whole --rounds 3

The three restorations of `carescope bench speed --full`, without what else that does in hours: 100
planes of 1024 x 1024 pixels as a stack, the same plane by plane, and an isotropic restoration of 50
planes of 512 x 512 pixels. Programs take turns, each is started anew, and all threads are theirs:
the machine must do nothing else. The same command goes on with what was interrupted.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from carescope.app.progress import Watch
from carescope.experiments import peers, speed
from carescope.experiments.experiment import Case
from carescope.experiments.run import run

PROGRAMS = ["carescope, default", *peers.REQUIREMENTS]


def cases(programs: list[str], rounds: int, seed: int) -> list[Case]:
    """The restorations of the full experiment, by some programs."""
    return [
        case | {"programs": programs, "rounds": rounds}
        for case in speed.cases(True, seed)
        if case.get("part") == "stack"
    ]


def main() -> None:
    """Write the table, the page and the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("whole"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=PROGRAMS[:2])
    given = parser.parse_args()
    experiment = replace(
        speed.EXPERIMENT, cases=lambda _, seed: cases(given.programs, given.rounds, seed)
    )
    with Watch() as watch:
        made = run(
            experiment,
            given.out,
            full=True,
            command=shlex.join(["python", "benchmarks/speed_whole_stacks.py", *sys.argv[1:]]),
            watch=watch,
        )
    print(made.markdown.read_text())


if __name__ == "__main__":
    main()
