"""Axis strings: a subset of TCZYX, each letter once, in the order of the array."""

from __future__ import annotations

from carescope.errors import InputError

KNOWN = "TCZYX"


def check(axes: str, shape: tuple[int, ...], *, where: str | None = None) -> str:
    """Return `axes` in capitals, or refuse them.

    Parameters
    ----------
    axes
        One letter of ``TCZYX`` per dimension, in the array's order; must hold Y and X.
    shape
        The array's shape.
    where
        The file or option to name in the refusal.

    Raises
    ------
    InputError
        A letter is unknown or repeated, Y or X is absent, or there are not as many
        letters as dimensions.
    """
    axes = axes.upper()
    unknown = sorted(set(axes) - set(KNOWN))
    if unknown:
        raise InputError(
            f"axes {axes!r} hold {', '.join(unknown)}, which is none of T, C, Z, Y, X",
            where=where,
            remedy="Name each dimension with --axes, for example --axes ZYX",
        )
    if len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes):
        raise InputError(
            f"axes {axes!r} must name Y and X, and no axis twice",
            where=where,
            remedy="Name each dimension with --axes, for example --axes ZYX",
        )
    if len(axes) != len(shape):
        raise InputError(
            f"axes {axes!r} name {len(axes)} dimensions, but the image has {len(shape)}: "
            f"{describe_shape(shape)}",
            where=where,
            remedy="Give one letter for each dimension with --axes",
        )
    return axes


def describe_shape(shape: tuple[int, ...], axes: str | None = None) -> str:
    """Render a shape for people: ``Z=60 Y=256 X=256``, or ``60 x 256 x 256``."""
    if axes is None:
        return " x ".join(str(n) for n in shape)
    return " ".join(f"{a}={n}" for a, n in zip(axes, shape, strict=True))
