"""Averaged beads against the PSF that they were simulated with, and against real ones."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates, spline_filter

from carescope.errors import InputError
from carescope.physics import beads, blur, camera, spots
from carescope.physics.pointspread import PSF, core
from carescope.physics.psf import confocal, gaussian, widefield
from carescope.physics.widths import fwhm_um

FINE = 3
SPACING = (0.3, 0.1, 0.1)


def sphere(diameter_um, spacing_um):
    """A bead on voxels, each averaged over 5 x 5 x 5 points."""
    half = [math.ceil(diameter_um / 2 / s) for s in spacing_um]
    axes = [
        (np.arange(5 * (2 * h + 1)) - 5 * h - 2) * s / 5
        for h, s in zip(half, spacing_um, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    ball = (z**2 + y**2 + x**2 <= (diameter_um / 2) ** 2).astype(float)
    shape = [n for h in half for n in (2 * h + 1, 5)]
    ball = ball.reshape(shape).mean(axis=(1, 3, 5))
    return ball / ball.sum()


def seen_by(model, bead_um):
    """A PSF blurred by a bead, on voxels finer than the camera's, its peak 1."""
    fine_um = tuple(s / FINE for s in SPACING)
    fine = model(na=0.8, wavelength_um=0.52, refractive_index=1.33, spacing_um=fine_um)
    middle = [n // 2 for n in fine.values.shape]
    window = tuple(slice(max(0, m - 75), m + 76) for m in middle)
    blurred = blur.blur(fine.values[window], sphere(bead_um, fine_um), boundary="zero")
    return blurred / blurred.max()


def sampled(fine, shape, at):
    """What a camera sees of a bead at a place between its voxels, from spline coefficients."""
    half = np.array(fine.shape) // 2 // FINE - 1
    middle = np.rint(at).astype(int)
    spans = [
        np.arange(max(0, m - h), min(n, m + h + 1))
        for m, h, n in zip(middle, half, shape, strict=True)
    ]
    points = [
        (span - place) * FINE + n // 2 for span, place, n in zip(spans, at, fine.shape, strict=True)
    ]
    seen = np.zeros(shape)
    points = np.meshgrid(*points, indexing="ij")
    seen[np.ix_(*spans)] = map_coordinates(fine, points, prefilter=False)
    return seen


def truth(fine, shape):
    """The fine PSF at the voxels of an averaged one, of sum 1."""
    steps = [
        np.arange(-(n // 2), n // 2 + 1) * FINE + m // 2
        for n, m in zip(shape, fine.shape, strict=True)
    ]
    values = np.maximum(map_coordinates(fine, np.meshgrid(*steps, indexing="ij")), 0)
    return values / values.sum()


@pytest.mark.parametrize("model", [widefield, confocal])
def test_forty_beads_show_the_psf(model):
    draw = np.random.default_rng(3)
    shape = (41, 288, 288)
    fine = seen_by(model, 0.1)
    light, splines = np.zeros(shape), spline_filter(fine)
    for _ in range(40):
        at = draw.uniform((18, 10, 10), (23, 278, 278))
        light += draw.uniform(0.85, 1.15) * sampled(splines, shape, at)
    noisy = camera.expose(100 + 800 * light, camera.Noise(1.0, 100.0, 3.0), draw)
    stack = np.clip(np.rint(noisy), 0, 65535).astype(np.uint16)
    made = beads.average(stack, SPACING)
    assert made.found >= 36
    assert made.used >= 8
    assert made.used + sum(made.discarded.values()) == made.found
    expected = truth(fine, made.psf.values.shape)
    true_um = fwhm_um(PSF(expected, SPACING))
    np.testing.assert_allclose(made.fwhm_um, true_um, rtol=0.05)
    assert np.corrcoef(made.psf.values.ravel(), expected.ravel())[0, 1] > 0.99
    assert made.psf.values.sum() == pytest.approx(1)
    middle = np.array(made.psf.values.shape) // 2
    np.testing.assert_allclose(core(made.psf.values), middle, atol=0.03)


def spot(shape, at, sigma=(2.5, 1.6, 1.6)):
    z, y, x = (
        np.exp(-0.5 * ((np.arange(n) - c) / s) ** 2)
        for n, c, s in zip(shape, at, sigma, strict=True)
    )
    return z[:, None, None] * y[:, None] * x


def field(*spots_at, shape=(31, 240, 240), noise=2.0):
    """Gaussian beads of given places and heights in grey levels."""
    light = np.random.default_rng(0).normal(100, noise, shape)
    for at, height in spots_at:
        light += height * spot(shape, at)
    return light


GOOD = [((15.3, y + 0.2, x - 0.4), 1000.0) for y in (50, 100, 150) for x in (50, 110, 170)]


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ([((15, 200, 60), 4000.0)], beads.BRIGHTNESS),
        ([((15, 200, 60), 300.0)], beads.BRIGHTNESS),
        ([((15, 200, 60), 700.0), ((15, 200, 63), 700.0)], beads.WIDTH),
        ([((15, 1.0, 60), 1000.0)], beads.BORDER),
        ([((2, 200, 60), 1000.0)], beads.BORDER),
        ([((15, 200, 60), 1000.0), ((15, 200, 70), 1000.0)], beads.NEAR),
    ],
)
def test_a_bead_unlike_the_others_is_left_out(odd, reason):
    made = beads.average(field(*GOOD, *odd), SPACING)
    assert made.used == 9
    assert set(made.discarded) == {reason}
    expected = [2.3548 * s * d for s, d in zip((2.5, 1.6, 1.6), SPACING, strict=True)]
    np.testing.assert_allclose(made.fwhm_um, expected, rtol=0.03)


@pytest.mark.parametrize(("top", "dtype"), [(255, np.uint8), (900, np.uint16), (900, np.float32)])
def test_saturated_beads_are_left_out(top, dtype):
    # The limit of the type, or of the camera: in 16 bit, 900 alone says nothing.
    heights = [120.0] * 6 + [400.0] * 3 if top == 255 else [500.0] * 6 + [1200.0] * 3
    light = field(*((at, h) for (at, _), h in zip(GOOD, heights, strict=True)), noise=1.0)
    stack = np.clip(np.rint(light), 0, top).astype(dtype)
    made = beads.average(stack, SPACING)
    assert made.discarded == {beads.SATURATED: 3}
    assert made.used == 6


def test_a_single_bead_is_centred_between_voxels():
    made = beads.average(field(((15.4, 80.3, 99.6), 1000.0), noise=0.0), SPACING)
    assert (made.found, made.used, made.discarded) == (1, 1, {})
    np.testing.assert_allclose(
        core(made.psf.values), np.array(made.psf.values.shape) // 2, atol=0.01
    )
    values = gaussian((0.75, 0.16, 0.16), SPACING)
    np.testing.assert_allclose(made.fwhm_um, fwhm_um(values), rtol=0.01)


def test_more_beads_less_noise():
    one = beads.average(field(*GOOD[:1], noise=40.0), SPACING).psf.values
    nine = beads.average(field(*GOOD, noise=40.0), SPACING).psf.values

    def error(values):
        true = spot(values.shape, np.array(values.shape) // 2)
        return np.square(values / values.max() - true).sum()

    assert error(nine) < error(one) / 3


@settings(deadline=None, max_examples=30)
@given(
    st.tuples(st.floats(14, 16), st.floats(19, 21), st.floats(19, 21)),
    st.tuples(st.floats(1.2, 4), st.floats(1, 3), st.floats(1, 3)),
    st.floats(-50, 5000),
)
def test_a_gaussian_is_fitted_exactly(at, sigma, dark):
    image = dark + 300 * spot((31, 41, 41), at, sigma)
    fitted = spots.fit(image, np.rint(at).astype(np.int64), 2.3548 * np.array(sigma))
    np.testing.assert_allclose(fitted, [*at, 300, *sigma], rtol=1e-4)


@pytest.mark.parametrize("factor", [0.5, 1.0])
def test_large_beads_are_warned_of_with_what_they_hide(factor):
    fine = gaussian((0.3, 0.15, 0.15), (0.05, 0.05, 0.05))
    own = fwhm_um(fine)[2]
    bead_um = factor * own
    seen = np.maximum(blur.blur(fine.values, sphere(bead_um, fine.spacing_um), boundary="zero"), 0)
    seen = PSF(seen / seen.sum(), fine.spacing_um)
    assert beads.too_large(own / 4, fwhm_um(seen)) is None
    said = beads.too_large(bead_um, fwhm_um(seen))
    about = float(said.split("about ")[1].split(" um")[0])
    assert about == pytest.approx(own, rel=0.03)


@pytest.mark.parametrize(
    ("stack", "says", "remedy"),
    [
        (field(), "shows no bead", "--channel"),
        (np.full((9, 30, 30), 5), "shows no bead", "--axes"),
        (field(*GOOD)[:3], "3 x 240 x 240", "planes"),
        (np.ones((30, 30)), "30 x 30", "planes"),
        (np.full((9, 30, 30), np.nan), "not finite", "--fill-nonfinite"),
        (field(((15, 50, 50), 900.0), ((15, 50, 58), 900.0)), "2 too near another", "dilute"),
        (field(((4, 50, 50), 900.0)), "1 cut by the border", "planes above and below"),
        (np.minimum(field(*GOOD[:2]), 600), "2 saturated", "Expose more briefly"),
    ],
)
def test_what_shows_no_psf_is_refused(stack, says, remedy):
    with pytest.raises(InputError) as refused:
        beads.average(stack, SPACING, where="beads.tif")
    assert says in refused.value.what
    assert remedy in refused.value.remedy
    assert refused.value.where == "beads.tif"


@pytest.mark.skipif("CARESCOPE_DATA" not in os.environ, reason="CARESCOPE_DATA is not set")
@pytest.mark.parametrize(
    ("name", "pixel_um", "widths"),
    [
        # 0.51 wavelength / NA is 0.31 um, 0.88 wavelength / (1 - sqrt(1 - NA^2)) is 0.97 um.
        ("psf_wl520nm_z300nm_x130nm_na0.85_n1.0.tif", 0.13, ((0.97, 1.5), (0.31, 0.45))),
        ("BIL113_zstack_z300nm.tif", 0.1, ((0.6, 1.5), (0.3, 0.45))),
    ],
)
def test_a_real_bead(name, pixel_um, widths):
    import tifffile

    image = tifffile.imread(Path(os.environ["CARESCOPE_DATA"]) / "psf_pyotf" / name)
    made = beads.average(image, (0.3, pixel_um, pixel_um))
    assert (made.found, made.used, made.discarded) == (1, 1, {})
    for width, (low, high) in zip(made.fwhm_um, (widths[0], widths[1], widths[1]), strict=True):
        assert low < width < high
    np.testing.assert_allclose(
        core(made.psf.values), np.array(made.psf.values.shape) // 2, atol=0.03
    )
