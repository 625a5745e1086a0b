"""Kernels of an axial slice: sections, isotropic averages, split PSFs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d, fftconvolve

from carescope.physics.kernel import full, isotropic, split, symmetries
from carescope.physics.pointspread import trimmed
from carescope.physics.psf import PSF, confocal, gaussian, lightsheet, twophoton, widefield

CUBE = (0.2, 0.2, 0.2)
OPTICS = {
    "widefield": widefield(0.8, 0.52, 1.33, CUBE),
    "confocal": confocal(0.8, 0.52, 1.33, CUBE),
    "confocal oil": confocal(1.3, 0.52, 1.515, (0.1, 0.1, 0.1)),
    "confocal uneven": confocal(1.1, 0.52, 1.33, (0.13, 0.1, 0.1)),
    "twophoton": twophoton(0.8, 0.78, 1.33, CUBE),
    "lightsheet": lightsheet(0.8, 0.1, 0.52, 1.33, CUBE),
    "gaussian": gaussian((0.8, 0.3, 0.3), CUBE),
    "gaussian astigmatic": gaussian((0.8, 0.3, 0.4), CUBE),
}
every = pytest.mark.parametrize("psf", OPTICS.values(), ids=OPTICS)


def samples_of(psf):
    """The same PSF, but nothing is known of how it was made."""
    return PSF(psf.values, psf.spacing_um)


def at(kernel, *waves):
    """The transfer function of an array at given waves per sample along each axis."""
    for wave in waves:
        place = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
        kernel = np.tensordot(np.exp(-2j * np.pi * wave * place), kernel, 1)
    return complex(kernel)


def variance(kernel, axis):
    line = kernel.sum(axis=1 - axis)
    return line @ (np.arange(len(line)) - len(line) // 2) ** 2


@every
def test_every_kernel_is_one(psf):
    for kernel in (full(psf), isotropic(psf), split(psf)[0]):
        assert kernel.ndim == 2
        assert all(n % 2 for n in kernel.shape)
        assert kernel.min() >= 0
        assert kernel.sum() == pytest.approx(1)
        np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-4 * kernel.max())


@every
def test_only_negligible_rims_are_cut_off(psf):
    kernel, whole = full(psf), psf.values.sum(axis=1)
    kept = tuple(
        slice((n - m) // 2, (n + m) // 2) for n, m in zip(whole.shape, kernel.shape, strict=True)
    )
    assert whole[kept].sum() > 1 - 3e-4


def test_rims_are_cut_off_where_they_hold_too_little():
    line = np.array([4e-5, 4e-5, 3e-5, 0.1, 0.8, 0.1, 0, 0, 0])
    np.testing.assert_array_equal(trimmed(line, 1e-4), line[2:-2])


@pytest.mark.parametrize("name", ["widefield", "confocal", "lightsheet"])
def test_the_full_kernel_is_a_section_of_the_transfer_function(name):
    psf, kernel = OPTICS[name], full(OPTICS[name])
    for kz, kx in [(0, 0.1), (0, 0.25), (0.05, 0), (0.05, 0.1), (0.1, 0.3)]:
        assert at(kernel, kz, kx) == pytest.approx(at(psf.values, kz, 0, kx), abs=1e-3)


def test_slices_that_blur_differently_are_averaged():
    psf = OPTICS["gaussian astigmatic"]
    sides = [full(gaussian((0.8, s, s), CUBE)) for s in (0.3, 0.4)]
    mean = 0.5 * (variance(sides[0], 1) + variance(sides[1], 1))
    assert variance(full(psf), 1) == pytest.approx(mean, rel=0.01)
    narrow_y = gaussian((0.8, 0.3, 0.3), (0.2, 0.1, 0.2))
    np.testing.assert_allclose(full(narrow_y), full(OPTICS["gaussian"]), atol=1e-6)


@pytest.mark.parametrize("name", ["confocal", "confocal uneven", "twophoton", "lightsheet"])
def test_the_isotropic_kernel_has_the_lateral_transfer_in_every_direction(name):
    psf, kernel = OPTICS[name], isotropic(OPTICS[name])
    step, _, pixel = psf.spacing_um
    for per_um in (0.2, 0.5, 1.0):
        turns = np.linspace(0, np.pi, 12, endpoint=False)
        expected = np.mean(
            [
                at(psf.values, 0, per_um * pixel * math.sin(t), per_um * pixel * math.cos(t)).real
                for t in turns
            ]
        )
        for t in turns:
            kz, kx = per_um * step * math.sin(t), per_um * pixel * math.cos(t)
            assert at(kernel, kz, kx) == pytest.approx(expected, abs=0.01)


def test_the_isotropic_kernel_of_an_uneven_psf_is_round_nevertheless():
    kernel = isotropic(OPTICS["gaussian astigmatic"])
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-12)
    assert variance(kernel, 0) == pytest.approx((0.3**2 + 0.4**2) / 2 / 0.04, rel=0.02)


@settings(deadline=None, max_examples=40)
@given(st.floats(0.6, 4), st.floats(0, 12), st.floats(0.5, 1))
def test_the_split_of_a_gaussian_is_the_formula(lateral, extra, step):
    sigma_z = math.hypot(lateral, extra)
    psf = gaussian((sigma_z, lateral, lateral), (step, 1, 1))
    kernel, residual = split(psf)
    assert kernel.shape[1] == 1
    assert variance(kernel, 0) * step**2 == pytest.approx(extra**2, rel=0.02, abs=0.01)
    assert residual < 0.05


def test_a_gaussian_known_by_its_samples_splits_alike():
    psf = gaussian((8, 2, 2), (1, 1, 1))
    (known, _), (found, residual) = split(psf), split(samples_of(psf))
    assert residual < 0.005
    assert variance(found, 0) == pytest.approx(variance(known, 0), rel=0.01)
    assert variance(found, 1) < 0.05


@pytest.mark.parametrize("hidden", [False, True])
def test_a_psf_that_is_not_elongated_splits_to_a_point_and_says_so(hidden):
    psf = gaussian((1.5, 3, 3), (1, 1, 1))
    kernel, residual = split(samples_of(psf) if hidden else psf)
    np.testing.assert_array_equal(kernel, [[1]])
    assert residual > 0.3


@every
def test_the_residual_is_what_is_left(psf):
    kernel, residual = split(psf)
    whole, product = full(psf), convolve2d(isotropic(psf), kernel)
    shape = [max(a, b) for a, b in zip(whole.shape, product.shape, strict=True)]
    whole, product = (
        np.pad(k, [((n - m) // 2,) * 2 for n, m in zip(shape, k.shape, strict=True)])
        for k in (whole, product)
    )
    left = np.linalg.norm(product - whole) / np.linalg.norm(whole)
    assert residual == pytest.approx(left, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "at_most"),
    [
        ("gaussian", 0.001),
        ("gaussian astigmatic", 0.05),
        ("twophoton", 0.11),
        ("confocal", 0.15),
        ("confocal oil", 0.15),
        ("lightsheet", 0.11),
        ("widefield", 0.40),
    ],
)
def test_how_closely_optics_split(name, at_most):
    assert split(OPTICS[name])[1] < at_most


@pytest.mark.parametrize("name", ["confocal", "twophoton", "lightsheet", "widefield"])
def test_no_other_kernel_splits_better(name):
    """Karush-Kuhn-Tucker: no exchange of weight between two points lowers the residual."""
    psf = OPTICS[name]
    whole, lateral, (kernel, residual) = full(psf), isotropic(psf), split(psf)
    padded = np.zeros(whole.shape)
    offset = [(n - m) // 2 for n, m in zip(whole.shape, kernel.shape, strict=True)]
    window = tuple(slice(o, o + m) for o, m in zip(offset, kernel.shape, strict=True))
    padded[window] = kernel
    left = fftconvolve(padded, lateral)
    inside = tuple(
        slice(n // 2, n // 2 + m) for n, m in zip(lateral.shape, whole.shape, strict=True)
    )
    left[inside] -= whole
    gradient = fftconvolve(left, lateral[::-1, ::-1], mode="valid")
    gain = (gradient * padded).sum() - gradient.min()
    # By convexity the squared residual is within twice this gain of the best there is.
    assert 0 <= gain < 0.02 * residual**2 * (whole**2).sum()


def test_symmetries():
    assert symmetries(OPTICS["confocal"]) == {"flip", "turn"}
    assert symmetries(OPTICS["gaussian astigmatic"]) == {"flip"}
    skewed = np.zeros((3, 7, 7))
    skewed[1, 3, 3], skewed[1, 2, 4], skewed[1, 4, 2] = 0.8, 0.1, 0.1
    assert symmetries(PSF(skewed, CUBE)) == {"turn"}
    skewed[1, 2, 4], skewed[1, 2, 3] = 0, 0.1
    assert symmetries(PSF(skewed, CUBE)) == frozenset()
