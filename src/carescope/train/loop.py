"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from carescope.errors import ModelError, UsageError
from carescope.model import Model, check_absent, save
from carescope.pairs import LateralPairs
from carescope.recipe import Recipe
from carescope.train import checkpoint, precision
from carescope.train.history import History
from carescope.train.losses import LOSSES
from carescope.train.schedule import cosine
from carescope.train.state import State

SECONDS_BETWEEN_CHECKPOINTS = 60.0
MOST_RESTARTS = 8

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Progress:
    """What a watcher is told after each step."""

    done: float  # share of the budget, 0 to 1
    step: int
    seconds: float
    train_loss: float
    val_loss: float


def fit(
    pairs: LateralPairs,
    recipe: Recipe | None = None,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    start: Model | None = None,
    device: str = "auto",
    watch: Callable[[Progress], None] | None = None,
    tensorboard: str | Path | None = None,
) -> Model:
    """Train a network on pairs.

    Parameters
    ----------
    pairs
        Where patches come from.
    recipe
        How to make pairs and train; the pairs' own recipe where None.
    out
        Folder for the model and its run: the history, and checkpoints from which the same call
        continues after an interruption. Nothing is written where None.
    overwrite
        Replace a model, or the interrupted run of another recipe or other data, in `out`.
    start
        A model of the same architecture to begin with; fresh weights where None.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    watch
        Called after every step.
    tensorboard
        Folder for TensorBoard event files.

    Returns
    -------
    Model
        With the weights of the best validation loss.

    Raises
    ------
    UsageError
        There is no such device, TensorBoard was asked for and is not installed, or `recipe` is
        another than that of pairs which do not know their microscope.
    ModelError
        The loss became NaN before anything was learnt, or the network died again and again.
    OutputError
        `out` holds a model or an interrupted run of another recipe or other data, or cannot be
        written.
    """
    if out is not None:
        check_absent(Path(out), overwrite=overwrite)
    on = choose_device(device)
    recipe = recipe or pairs.recipe
    pairs = pairs.under(recipe)
    run = Path(out) / "run" if out is not None else None
    state = State.begin(recipe, pairs, on)
    if start:
        state.network.load_state_dict(start.network.state_dict())
    warnings = state.resume(run, discard=overwrite) if run else []
    history = History(state.rows, run, tensorboard)
    dtype, loss = precision.choose(recipe.precision, on), LOSSES[recipe.loss]
    judged = [tuple(_tensor(array, on) for array in batch) for batch in pairs.validation()]
    began = time.monotonic() - state.seconds
    saved = state.seconds

    while (done := _spent(recipe, state.step, state.seconds)) < 1:
        rate = cosine(state.step, done) if recipe.schedule == "cosine" else state.plateau.scale
        batch = tuple(_tensor(array, on) for array in pairs.batch(state.step))
        value = _loss_of(state, batch, loss, dtype)
        if not math.isfinite(value.item()):
            warnings.append(_diverged(state, recipe))
            break
        _update(state, value, recipe.rate * state.slowed * rate)
        state.seconds = time.monotonic() - began

        if _epoch_ends(recipe, state.step) or _spent(recipe, state.step, state.seconds) >= 1:
            alive = _validate(state, judged, loss)
            history.add(state, recipe.rate * state.slowed * rate)
            if not alive:
                warnings.append(_restart(state, recipe, pairs, on))
        if run and state.seconds - saved > SECONDS_BETWEEN_CHECKPOINTS:
            saved = state.seconds
            state.save(run)
        if watch:
            watch(_progress(recipe, state))

    history.close()
    model = state.model(pairs, [*warnings, *_no_better(state, judged, loss)])
    if run:
        save(model, run.parent, overwrite=overwrite)
        checkpoint.clear(run)
    return model


def _progress(recipe: Recipe, state: State) -> Progress:
    done = _spent(recipe, state.step, state.seconds)
    return Progress(done, state.step, state.seconds, state.train_loss, state.val_loss)


def choose_device(name: str) -> torch.device:
    """The device of a name; ``auto`` takes a GPU where there is one.

    Raises
    ------
    UsageError
        There is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise UsageError(
            f"there is no device {name!r} here",
            where="--device",
            remedy="Leave --device out, or give cpu",
        ) from None
    return device


def _spent(recipe: Recipe, step: int, seconds: float) -> float:
    """Share of the budget used up."""
    return step / recipe.steps if recipe.steps else seconds / (recipe.seconds or math.inf)


def _epoch_ends(recipe: Recipe, step: int) -> bool:
    return step % recipe.steps_per_epoch == 0


def _tensor(array: object, device: torch.device) -> Tensor:
    tensor = torch.as_tensor(array).to(device)
    return tensor.contiguous(memory_format=torch.channels_last)


def _loss_of(state: State, batch: tuple[Tensor, ...], loss: Loss, dtype: torch.dtype) -> Tensor:
    """The training loss of one batch."""
    inputs, targets = batch
    state.network.train()
    with torch.random.fork_rng([inputs.device] if inputs.is_cuda else []):
        torch.manual_seed((state.recipe.seed << 32) + state.step)  # dropout: same after a resume
        with precision.autocast(dtype, inputs.device):
            restored = state.network(inputs)
    return loss(restored.float(), targets)


def _update(state: State, value: Tensor, learning_rate: float) -> None:
    """One step of Adam."""
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate
    state.optimizer.zero_grad(set_to_none=True)
    value.backward()
    state.optimizer.step()
    state.step += 1
    state.train_loss = value.item()


@torch.no_grad()
def _validate(
    state: State,
    judged: list[tuple[Tensor, ...]],
    loss: Loss,
) -> bool:
    """Take the validation loss, keep the best weights; false where the network has died."""
    state.network.eval()
    restored = [state.network(inputs).float() for inputs, _ in judged]
    losses = [loss(r, targets).item() for r, (_, targets) in zip(restored, judged, strict=True)]
    state.val_loss = sum(losses) / len(losses)
    # NaN is no death: the next step meets it. A flat band says nothing about life.
    if math.isfinite(state.val_loss) and _flat(restored) and not _flat([t for _, t in judged]):
        return False
    state.observe()
    return True


def _flat(batches: list[Tensor]) -> bool:
    return not any(bool(batch.max() > batch.min()) for batch in batches)


def _no_better(state: State, judged: list[tuple[Tensor, ...]], loss: Loss) -> list[str]:
    """A warning where plain interpolation validates as well as the network."""
    plain = sum(loss(inputs, targets).item() for inputs, targets in judged) / len(judged)
    if state.best_loss < plain:
        return []
    return [
        f"The network's validation loss, {state.best_loss:.4g}, is no better than that of plain "
        f"interpolation, {plain:.4g}. Train longer, or with a lower learning rate."
    ]


def _restart(state: State, recipe: Recipe, pairs: LateralPairs, device: torch.device) -> str:
    """Begin again with other weights where a last ReLU gives 0 everywhere: it cannot recover."""
    if state.restarts >= MOST_RESTARTS:
        raise ModelError(
            f"the network died {state.restarts} times: its last ReLU gives 0 everywhere",
            remedy=f"Choose --network auto, or a --learning-rate below {recipe.rate:g}",
        )
    state.begin_again(recipe, pairs, device)
    return (
        f"The network died (its last ReLU gave 0 everywhere) at step {state.step}; training began "
        f"again with other weights and {state.slowed:.2g} x the learning rate."
    )


def _diverged(state: State, recipe: Recipe) -> str:
    if not state.best:
        raise ModelError(
            f"the loss became NaN or infinite at step {state.step}, before anything was learnt",
            remedy=f"Choose a --learning-rate below {recipe.rate:g}",
        )
    return (
        f"The loss became NaN or infinite at step {state.step} with learning rate "
        f"{recipe.rate:g}; the best weights before that were kept."
    )
