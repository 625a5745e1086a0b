"""Run an experiment, go on with one that was cut short, and write what came of it."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from carescope.experiments.experiment import DAGGER, Case, Experiment, Row, Watch
from carescope.experiments.machine import machine, software
from carescope.files import atomic, folder, ledger

#: Noted when all is measured: files of these names are ours from then on.
WRITING = "writing results"


class Results(NamedTuple):
    """The files that were written, the rows in them, and how it went."""

    csv: Path
    markdown: Path
    figure: Path
    rows: list[Row]
    minutes: float
    unconverged: int


def run(
    experiment: Experiment,
    out: Path,
    *,
    full: bool = False,
    seed: int = 0,
    overwrite: bool = False,
    command: str = "",
    watch: Watch,
) -> Results:
    """Do all cases of an experiment that are not done yet, and write its results.

    Parameters
    ----------
    experiment
        What to run.
    out
        Folder for NAME.csv, NAME.md and NAME.png, made where it is missing; unfinished work
        is kept in a hidden folder in it.
    full
        At the paper's scale.
    seed
        Of everything random.
    overwrite
        Replace results, and discard unfinished work of another seed, scale or version.
    command
        What to print as the exact command.
    watch
        Told how far the work is.

    Raises
    ------
    OutputError
        There are results already, other work was begun here, or nothing can be written.
    KeyboardInterrupt
        With a message that says how much is finished.
    """
    cases = experiment.cases(full, seed)
    folder.make(out)
    table, page, figure = (out / f"{experiment.name}.{end}" for end in ("csv", "md", "png"))
    place = out / f".{experiment.name}.unfinished"
    begun = ledger.begun_in(place)
    replace = overwrite or (begun is not None and WRITING in begun[1])
    for path in (table, page, figure):
        atomic.check_writable(path, overwrite=replace)
    job = {"version of carescope": software().partition(",")[0], "--full": full, "--seed": seed}
    with ledger.working(place, job | {"list of cases": cases}, overwrite=overwrite) as book:
        try:
            _measure(experiment, cases, book, watch)
        except KeyboardInterrupt as stop:
            done = sum(case["name"] in book for case in cases)
            raise KeyboardInterrupt(
                f"{done} of {len(cases)} cases are finished, and the same command goes on"
            ) from stop
        notes = [book.notes[case["name"]] for case in cases]
        rows = [row for note in notes for row in note["rows"]]
        minutes = sum(note["seconds"] for note in notes) / 60
        results = Results(table, page, figure, rows, minutes, _unconverged(rows))
        picture = experiment.draw(rows)
        made = {fact: _all(note[fact] for note in notes) for fact in ("machine", "software")}
        text = _page(experiment, results, cases, made, seed=seed, full=full, command=command)
        book.note(WRITING)
        atomic.write_bytes(figure, picture, overwrite=replace)
        atomic.write_text(table, _csv(rows), overwrite=replace)
        atomic.write_text(page, text, overwrite=replace)
        folder.remove(place)
    return results


def _measure(experiment: Experiment, cases: list[Case], book: ledger.Ledger, watch: Watch) -> None:
    """Do what is not yet noted; a note holds the rows of its case."""
    for number, case in enumerate(cases):
        name = case["name"]
        if name in book:
            continue
        watch.say(f"{experiment.name}: {name} ({number + 1} of {len(cases)})")
        began = time.monotonic()
        own = book.folder / f"case-{number}"
        rows = experiment.measure(case, folder.make(own), watch)
        seconds = time.monotonic() - began
        made = {"machine": machine(), "software": software(), "seconds": seconds}
        book.note(name, {"rows": [_plain(row) for row in rows]} | made)
        folder.remove(own)  # models and drafts: what they gave is noted


def _plain(row: Row) -> Row:
    """A row whose NumPy numbers are Python's, as JSON has them."""
    return {name: value.item() if hasattr(value, "item") else value for name, value in row.items()}


def _all(said: Iterable[str]) -> str:
    """What was said of cases, each thing once: an interrupted run may have gone on elsewhere."""
    return "; then ".join(dict.fromkeys(said))


def _unconverged(rows: Sequence[Row]) -> int:
    return sum(row.get("converged") is False for row in rows)


def _csv(rows: Sequence[Row]) -> str:
    """The rows under the columns that any of them has, in the order of their appearance."""
    columns = [name for name in dict.fromkeys(n for row in rows for n in row) if name[0] != "_"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _page(
    experiment: Experiment,
    results: Results,
    cases: Sequence[Case],
    made: dict[str, str],
    *,
    seed: int,
    full: bool,
    command: str,
) -> str:
    """The results as markdown: question, tables, figure, notes, and how they were made."""
    trained = sum("converged" in row for row in results.rows)
    facts: dict[str, Any] = {
        "command": f"`{command}`" if command else "run from Python",
        "size": "the paper's (`--full`)" if full else "the default, smaller than the paper's",
        "cases": len(cases),
        "seed": seed,
        "trainings that had not converged": f"{results.unconverged} of {trained} rows",
        "took": f"{results.minutes:.1f} minutes, without what was interrupted",
    } | made
    notes = experiment.notes(results.rows)
    if results.unconverged:
        notes = [
            *notes,
            f"{DAGGER} A training behind this number had not converged: its validation loss fell "
            "by more than 2 % in the last quarter of the run.",
        ]
    parts = [
        f"# {experiment.name}",
        experiment.title,
        f"After {experiment.source}.",
        *(table.markdown().rstrip("\n") for table in experiment.tables(results.rows)),
        f"![{experiment.title}]({results.figure.name})",
        "\n".join(f"- {note}" for note in notes),
        "## How it was made",
        "\n".join(["| | |", "|---|---|", *(f"| {n} | {v} |" for n, v in facts.items())]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
