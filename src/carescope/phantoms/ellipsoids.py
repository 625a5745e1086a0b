"""Ellipsoids of any orientation on a voxel grid, drawn slab by slab."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Window = tuple[slice, slice, slice]


class Ellipsoids:
    """Some ellipsoids.

    Parameters
    ----------
    centres
        (N, 3) in voxels.
    forms
        (N, 3, 3) matrices F: x is inside where ``|(x - centre) F| <= 1``.
    """

    def __init__(self, centres: Floats, forms: Floats) -> None:
        self.centres, self.forms = centres, forms
        # The support function of the ellipsoid along each axis.
        self.reach = np.linalg.norm(np.linalg.inv(forms), axis=1)

    def __len__(self) -> int:
        return len(self.centres)

    def window(self, number: int, low: tuple[int, ...], high: tuple[int, ...]) -> Window:
        """The voxels from `low` to before `high` among which those of one ellipsoid are."""
        first = np.clip(np.ceil(self.centres[number] - self.reach[number]), low, high)
        stop = np.clip(np.floor(self.centres[number] + self.reach[number]) + 1, first, high)
        z, y, x = (slice(int(a), int(b)) for a, b in zip(first, stop, strict=True))
        return z, y, x

    def squares(self, number: int, window: Window) -> Floats:
        """``|(x - centre) F|^2`` of the voxels of a window, for one ellipsoid."""
        axes = [
            np.arange(part.start, part.stop) - middle
            for part, middle in zip(window, self.centres[number], strict=True)
        ]
        form = self.forms[number]
        squared = np.zeros([len(offset) for offset in axes])
        for column in form.T:
            z, y, x = (offset * weight for offset, weight in zip(axes, column, strict=True))
            squared += np.square(z[:, None, None] + y[:, None] + x)
        return squared

    def inside(self, number: int, window: Window) -> npt.NDArray[np.bool_]:
        """Which voxels of a window lie in one ellipsoid."""
        return np.asarray(self.squares(number, window) <= 1)

    def overlapping(self, number: int, others: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Which of the others have a bounding box that meets that of one ellipsoid."""
        apart = np.abs(self.centres[others] - self.centres[number])
        near = (apart <= self.reach[others] + self.reach[number]).all(axis=1)
        return np.asarray(others[near])

    def share_voxels(self, number: int, other: int, box: tuple[int, int, int]) -> bool:
        """Whether a voxel of a volume lies in both of two ellipsoids."""
        both = [self.window(n, (0, 0, 0), box) for n in (number, other)]
        z, y, x = (
            slice(max(a.start, b.start), max(a.start, b.start, min(a.stop, b.stop)))
            for a, b in zip(*both, strict=True)
        )
        common = (z, y, x)
        return bool((self.inside(number, common) & self.inside(other, common)).any())

    def covers(self, number: int, box: tuple[int, int, int]) -> bool:
        """Whether one ellipsoid holds a voxel of a volume."""
        return bool(self.inside(number, self.window(number, (0, 0, 0), box)).any())

    def labels(self, slab: slice, box: tuple[int, int, int]) -> npt.NDArray[np.int32]:
        """Some planes of a volume: 0 outside, 1 + the ellipsoid's number inside.

        What lies in several belongs to that in which it lies deepest.
        """
        low, high = (slab.start, 0, 0), (slab.stop, *box[1:])
        labels = np.zeros((slab.stop - slab.start, *box[1:]), np.int32)
        depth = np.ones(labels.shape, np.float32)
        z, reach = self.centres[:, 0], self.reach[:, 0]
        crossed = (z + reach >= slab.start) & (z - reach < slab.stop)
        for number in map(int, np.flatnonzero(crossed)):
            window = self.window(number, low, high)
            here = slice(window[0].start - slab.start, window[0].stop - slab.start)
            squared, place = self.squares(number, window), (here, *window[1:])
            own = squared <= depth[place]
            depth[place][own] = squared[own]
            labels[place][own] = 1 + number
        return labels
