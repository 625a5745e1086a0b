"""What an interrupted learning had finished, and what is kept of it in the end.

Under torchrun every process comes here; the first decides and writes, and none goes on before it
has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from carescope import model
from carescope.errors import ModelError, OutputError
from carescope.files.folder import remove
from carescope.model import Ensemble, Model
from carescope.model.folder import member_folder
from carescope.pairs import Pairs
from carescope.train import distributed, history


def kept_or(
    learn: Callable[[], Model],
    folder: Path | None,
    made: Pairs,
    start: Model | None,
    *,
    overwrite: bool = False,
) -> Model:
    """The model that was finished before an interruption, or what `learn` gives.

    Parameters
    ----------
    learn
        Trains and saves in `folder`.
    folder
        Where the model is, if it was finished.
    made, start
        The pairs, under their recipe, and the model to begin with.
    overwrite
        Remove a model of other pairs or another recipe; a damaged one is removed in any case.

    Raises
    ------
    OutputError
        What was finished there is of other pairs or another recipe.
    """
    kept, damaged = _finished(folder, made, start)
    there = folder is not None and (folder / model.DESCRIPTION).exists()
    was_kept, is_other = distributed.told([kept is not None, there and not (kept or damaged)])
    if was_kept and kept:
        return kept
    if is_other and not overwrite:
        raise OutputError(
            "what was finished of an interrupted training of another recipe or other data lies "
            "here",
            where=folder,
            remedy="Repeat the command that began it, choose another folder with --model, "
            "or discard it with --overwrite",
        )
    if folder and any(distributed.told([there])):
        clear([folder])
    learnt = learn()
    learnt.facts["warnings"] = [*damaged, *learnt.facts["warnings"]]
    return learnt


def keep(made: Model | Ensemble, folder: Path | None, overwrite: bool) -> None:
    """Save a model, or all of an ensemble, and the history of all passes."""
    if folder and distributed.is_main():
        places = [folder]
        if isinstance(made, Ensemble):
            places = [folder / member_folder(number) for number in range(len(made.members))]
        for member, place in zip(made.members, places, strict=True):
            history.write(member.facts["history"], place / "run")
        model.save(made, folder, overwrite=overwrite)
    distributed.wait()


def clear(places: Sequence[Path | None]) -> None:
    """Remove files and folders of a model."""
    if distributed.is_main():
        for place in places:
            remove(place)
    distributed.wait()


def _finished(
    folder: Path | None, made: Pairs, start: Model | None
) -> tuple[Model | None, list[str]]:
    """The model in a folder, where it was learnt from these pairs under their recipe."""
    if folder is None or not (folder / model.DESCRIPTION).exists():
        return None, []
    try:
        (kept,) = model.load(folder).members
    except ModelError as error:
        return None, [f"{folder} was damaged ({error.what}) and was learnt again."]
    facts = made.facts() | {"started_from": start.sha256 if start else None}
    names = ("data_sha256", "trained_on", "started_from")
    same = kept.recipe == made.recipe and all(kept.facts.get(n) == facts[n] for n in names)
    return (kept if same else None), []
