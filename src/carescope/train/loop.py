"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch
from torch import Tensor

from carescope.ahead import ahead
from carescope.errors import ModelError
from carescope.files import atomic
from carescope.model import Model, check_absent, save
from carescope.pairs import Pairs
from carescope.recipe import Recipe
from carescope.train import checkpoint, clip, distributed, heap, makers, precision
from carescope.train.checkpoint import alone
from carescope.train.device import choose_device, tensor
from carescope.train.history import History
from carescope.train.interrupt import Interruption, awaited
from carescope.train.judge import Judge
from carescope.train.losses import LOSSES
from carescope.train.schedule import cosine
from carescope.train.state import State

SECONDS_BETWEEN_CHECKPOINTS = 60.0
MOST_RESTARTS = 8


@dataclass(frozen=True)
class Progress:
    """What a watcher is told after each step."""

    done: float  # share of the budget, 0 to 1
    step: int
    seconds: float
    train_loss: float
    val_loss: float


Watch = Callable[[Progress], None]


def fit(
    pairs: Pairs,
    recipe: Recipe | None = None,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    start: Model | None = None,
    device: str = "auto",
    watch: Watch | None = None,
    tensorboard: str | Path | None = None,
    workers: int | None = None,
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
        A model to begin with; its network is taken, whatever the recipe names. Fresh weights
        where None.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    watch
        Called after every step, in the first process.
    tensorboard
        Folder for TensorBoard event files.
    workers
        Threads that make batches while the network works on earlier ones; as many as the device
        needs where None. The weights do not depend on it.

    Returns
    -------
    Model
        With the weights of the best validation loss.

    Raises
    ------
    UsageError
        There is no such device, TensorBoard was asked for and is not installed, `recipe` is
        another than that of pairs which do not know their microscope, `start` does not suit the
        pairs or the loss, or several processes cannot share a batch.
    ModelError
        The loss became NaN before anything was learnt, or the network died again and again.
    OutputError
        `out` holds a model or an interrupted run of another recipe or other data, another process
        trains there, it cannot be written, or the disk is too full.
    KeyboardInterrupt
        Ctrl-C or SIGTERM, after a checkpoint was written to `out`.

    Notes
    -----
    Under torchrun every process calls this, trains with its share of each batch, and returns the
    same model; the first one writes.
    """
    recipe = recipe or pairs.recipe
    run = Path(out) / "run" if out is not None else None
    if run:
        check_absent(run.parent, overwrite=overwrite)
    on = distributed.own_device(choose_device(device), recipe.batch_size)
    pairs = pairs.under(recipe)
    with ExitStack() as ending:
        ending.enter_context(alone(run))
        ending.enter_context(heap.kept())
        state = State.begin(recipe, pairs, on, start)
        if run:
            _take_up(state, run, overwrite=overwrite)
        history = ending.enter_context(closing(_history(state, run, tensorboard)))
        threads = makers.choose(workers, on)
        made = ahead(_maker(pairs, on), count(state.step), threads=threads, waiting=2 * threads)
        batches = ending.enter_context(closing(made))
        interruption = ending.enter_context(awaited(kept=run is not None))
        judge = Judge(pairs, recipe, on)
        try:
            _train(state, pairs, batches, judge, history, run, interruption, watch)
            model = state.model(pairs, judge)
        except ModelError:
            if run and distributed.is_main():
                checkpoint.clear(run)  # going on from them would only end here again
            raise
        if run and distributed.is_main():
            save(model, run.parent, overwrite=overwrite)
            checkpoint.clear(run)
        distributed.wait()
        if interruption.asked:  # too late to stop the training, but not what comes after it
            raise KeyboardInterrupt("the training had just ended, and its model was kept")
    return model


def _train(
    state: State,
    pairs: Pairs,
    batches: Iterator[tuple[Tensor, Tensor]],
    judge: Judge,
    history: History,
    run: Path | None,
    interruption: Interruption,
    watch: Watch | None,
) -> None:
    """Take steps until the budget is spent, or the loss has lost all sense."""
    recipe = state.recipe
    dtype = precision.choose(recipe.precision, next(state.network.parameters()).device)
    began = time.monotonic() - state.seconds
    saved = state.seconds

    while (done := _spent(state)) < 1:
        fall = cosine(state.step, done) if recipe.schedule == "cosine" else state.plateau.scale
        rate = recipe.rate * state.slowed * fall
        value = _loss_of(state, next(batches), dtype)
        state.train_loss = distributed.mean(value)
        if not math.isfinite(state.train_loss):
            state.warnings.append(_diverged(state, "the loss became NaN or infinite"))
            break
        _update(state, value, rate)
        state.seconds, ending = distributed.agree(time.monotonic() - began, interruption.asked)

        if state.step % recipe.steps_per_epoch == 0 or _spent(state) >= 1:
            loss, dead, lost = distributed.told(judge.look(state.network))
            state.val_loss = loss
            if lost:
                state.warnings.append(_diverged(state, "the restored patches lost all sense"))
                break
            if not dead:
                state.observe()
            history.add(state, rate)
            if dead:
                state.warnings.append(_restart(state, pairs))
        if run and (ending or state.seconds - saved > SECONDS_BETWEEN_CHECKPOINTS):
            saved = state.seconds
            if distributed.is_main():
                state.save(run)
        if ending:
            distributed.wait()
            raise KeyboardInterrupt(
                "a checkpoint was written, and the same command goes on from it"
            )
        if watch and distributed.is_main():
            watch(_progress(state))


def _take_up(state: State, run: Path, *, overwrite: bool) -> None:
    """Go on from a checkpoint, if there is one; make sure that there is room for further ones."""
    state.resume(run, discard=overwrite)
    distributed.check_same(state.step, run)
    if distributed.is_main():
        # What a killed process left half-written.
        atomic.sweep(run, ".safetensors", ".csv")
        atomic.sweep(run.parent, ".safetensors", ".json")
        checkpoint.check_room(run, state.size_bytes)


def _history(state: State, run: Path | None, tensorboard: str | Path | None) -> History:
    """The history that the first process writes, and the others only remember."""
    if not distributed.is_main():
        run = tensorboard = None
    return History(state.rows, run, tensorboard, state.step)


def _maker(pairs: Pairs, device: torch.device) -> Callable[[int], tuple[Tensor, Tensor]]:
    """What makes this process's share of a batch from its number."""
    share = distributed.share()

    def make(number: int) -> tuple[Tensor, Tensor]:
        inputs, targets = pairs.batch(number, share)
        return tensor(inputs, device), tensor(targets, device)

    return make


def _progress(state: State) -> Progress:
    return Progress(_spent(state), state.step, state.seconds, state.train_loss, state.val_loss)


def _spent(state: State) -> float:
    """Share of the budget used up."""
    recipe = state.recipe
    if recipe.steps:
        return state.step / recipe.steps
    return state.seconds / (recipe.seconds or math.inf)


def _loss_of(state: State, batch: tuple[Tensor, Tensor], dtype: torch.dtype) -> Tensor:
    """The training loss of one batch."""
    inputs, targets = batch
    state.network.train()
    with torch.random.fork_rng([inputs.device] if inputs.is_cuda else []):
        torch.manual_seed((state.recipe.seed << 32) + state.step)  # dropout: same after a resume
        with precision.autocast(precision.sound(dtype, state.network, inputs), inputs.device):
            restored = state.network(inputs)
    return LOSSES[state.recipe.loss](restored.float(), targets)


def _update(state: State, value: Tensor, rate: float) -> None:
    """One step of Adam."""
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.zero_grad(set_to_none=True)
    value.backward()
    distributed.average_gradients(state.network)
    if state.recipe.schedule == "cosine":  # with CARE's own there is none
        state.usual_gradient = clip.shorten(state.network, state.usual_gradient)
    state.optimizer.step()
    state.step += 1


def _restart(state: State, pairs: Pairs) -> str:
    """Begin again with other weights where a last ReLU gives 0 everywhere: it cannot recover."""
    if state.restarts >= MOST_RESTARTS:
        raise ModelError(
            f"the network died {state.restarts} times: its last ReLU gives 0 everywhere",
            remedy=f"Choose --network auto, or a --learning-rate below {state.recipe.rate:g}",
        )
    state.begin_again(pairs)
    return (
        f"The network died (its last ReLU gave 0 everywhere) at step {state.step}; training began "
        f"again with other weights and {state.slowed:.2g} x the learning rate."
    )


def _diverged(state: State, cause: str) -> str:
    rate = state.recipe.rate
    if not state.best:
        raise ModelError(
            f"{cause} at step {state.step}, before anything was learnt",
            remedy=f"Choose a --learning-rate below {rate:g}",
        )
    return (
        f"{cause[0].upper()}{cause[1:]} at step {state.step} with learning rate {rate:g}; the best "
        "weights before that were kept."
    )
