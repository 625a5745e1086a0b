"""How much the members of an ensemble disagree over an image, from a few small parts of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from carescope import predict, trust
from carescope.grid import Grid
from carescope.image import Image
from carescope.model import Ensemble, Model
from carescope.normalize import Affine
from carescope.pairs import AcquiredPairs, LateralPairs, Pairs, SimulatedPairs
from carescope.pairs.regions import Region

#: At most so many images that validate, and so many that train, tell what is usual.
MOST_VALIDATING, MOST_TRAINING = 8, 12
#: With fewer images, each part of them counts as one.
FEW = 3
#: With fewer quarters it is not known how much they differ.
FEWEST_QUARTERS = 4
#: Of a part of at least four times as many pixels, so many at its rim are not looked at.
RIM_PX = 16

Sums = npt.NDArray[np.float64]


class Disputed(NamedTuple):
    """How much members disagree over an image, or over a part of it.

    Parameters
    ----------
    level
        The mean of D weighted with the restored brightness, 0 to 1.
    bright_px
        The sum of these weights, in pixels of full brightness.
    patchiness
        By how much the logarithm of that mean would vary between images of one such pixel: its
        variance over quarters, times their pixels. None where there are too few.
    """

    level: float
    bright_px: float
    patchiness: float | None


class Held(NamedTuple):
    """A region of an image at one time point, axes CZYX, and what normalises the image."""

    image: Image
    maps: tuple[Affine, ...]
    region: Region
    grid: Grid | None = None


def disagreement_over(
    model: Model | Ensemble, image: Image, maps: Sequence[Affine], grid: Grid | None = None
) -> Disputed | None:
    """How much the members of an ensemble disagree over an image.

    Parameters
    ----------
    model
        What is to restore it.
    image
        Axes YX or ZYX, with C, T or both. The middle of time is looked at.
    maps
        What normalises each channel.
    grid
        Where restored planes lie, if there are to be more than were recorded.

    Returns
    -------
    Disputed or None
        Over up to four parts of the image. None for a single network, one without scales, or where
        nothing is bright.
    """
    if model.spread is None or len(model.members) < 2:
        return None
    frame = image.middle()
    parts = predict.glimpses(model, frame, maps, grid=grid)
    return _disputed(np.concatenate([_sums(model, seen) for seen in parts]))


def usual_disagreement(ensemble: Ensemble, made: Pairs) -> dict[str, Any]:
    """The fingerprint of an ensemble, with what its members' disagreement usually is.

    Parameters
    ----------
    ensemble
        All of its members are learnt.
    made
        The pairs that they learnt from.

    Returns
    -------
    dict
        With the one key ``fingerprint``; empty without scales or a fingerprint, or where no image
        that validates holds anything bright.
    """
    known = ensemble.facts.get("fingerprint")
    if known is None or ensemble.spread is None:
        return {}
    validating, training = (_each(ensemble, some) for some in _held(made))
    if not validating:
        return {}
    patchy = [one.patchiness for one in (*validating, *training) if one.patchiness is not None]
    told = trust.Fingerprint.from_json(known).knowing(
        [one.level for one in validating],
        [one.level for one in training],
        bright_px=float(np.mean([one.bright_px for one in (*validating, *training)])),
        patchiness=float(np.mean(patchy)) if patchy else 0.0,
    )
    return {"fingerprint": told.to_json()}


def _held(made: Pairs) -> tuple[list[Held], list[Held]]:
    """Where images validate, and where they train; of simulated ones enough validate."""
    if isinstance(made, LateralPairs):
        validating = [Held(s.stack, s.maps, s.validating, s.grid) for s in made.pool]
        training = [Held(s.stack, s.maps, s.training, s.grid) for s in made.pool]
    elif isinstance(made, AcquiredPairs):
        validating, training = (
            [Held(s.low, s.low_maps, s.region) for s in shots]
            for shots in (made.validating, made.training)
        )
    elif isinstance(made, SimulatedPairs):
        validating, training = [_whole(image, maps) for image, maps in made.held()], []
    else:
        return [], []
    return _spread(validating, MOST_VALIDATING), _spread(training, MOST_TRAINING)


def _whole(image: Image, maps: tuple[Affine, ...]) -> Held:
    image = image.arranged("CZYX")
    return Held(image, maps, Region((0, image.size("Y")), (0, image.size("X"))))


def _spread(some: list[Held], most: int) -> list[Held]:
    """All of them, or so many evenly chosen."""
    return [some[int(i)] for i in np.linspace(0, len(some) - 1, min(len(some), most)).round()]


def _each(ensemble: Ensemble, some: Sequence[Held]) -> list[Disputed]:
    """The disagreement over each, or over each part of a few."""
    found: list[Disputed | None] = []
    for held in some:
        rows, columns = held.region.rows, held.region.columns
        parts = predict.glimpses(
            ensemble, held.image, held.maps, grid=held.grid, rows=rows, columns=columns
        )
        sums = [_sums(ensemble, seen) for seen in parts]
        found += map(_disputed, sums) if len(some) < FEW else [_disputed(np.concatenate(sums))]
    return [one for one in found if one is not None]


def _sums(model: Model | Ensemble, seen: npt.NDArray[np.float32]) -> Sums:
    """The sum of weight times D, and of the weight, for each channel of quarters: (4, 2, C)."""
    outputs = np.stack([member.apply(seen)[0] for member in model.members])
    rims = [slice(RIM_PX, -RIM_PX) if n >= 4 * RIM_PX else slice(None) for n in outputs.shape[2:]]
    outputs = outputs[(slice(None), slice(None), *rims)]
    channels = model.task.channels_out
    means, scales = outputs[:, :channels], outputs[:, channels:]
    differ = trust.disagreement(means, scales, family=str(model.spread))
    weights = np.clip(means.mean(axis=0), 0, 1)
    both = np.stack([weights * differ, weights]).astype(np.float64)
    halves = np.array_split(both, 2, -2)
    quarters = [part for half in halves for part in np.array_split(half, 2, -1)]
    return np.stack([part.sum(axis=tuple(range(2, part.ndim))) for part in quarters])


def _disputed(parts: Sums) -> Disputed | None:
    """Of some parts together, (parts, 2, C): of all channels in which something is bright."""
    level, bright_px = _mean(parts.sum(axis=0))
    if level is None:
        return None
    alone = [_mean(part) for part in parts]
    some = [(value, pixels) for value, pixels in alone if value]
    if len(some) < FEWEST_QUARTERS:
        return Disputed(level, bright_px, None)
    values, pixels = np.array(some).T
    return Disputed(level, bright_px, float(np.log(values).var(ddof=1) * pixels.mean()))


def _mean(sums: Sums) -> tuple[float | None, float]:
    """The mean of D over the channels in which something is bright, and over how many pixels."""
    differ, weights = sums
    bright = weights > 0
    level = float((differ[bright] / weights[bright]).mean()) if bright.any() else None
    return level, float(weights.mean())
