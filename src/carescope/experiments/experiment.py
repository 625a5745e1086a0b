"""What an experiment is: pieces of work that give rows, and how the rows are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from carescope.train import Progress

#: One line of the CSV: plain numbers and words by column, units in the names of the columns. A
#: row that came of a training says in ``converged`` whether its loss had stopped falling. A key
#: that begins with an underscore holds what the figure needs (JSON values), not in the CSV.
Row = dict[str, Any]
#: One piece of work, as JSON values; ``name`` is unique among those of an experiment.
Case = dict[str, Any]

DAGGER = "†"


class Watch(Protocol):
    """What is told how far the work is."""

    def say(self, text: str) -> None:
        """A line of its own."""

    def training(self, progress: Progress) -> None:
        """Told after each step of a training."""

    def restoring(self, done: float) -> None:
        """Told the share of a restoration that is done."""


class Table(NamedTuple):
    """Words under a caption; all rows are as long as there are columns."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table with its caption, as markdown; the first column is left-aligned."""
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = [f"| {' | '.join(row)} |" for row in (self.columns, rule, *self.rows)]
        return "\n".join([self.caption, "", *lines, ""])


def _nothing(rows: list[Row]) -> list[str]:
    return []


@dataclass(frozen=True)
class Experiment:
    """A question of a paper, and how it is asked again.

    Parameters
    ----------
    name
        As on the command line.
    title
        The question, a sentence.
    source
        The paper, its figure or table, and its DOI.
    cases
        From whether the paper's scale is wanted, and the seed: the pieces of work, in order.
    measure
        Does one case, in a folder of its own in which trainings are kept and resumed.
    tables
        Shows the rows of all cases.
    draw
        The figure, a PNG.
    notes
        Sentences under the tables: what falls short, and how sure the differences are.
    """

    name: str
    title: str
    source: str
    cases: Callable[[bool, int], list[Case]]
    measure: Callable[[Case, Path, Watch], list[Row]]
    tables: Callable[[list[Row]], list[Table]]
    draw: Callable[[list[Row]], bytes]
    notes: Callable[[list[Row]], list[str]] = _nothing


def mark(rows: Iterable[Row]) -> str:
    """A dagger where the training of one of the rows had not converged, else nothing."""
    return DAGGER if any(row.get("converged") is False for row in rows) else ""
