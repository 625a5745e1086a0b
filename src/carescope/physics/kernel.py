"""2D kernels of an axial slice, from a PSF.

Kernels are (Z, X) arrays of float64: odd sizes, centred, not negative, sum 1, without rims that
hold less than a ten-thousandth of it. The PSF must be sampled as the restored slice is:
distance of restored planes along z, pixel size along y and x (see `PSF.resampled`).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from carescope.physics.pointspread import PSF, gaussian_taps, trimmed

Floats = npt.NDArray[np.float64]

RIM = 1e-4
DIRECTIONS = 64


def full(psf: PSF) -> Floats:
    """The blur of an axial slice, ``h_rot``: the PSF integrated along the slice's normal.

    Its transfer function is the section of the PSF's that holds the axis. Where xz and yz
    slices are blurred differently, this is the mean of both.

    Returns
    -------
    (Z, X) kernel.
    """
    psf = _square(psf)
    xz, yz = psf.values.sum(axis=1), psf.values.sum(axis=2)
    width = max(xz.shape[1], yz.shape[1])
    both = [np.pad(k, ((0, 0), ((width - k.shape[1]) // 2,) * 2)) for k in (xz, yz)]
    return _finished(both[0] + both[1])


def isotropic(psf: PSF) -> Floats:
    """The blur of a lateral slice, made alike in all directions: ``h_iso``.

    Its transfer function is ``H_iso(|k|)``, the mean over directions of the PSF's
    ``H(kx, ky, kz = 0)``. That mean commutes with the Fourier transform, so it is taken of the
    PSF's projection along z, at each distance from the centre in micrometres; the kernel
    so stays free of negative lobes.

    Returns
    -------
    (Z, X) kernel.
    """
    psf = _square(psf)
    step, _, pixel = psf.spacing_um
    sigma_um = _gaussian_sigma_um(psf)
    if sigma_um is not None:
        z, x = gaussian_taps(sigma_um[1] / step), gaussian_taps(sigma_um[1] / pixel)
        return _finished(z[:, None] * x)
    return _finished(_radial(psf.values.sum(axis=0), step / pixel))


def split(psf: PSF) -> tuple[Floats, float]:
    """What an axial slice is blurred more than a lateral one: ``h_rot = h_iso * h_split``.

    For a Gaussian PSF, ``sigma_split^2 = sigma_z^2 - sigma_xy^2`` along z and nothing along x;
    where that is negative, the single point. Otherwise the kernel that comes closest, in the
    sum of squares, among those that are not negative and sum to 1: Weigert et al.,
    doi:10.1007/978-3-319-66185-8_15. For optics none is exact: the cones of light out of focus
    widen ``h_iso`` more than they widen the focus of ``h_rot``.

    Returns
    -------
    kernel
        (Z, X) kernel.
    residual
        ``||h_iso * h_split - h_rot|| / ||h_rot||``: about 0 for a Gaussian, about 0.1
        for confocal and two-photon optics, up to 0.3 for light sheets, 0.4 for widefield.
    """
    psf = _square(psf)
    rotated, lateral = full(psf), isotropic(psf)
    sigma_um = _gaussian_sigma_um(psf)
    if sigma_um is None:
        kernel = _finished(_deconvolved(rotated, lateral))
    else:
        excess = max(0.0, sigma_um[0] ** 2 - sigma_um[1] ** 2)
        kernel = _finished(gaussian_taps(math.sqrt(excess) / psf.spacing_um[0])[:, None])
    return kernel, _residual(rotated, lateral, kernel)


def symmetries(psf: PSF) -> frozenset[str]:
    """How a lateral slice may be mirrored before it is blurred, as the PSF stays the same.

    Returns
    -------
    ``"flip"`` where the projection along z equals its mirror images in y and in x, ``"turn"``
    where it equals its transpose; both within 1 % of its norm.
    """
    lateral = _square(psf).values.sum(axis=0)
    side = max(lateral.shape)
    lateral = np.pad(lateral, [((side - n) // 2,) * 2 for n in lateral.shape])

    def same(other: Floats) -> bool:
        return bool(np.linalg.norm(other - lateral) <= 0.01 * np.linalg.norm(lateral))

    found = set()
    if same(lateral[::-1]) and same(lateral[:, ::-1]):
        found.add("flip")
    if same(lateral.T):
        found.add("turn")
    return frozenset(found)


def _square(psf: PSF) -> PSF:
    """The PSF with equal voxels along y and x."""
    z, y, x = psf.spacing_um
    return psf if abs(y - x) <= 1e-3 * x else psf.resampled((z, x, x))


def _gaussian_sigma_um(psf: PSF) -> tuple[float, float] | None:
    """Standard deviation along the axis and across it, for a Gaussian that is round in yx."""
    if psf.kind != "gaussian":
        return None
    z, y, x = psf.parameters["sigma_um"]
    return (z, x) if x == y else None


def _finished(kernel: Floats) -> Floats:
    kernel = trimmed(kernel, RIM)
    return np.asarray(kernel / kernel.sum())


def _radial(lateral: Floats, aspect: float) -> Floats:
    """Mean over directions of a (Y, X) image, on a grid whose rows are `aspect` pixels apart."""
    from scipy.ndimage import map_coordinates

    centre = (np.array(lateral.shape) - 1) / 2
    reach = int(centre.max())
    rows = int(reach / aspect)
    grid = np.hypot(np.arange(-rows, rows + 1)[:, None] * aspect, np.arange(-reach, reach + 1))
    radius, index = np.unique(grid, return_inverse=True)
    angle = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    points = [
        centre[0] + np.outer(radius, np.sin(angle)),
        centre[1] + np.outer(radius, np.cos(angle)),
    ]
    mean = map_coordinates(lateral, points, order=3, mode="constant").mean(axis=1)
    return np.asarray(np.maximum(mean[index.reshape(grid.shape)], 0))


def _deconvolved(rotated: Floats, lateral: Floats, steps: int = 400) -> Floats:
    """Accelerated projected gradient for ``min ||lateral * s - rotated||``, s on the simplex.

    The gradient's Lipschitz constant is ``max |H_iso|^2 = 1``, so steps of length 1 converge
    (Beck and Teboulle, doi:10.1137/080716542).
    """
    from scipy.fft import irfft2, next_fast_len, rfft2

    shape = [
        next_fast_len(a + b - 1, True) for a, b in zip(rotated.shape, lateral.shape, strict=True)
    ]
    transfer = rfft2(_at_origin(lateral, shape))
    target = rfft2(_at_origin(rotated, shape)) * transfer.conj()
    power = np.abs(transfer) ** 2
    inside = _at_origin(np.ones_like(rotated), shape) > 0
    estimate = ahead = _at_origin(rotated, shape)
    momentum = 1.0
    for _ in range(steps):
        gradient = irfft2(rfft2(ahead) * power - target, s=shape)
        previous, estimate = estimate, np.zeros(shape)
        estimate[inside] = _on_simplex((ahead - gradient)[inside])
        change = estimate - previous
        if np.linalg.norm(change) < 1e-6 * np.linalg.norm(estimate):
            break
        faster = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = estimate + (momentum - 1) / faster * change
        momentum = faster
    half = [n // 2 for n in rotated.shape]
    centred = np.roll(estimate, half, axis=(0, 1))
    return np.asarray(centred[: rotated.shape[0], : rotated.shape[1]])


def _on_simplex(values: Floats) -> Floats:
    """The nearest values that are not negative and sum to 1."""
    falling = np.sort(values)[::-1]
    level = (np.cumsum(falling) - 1) / np.arange(1, len(falling) + 1)
    return np.asarray(np.maximum(values - level[falling > level][-1], 0))


def _at_origin(kernel: Floats, shape: list[int]) -> Floats:
    """A kernel in a periodic array, its centre at index 0."""
    place = np.zeros(shape)
    place[: kernel.shape[0], : kernel.shape[1]] = kernel
    return np.roll(place, [-(n // 2) for n in kernel.shape], axis=(0, 1))


def _residual(rotated: Floats, lateral: Floats, kernel: Floats) -> float:
    from scipy.signal import fftconvolve

    product = fftconvolve(lateral, kernel)
    shape = [max(a, b) for a, b in zip(product.shape, rotated.shape, strict=True)]
    apart = _at_origin(product, shape) - _at_origin(rotated, shape)
    return float(np.linalg.norm(apart) / np.linalg.norm(rotated))
