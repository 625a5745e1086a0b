"""What an index asks of a lazy array: positions along each axis, and where they were read to."""

from __future__ import annotations

import operator
from typing import Any


def positions(index: Any, shape: tuple[int, ...]) -> tuple[list[range], tuple[Any, ...]]:
    """The positions wanted along each axis, and the index that then drops integer axes."""
    parts = list(index) if isinstance(index, tuple) else [index]
    gaps = [i for i, part in enumerate(parts) if part is Ellipsis]
    if len(gaps) > 1 or len(parts) - len(gaps) > len(shape):
        raise IndexError(f"too many indices for an image of {len(shape)} dimensions")
    gap = gaps[0] if gaps else len(parts)
    missing = len(shape) - (len(parts) - len(gaps))
    parts[gap : gap + len(gaps)] = [slice(None)] * missing
    wanted: list[range] = []
    drop: list[Any] = []
    for part, n in zip(parts, shape, strict=True):
        if isinstance(part, slice):
            wanted.append(range(*part.indices(n)))
            drop.append(slice(None))
            continue
        at = operator.index(part)
        if not -n <= at < n:
            raise IndexError(f"index {at} is outside an axis of length {n}")
        wanted.append(range(at % n, at % n + 1))
        drop.append(0)
    return wanted, tuple(drop)


def within(positions: range, start: int) -> slice:
    """The slice that takes `positions` from an array that begins at `start`."""
    first, last, step = positions[0] - start, positions[-1] - start, positions.step
    if step > 0:
        return slice(first, last + 1, step)
    return slice(first, last - 1 if last > 0 else None, step)
