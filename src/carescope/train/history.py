"""What happened during training: rows in memory, a CSV file, TensorBoard where asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carescope.errors import UsageError
from carescope.files import atomic, folder

if TYPE_CHECKING:
    from carescope.train.state import State

COLUMNS = ("step", "seconds", "train_loss", "val_loss", "learning_rate")
#: Of its validation loss, what a training that has converged loses at most in its last quarter.
STILL_FALLING = 0.02
#: By how much losses that are logarithms change where what they measure changes e-fold.
LOGARITHMS = {"psnr": 10 / math.log(10), "laplace": 1.0, "gaussian": 1.0}


def check_board(tensorboard: str | Path) -> None:
    """Refuse, before any work, events that could not be written.

    Raises
    ------
    UsageError
        TensorBoard is not installed.
    OutputError
        The folder cannot be made or written to.
    """
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise UsageError(
            "TensorBoard is not installed",
            where="--tensorboard",
            remedy="Leave it out, or run pip install 'carescope[tensorboard]'",
        ) from None
    folder.check_makeable(Path(tensorboard))


class History:
    """The rows of a run, one an epoch; the CSV file is whole at every moment.

    Parameters
    ----------
    rows
        The list to extend.
    run
        Folder of history.csv, or None.
    tensorboard
        Folder of TensorBoard events, or None.
    step
        Steps taken before.

    Raises
    ------
    UsageError
        TensorBoard was asked for and is not installed.
    OutputError
        A folder cannot be made.
    """

    def __init__(
        self,
        rows: list[dict[str, float]],
        run: Path | None,
        tensorboard: str | Path | None,
        step: int = 0,
    ) -> None:
        self.rows, self.run = rows, run
        self._board: Any = None
        if run:
            folder.make(run)
        if tensorboard is not None:
            check_board(tensorboard)
            from torch.utils.tensorboard import SummaryWriter

            # Events of later steps are those of a run that was killed, and will come again.
            self._board = SummaryWriter(str(tensorboard), purge_step=step + 1 if step else None)

    def add(self, state: State, learning_rate: float) -> None:
        """Write down an epoch."""
        values = (state.step, state.seconds, state.train_loss, state.val_loss, learning_rate)
        self.rows.append(dict(zip(COLUMNS, values, strict=True)))
        if self.run:
            write(self.rows, self.run)
        if self._board:
            for name in COLUMNS[2:]:
                self._board.add_scalar(name, self.rows[-1][name], state.step)

    def close(self) -> None:
        """Flush what TensorBoard holds."""
        if self._board:
            self._board.close()


def write(rows: Sequence[Mapping[str, float | None]], run: Path) -> None:
    """Write rows as history.csv into a run folder, which is made where it is missing.

    A loss that was no number is None in rows that were read from a model.
    """
    told = [[math.nan if row[c] is None else row[c] for c in COLUMNS] for row in rows]
    lines = [",".join(f"{value:.6g}" for value in row) for row in told]
    text = "\n".join([",".join(COLUMNS), *lines, ""])
    atomic.write_text(folder.make(run) / "history.csv", text, overwrite=True)


def still_falling(rows: Sequence[Mapping[str, float | None]], loss: str) -> bool:
    """Whether a training would have gone on getting better: it had not converged.

    That is, whether the lowest validation loss of the last quarter of its steps is more than 2 %
    below the lowest of the quarter before; of a loss that is a logarithm, what it is the logarithm
    of. Of too short a history nobody can say that it had converged.

    Parameters
    ----------
    rows
        The history, one row an epoch; of a training in two passes, both.
    loss
        As in the recipe: ``psnr`` counts in decibels, the likelihoods in natural logarithms.
    """
    last = max((row["step"] or 0 for row in rows), default=0)
    quarters: dict[int, float] = {}
    for row in rows:
        step, value = row["step"], row["val_loss"]
        if not step or value is None or not math.isfinite(value):
            continue
        quarter = math.ceil(4 * step / last)
        quarters[quarter] = min(value, quarters.get(quarter, math.inf))
    if not {3, 4} <= set(quarters):
        return True
    before, after = quarters[3], quarters[4]
    if loss not in LOGARITHMS:
        return before - after > STILL_FALLING * before
    return (before - after) / LOGARITHMS[loss] > -math.log1p(-STILL_FALLING)
