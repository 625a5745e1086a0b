"""One scene recorded twice, as it is and as it should be, ready to be cut into windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from carescope import normalize
from carescope.image import Image
from carescope.normalize import Affine
from carescope.pairs.draws import turned
from carescope.pairs.noise import differ_by_noise, noisier
from carescope.pairs.regions import CELL_PX, Region, foreground

Floats = npt.NDArray[np.float32]


class Shot:
    """A registered pair at one time point.

    Parameters
    ----------
    low, high
        The image as it is and as it should be, axes CZYX, alike in rows and columns, and in planes
        unless the second is the surface of the first.
    low_maps
        What normalises each channel of the first.
    range_maps
        The range of each channel of the second, which tells where there is structure.
    high_maps
        What normalises it: `levels.in_units_of`.
    region
        Where patches may lie.

    Attributes
    ----------
    differs_by_noise
        Whether the first is the second with noise, and nothing else.
    """

    def __init__(
        self,
        low: Image,
        high: Image,
        low_maps: Sequence[Affine],
        range_maps: Sequence[Affine],
        high_maps: Sequence[Affine],
        region: Region,
    ) -> None:
        self.low, self.high = low, high
        self.low_maps, self.high_maps = tuple(low_maps), tuple(high_maps)
        self.range_maps = tuple(range_maps)
        self.region = region
        self.differs_by_noise = differ_by_noise(low, high, low_maps, high_maps)

    def foreground(self, shape: tuple[int, int, int]) -> npt.NDArray[np.int32]:
        """Centres of patches whose target holds structure; see `regions.foreground`."""
        return foreground(self.high, self.range_maps, self.region, shape[1:])

    def everywhere(self) -> npt.NDArray[np.int32]:
        """Centres on a grid of `CELL_PX`, where there is no foreground to choose from."""
        rows, columns = (
            np.arange(start + CELL_PX // 2, stop, CELL_PX)
            for start, stop in (self.region.rows, self.region.columns)
        )
        planes = np.arange(self.high.size("Z"))
        found = np.stack(np.meshgrid(planes, rows, columns, indexing="ij"), axis=-1)
        return found.reshape(-1, 3).astype(np.int32)

    def cut(
        self,
        draw: np.random.Generator,
        centre: npt.NDArray[np.int32],
        shape: tuple[int, int, int],
        *,
        augment: bool,
        most_noise: float = 1.0,
    ) -> tuple[Floats, Floats]:
        """The same window of both, near `centre`: (C, planes, rows, columns), normalised.

        Of a surface there is one plane, and a stack of fewer planes than asked for gets empty ones.
        With `augment` the window is flipped and turned within the plane, which a microscope treats
        alike in all directions; an input that differs by noise alone gets up to `most_noise` times
        as much.
        """
        planes = self.low.size("Z")
        limits = ((0, planes), self.region.rows, self.region.columns)
        sizes = (min(shape[0], planes), *shape[1:])
        place = []
        for middle, size, (start, stop), spread in zip(
            centre, sizes, limits, (1, CELL_PX, CELL_PX), strict=True
        ):
            jitter = int(draw.integers(-spread // 2, spread // 2 + 1))
            first = min(max(int(middle) - size // 2 + jitter, start), stop - size)
            place.append(slice(first, first + size))
        seen = place[0] if self.high.size("Z") == planes else slice(None)
        low, high = (
            normalize.apply(maps, np.asarray(image.data[(slice(None), along_z, *place[1:])]))
            for image, maps, along_z in (
                (self.low, self.low_maps, place[0]),
                (self.high, self.high_maps, seen),
            )
        )
        if sizes[0] < shape[0]:
            low = np.pad(low, ((0, 0), (0, shape[0] - sizes[0]), (0, 0), (0, 0)))
        if not augment:
            return low, high
        low, high = turned(draw, low, high)
        if most_noise > 1 and self.differs_by_noise:
            low = noisier(draw, low, high, most_noise)
        return low, high

    def identity(self) -> list[object]:
        """What a resumed run must find unchanged: sizes, ranges, and the part that trains."""
        ranges = [[(one.low, one.high) for one in maps] for maps in (self.low_maps, self.high_maps)]
        return [self.low.shape, self.high.shape, ranges, self.region.rows, self.region.columns]
