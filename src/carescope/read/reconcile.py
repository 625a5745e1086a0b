"""The axes of an image, from what its file says and what the user says."""

from __future__ import annotations

from itertools import combinations

from carescope import axes as ax
from carescope.errors import InputError
from carescope.read.declared import Declared

_OPEN = "Name each dimension with --axes, for example --axes ZYX for a stack of planes"


def reconcile(declared: Declared, given: str | None, where: str) -> tuple[str, tuple[int, ...]]:
    """Settle axes and shape.

    Dimensions of length 1 that nobody asks for are dropped.

    Parameters
    ----------
    declared
        The file's own account.
    given
        What the user says, or None.
    where
        The file's name for messages.

    Returns
    -------
    axes, shape
        One known letter a dimension, Y and X last, and their lengths.

    Raises
    ------
    InputError
        The file leaves a dimension unnamed and the user does too, or they disagree.
    """
    if given is None:
        pairs = [
            (a, n)
            for a, n in zip(declared.axes, declared.shape, strict=True)
            if n > 1 or a not in declared.optional
        ]
        axes = "".join(a for a, _ in pairs)
        shape = tuple(n for _, n in pairs)
        if "?" in axes:
            raise InputError(
                f"does not say what its dimensions are: {ax.describe_shape(shape, axes)}",
                where=where,
                remedy=_OPEN,
            )
        return ax.check(axes, shape, where=where), shape
    given = ax.check(given, (1,) * len(given), where=where)
    # Where an axis of length 1 stands makes no difference to the order of the pixels.
    single = {a for a, n in zip(declared.axes[:-2], declared.shape, strict=False) if n == 1} - {"?"}
    rest = "".join(a for a in given if a not in single)
    readings = _readings(declared, single, len(rest))
    for axes, shape in readings:
        if all(a in ("?", g) for g, a in zip(rest, axes, strict=True)):
            sizes = dict(zip(rest, shape, strict=True))
            return given, tuple(sizes.get(a, 1) for a in given)
    theirs = f" ({ax.describe_shape(readings[0][1], rest)})" if readings else ""
    raise InputError(
        f"--axes {given}{theirs} contradicts {declared.by}: "
        f"{ax.describe_shape(declared.shape, declared.axes)}",
        where=where,
        remedy=_OPEN if "?" in declared.axes else "Leave --axes out, or correct the file",
    )


def _readings(declared: Declared, single: set[str], left: int) -> list[tuple[str, tuple[int, ...]]]:
    """The readings of a file as `left` dimensions.

    Without those in `single`, and without some of the unnamed ones of length 1.
    """
    kept = [i for i, a in enumerate(declared.axes) if a not in single]
    spare = [i for i in kept if declared.axes[i] == "?" and declared.shape[i] == 1]
    drop = len(kept) - left
    if drop < 0:
        return []
    readings = []
    for gone in combinations(spare, drop):
        stay = [i for i in kept if i not in gone]
        axes = "".join(declared.axes[i] for i in stay)
        readings.append((axes, tuple(declared.shape[i] for i in stay)))
    return readings
