"""A phantom in front of a microscope, slab by slab: what is true of it, and what is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope import rng
from carescope.files.scratch import Scratch
from carescope.phantoms import Autofluorescence, Phantom
from carescope.physics import camera, exposure, planewise
from carescope.physics.psf import PSF

#: Planes that are handed on at once.
SLAB_PLANES = 32

#: Arrays of one image by the name of the folder that they go to.
Parts = dict[str, npt.NDArray[Any]]


class Exposed:
    """The light of a phantom, found plane by plane and kept on disk until its brightest is known.

    Parameters
    ----------
    world
        The phantom.
    faint
        Light that is added to each of its channels.
    room
        Where recorded planes are kept, after those of other frames: arrays of its rows and columns.
    kept_planes
        Of so many planes truth and labels are wanted.
    psf, factor
        As for `carescope.physics.planewise.recorded`; what is flat is blurred by the PSF in focus.
    watch
        Told how far it is, from 0 to 1.

    Attributes
    ----------
    planes
        How many are recorded.
    maps
        What else is true of the whole; ``height`` in recorded planes.
    objects, largest
        How many numbers the labels have, and which of them is the largest.
    """

    def __init__(
        self,
        world: Phantom,
        faint: Autofluorescence,
        room: Scratch,
        kept_planes: int,
        *,
        psf: PSF | None,
        factor: float,
        watch: Callable[[float], None],
    ) -> None:
        self.world, self._faint, self._room, self.kept_planes = world, faint, room, kept_planes
        kernel = (
            psf if psf is None else exposure.in_focus(psf)[None] if world.is_flat else psf.values
        )
        self._present, self._noted = np.zeros(1, np.bool_), set[int]()
        self._channels = max(1, len(world.channels))
        streams = [
            planewise.recorded(self._plane(channel), world.box, kernel=kernel, factor=factor)
            for channel in range(self._channels)
        ]
        brightest = np.zeros(self._channels)
        self.planes, self._first = 0, len(room)
        for seen in zip(*streams, strict=True):
            for plane in seen:
                room.add(plane)
            brightest = np.maximum(brightest, [plane.max() for plane in seen])
            self.planes += 1
            watch(min(1.0, self.planes * factor / world.box[0]))
        for number in sorted(set(range(kept_planes)) - self._noted):
            self._note(number, world.planes(slice(number, number + 1))[1])
        self._brightest = brightest
        self._numbers = np.cumsum(self._present, dtype=np.int32) - np.int32(self._present[0])
        self.objects = self.largest = int(self._numbers[-1])
        self.maps = world.maps()
        if "height" in self.maps:
            self.maps["height"] = self.maps["height"] / np.float32(factor)
        if "labels" in self.maps:
            numbers = np.unique(self.maps["labels"])
            self.objects, self.largest = int(np.count_nonzero(numbers)), int(numbers[-1])

    def _plane(self, channel: int) -> Callable[[int], npt.NDArray[np.float32]]:
        """What gives one plane of a channel, and notes which labels it has."""

        def give(number: int) -> npt.NDArray[np.float32]:
            slab = slice(number, number + 1)
            density, labels = self.world.planes(slab)
            self._note(number, labels)
            plane = density[channel, 0] if self.world.channels else density[0]
            return np.asarray(
                plane + self._faint.planes(slab)[0] if self._faint.strength else plane
            )

        return give

    def _note(self, number: int, labels: npt.NDArray[np.int32]) -> None:
        if number >= self.kept_planes or number in self._noted:
            return
        self._noted.add(number)
        more = int(labels.max()) + 1 - len(self._present)
        if more > 0:
            self._present = np.pad(self._present, (0, more))
        self._present[labels.ravel()] = True

    def true(self) -> Iterator[tuple[slice, Parts]]:
        """Truth and labels of the wanted planes, ([C,] planes, Y, X), numbered 1, 2, ..."""
        for slab in _slabs(self.kept_planes):
            density, labels = self.world.planes(slab)
            yield slab, {"truth": density, "labels": self._numbers[labels]}

    def recorded(
        self, noise: camera.Noise, photons: float, seed: int, frame: int
    ) -> Iterator[tuple[slice, Parts]]:
        """Grey levels of the recorded planes without noise and with it, ([C,] planes, Y, X).

        Raises
        ------
        InputError
            A channel has no light.
        """
        for slab in _slabs(self.planes):
            light = np.stack(
                [
                    [
                        self._room[self._first + n * self._channels + channel]
                        for n in range(slab.start, slab.stop)
                    ]
                    for channel in range(self._channels)
                ]
            )
            clean = np.stack(
                [
                    exposure.grey_levels(values, float(most), noise, photons)
                    for values, most in zip(light, self._brightest, strict=True)
                ]
            )
            image = np.empty_like(clean)
            for n in range(slab.start, slab.stop):
                draw = rng.generator(seed, "simulated camera", frame, n)
                at = np.s_[:, n - slab.start]
                image[at] = camera.expose(clean[at], noise, draw)
            parts: Parts = {"clean": clean, "image": image}
            yield slab, parts if self.world.channels else {k: v[0] for k, v in parts.items()}


def _slabs(planes: int) -> Iterator[slice]:
    for first in range(0, planes, SLAB_PLANES):
        yield slice(first, min(first + SLAB_PLANES, planes))
