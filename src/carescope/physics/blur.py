"""Linear blur with correct borders, its adjoint, and a fast path for training patches."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import UsageError

Boundary = Literal["reflect", "zero"]
PAD = {"reflect": "symmetric", "zero": "constant"}


def blur(
    image: npt.NDArray[Any], kernel: npt.NDArray[Any], *, boundary: Boundary = "reflect"
) -> npt.NDArray[Any]:
    """Convolve an image with a kernel of as many axes, by FFT.

    Parameters
    ----------
    image
        Array of any number of axes; float64 stays so, all else is worked in float32. It is not
        changed.
    kernel
        Odd sizes, its centre in the middle; may be longer than the image.
    boundary
        ``"reflect"``: beyond its border the image is mirrored, ``c b a | a b c | c b a``,
        again and again for a long kernel, so that a constant image stays constant under a
        kernel that sums to 1. ``"zero"``: nothing lies beyond.

    Returns
    -------
    Array of the image's shape, float32 or float64.

    Raises
    ------
    UsageError
        The kernel does not fit the image's axes or is even in size, or there is no such
        boundary.
    """
    from scipy.fft import irfftn, rfftn

    check_fits(image.shape, kernel, boundary)
    image = _floating(image)
    half = [n // 2 for n in kernel.shape]
    # np.pad names what is mirrored about the border of the outermost pixel "symmetric".
    padded = np.pad(image, [(h, h) for h in half], mode=PAD[boundary])  # type: ignore[call-overload]
    size = fast_shape(padded.shape)
    spectrum = rfftn(padded, size) * transfer(kernel, padded.shape, dtype=image.dtype)
    return _crop(irfftn(spectrum, size), [n - 1 for n in kernel.shape], image.shape)


def adjoint(
    image: npt.NDArray[Any], kernel: npt.NDArray[Any], *, boundary: Boundary = "reflect"
) -> npt.NDArray[Any]:
    """The transpose of `blur`, border included: ``<blur(x), y> = <x, adjoint(y)>``.

    Arguments, result and errors are those of `blur`.
    """
    from scipy.fft import irfftn, rfftn

    check_fits(image.shape, kernel, boundary)
    image = _floating(image)
    padded = [n + k - 1 for n, k in zip(image.shape, kernel.shape, strict=True)]
    size = fast_shape(padded)
    behind = np.pad(image, [(k - 1, 0) for k in kernel.shape])
    spectrum = rfftn(behind, size) * transfer(kernel, padded, dtype=image.dtype).conj()
    spread = _crop(irfftn(spectrum, size), [0] * image.ndim, padded)
    for axis, (n, k) in enumerate(zip(image.shape, kernel.shape, strict=True)):
        spread = _fold(spread, axis, n, k // 2, boundary)
    return spread


def transfer(
    kernel: npt.NDArray[Any], shape: Any, *, dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any]:
    """The kernel's spectrum, to blur many arrays of one shape with.

    Parameters
    ----------
    kernel
        As for `blur`.
    shape
        Sizes of the arrays along the kernel's axes, at least the kernel's.
    dtype
        float32 or float64.

    Returns
    -------
    Complex array, as ``rfftn`` gives it.
    """
    from scipy.fft import rfftn

    return np.asarray(rfftn(np.asarray(kernel, dtype=dtype), fast_shape(shape)))


def blur_batch(
    patches: npt.NDArray[Any],
    kernel: npt.NDArray[Any],
    spectrum: npt.NDArray[Any] | None = None,
) -> npt.NDArray[np.float32]:
    """Blur many patches at once, keeping only what no border has touched.

    Parameters
    ----------
    patches
        (N, H, W) array.
    kernel
        (h, w) array, odd sizes, at most H and W.
    spectrum
        ``transfer(kernel, (H, W))``, where it is at hand.

    Returns
    -------
    (N, H - h + 1, W - w + 1) array of float32.

    Raises
    ------
    UsageError
        The patches are not a stack of planes, or smaller than the kernel.
    """
    from scipy.fft import irfft2, rfft2

    patches = np.asarray(patches, dtype=np.float32)
    check_fits(patches.shape[1:], kernel, "zero")
    valid = [n - k + 1 for n, k in zip(patches.shape[1:], kernel.shape, strict=True)]
    if min(valid) < 1:
        raise UsageError(
            f"patches of {describe_shape(patches.shape[1:])} are smaller than "
            f"the kernel of {describe_shape(kernel.shape)}",
            remedy="Take larger patches, or a PSF of smaller extent",
        )
    if spectrum is None:
        spectrum = transfer(kernel, patches.shape[1:])
    size = fast_shape(patches.shape[1:])
    blurred = irfft2(rfft2(patches, size) * spectrum, size)
    return np.ascontiguousarray(
        blurred[:, kernel.shape[0] - 1 :, kernel.shape[1] - 1 :][:, : valid[0], : valid[1]]
    )


def check_fits(shape: tuple[int, ...], kernel: npt.NDArray[Any], boundary: str = "reflect") -> None:
    """Refuse a kernel that cannot blur an image of a shape, with the errors of `blur`."""
    if kernel.ndim != len(shape) or any(n % 2 == 0 for n in kernel.shape):
        raise UsageError(
            f"a kernel of {describe_shape(kernel.shape)} cannot blur {describe_shape(shape)}",
            remedy="Give a kernel of as many axes as the image, each of odd length",
        )
    if boundary not in PAD:
        raise UsageError(
            f"there is no boundary {boundary!r}", remedy=f"Choose one of {', '.join(PAD)}"
        )


def _floating(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(image, dtype=np.float64 if image.dtype == np.float64 else np.float32)


def fast_shape(shape: Any) -> list[int]:
    """Sizes from these on of which Fourier transforms are fast."""
    from scipy.fft import next_fast_len

    return [next_fast_len(int(n), True) for n in shape]


def _crop(array: npt.NDArray[Any], start: list[int], shape: Any) -> npt.NDArray[Any]:
    window = tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))
    return np.ascontiguousarray(array[window])


def _fold(
    padded: npt.NDArray[Any], axis: int, length: int, half: int, boundary: Boundary
) -> npt.NDArray[Any]:
    """Add what `blur` padded along an axis back to where it was taken from."""
    from scipy.sparse import csr_array

    inside = slice(half, half + length)
    columns = np.arange(length + 2 * half)
    rows = np.pad(np.arange(length), half, mode="symmetric")
    if boundary == "zero":
        columns, rows = columns[inside], rows[inside]
    ones = np.ones(len(rows), dtype=padded.dtype)
    gather = csr_array((ones, (rows, columns)), shape=(length, length + 2 * half))
    lines = np.moveaxis(padded, axis, 0)
    folded = gather @ lines.reshape(len(lines), -1)
    return np.ascontiguousarray(np.moveaxis(folded.reshape(length, *lines.shape[1:]), 0, axis))
