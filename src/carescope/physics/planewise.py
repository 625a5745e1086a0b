"""Blur and axial sampling plane by plane, for volumes that are larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.physics.blur import PAD, check_fits, fast_shape
from carescope.physics.sampling import cubic_matrix, positions

Plane = npt.NDArray[Any]


def blurred(
    plane: Callable[[int], Plane],
    shape: tuple[int, int, int],
    kernel: npt.NDArray[Any],
    wanted: Iterable[int],
) -> Iterator[npt.NDArray[np.float32]]:
    """Some planes of a blurred volume, as `carescope.physics.blur.blur` gives them.

    The lateral spectra of as many planes as the kernel has are in memory at once, and those of the
    kernel itself, whatever the depth. A plane is the same to the last bit whichever others are
    wanted.

    Parameters
    ----------
    plane
        Gives one plane (Y, X) of the volume, float32; asked for each at most once, in order.
    shape
        Planes, rows and columns of the volume.
    kernel
        (z, y, x) of odd sizes, as for `blur`; beyond its borders the volume is mirrored.
    wanted
        Which planes, each later than the one before.

    Raises
    ------
    UsageError
        The kernel has not three axes of odd length.
    """
    from scipy.fft import irfft2, rfft2

    check_fits(shape, kernel)
    behind, *lateral = (n // 2 for n in kernel.shape)
    # Which plane of the volume lies at each place of the mirrored one.
    there = np.pad(np.arange(shape[0]), behind, mode="symmetric")
    size = fast_shape([n + 2 * h for n, h in zip(shape[1:], lateral, strict=True)])
    # A convolution turns its kernel round: the plane in front meets the last one.
    transfers = rfft2(np.asarray(kernel[::-1], np.float32), size)
    spectra: dict[int, npt.NDArray[Any]] = {}
    for at in wanted:
        near = there[at : at + 2 * behind + 1]
        spectra = {n: s for n, s in spectra.items() if n >= near.min()}
        for number in sorted(set(near.tolist()) - set(spectra)):
            values = np.asarray(plane(number), np.float32)
            padded = np.pad(values, [(h, h) for h in lateral], mode=PAD["reflect"])  # type: ignore[call-overload]
            spectra[number] = rfft2(padded, size)
        light, part = np.zeros_like(transfers[0]), np.empty_like(transfers[0])
        for transfer, number in zip(transfers, near.tolist(), strict=True):
            light += np.multiply(transfer, spectra[number], out=part)
        window = tuple(slice(2 * h, 2 * h + n) for h, n in zip(lateral, shape[1:], strict=True))
        yield np.ascontiguousarray(irfft2(light, size)[window])


def recorded(
    plane: Callable[[int], Plane],
    shape: tuple[int, int, int],
    *,
    kernel: npt.NDArray[Any] | None = None,
    factor: float = 1.0,
) -> Iterator[npt.NDArray[np.float32]]:
    """The planes that a microscope records of a volume, one after the other: S(h * f).

    Parameters
    ----------
    plane, shape, kernel
        As for `blurred`; None for no blur.
    factor
        Planes of the volume per recorded plane, at least 1; need not be whole.

    Yields
    ------
    (Y, X) float32
        Not negative: what Fourier transforms and cubic interpolation leave below 0 is cut off.
    """
    rows = cubic_matrix(positions(factor, 0, shape[0]), shape[0])
    needed = [np.flatnonzero(row).tolist() for row in rows]
    wanted = sorted({number for numbers in needed for number in numbers})
    light = blurred(plane, shape, kernel, wanted) if kernel is not None else map(plane, wanted)
    coming = zip(wanted, light, strict=True)
    held: dict[int, Plane] = {}
    for row, numbers in zip(rows, needed, strict=True):
        while not held or max(held) < numbers[-1]:
            number, values = next(coming)
            held[number] = values
        held = {number: values for number, values in held.items() if number >= numbers[0]}
        seen = sum(row[number] * held[number] for number in numbers)
        yield np.maximum(np.asarray(seen, np.float32), 0)
