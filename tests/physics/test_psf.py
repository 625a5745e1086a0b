"""PSFs against the formulas of optics."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope.errors import InputError, UsageError
from carescope.physics.pointspread import gaussian_taps
from carescope.physics.psf import (
    KINDS,
    PSF,
    confocal,
    gaussian,
    lightsheet,
    measured,
    named,
    twophoton,
    widefield,
)

LOW = (0.4, 0.5, 1.33)
HIGH = (0.8, 0.52, 1.33)


def fwhm_um(psf, axis):
    centre = [n // 2 for n in psf.values.shape]
    line = psf.values[tuple(slice(None) if a == axis else c for a, c in enumerate(centre))]
    half = line[centre[axis] :] / line[centre[axis]]
    first = int(np.argmax(half < 0.5))
    fraction = (half[first - 1] - 0.5) / (half[first - 1] - half[first])
    return 2 * (first - 1 + fraction) * psf.spacing_um[axis]


@pytest.mark.parametrize(("na", "index"), [(0.2, 1.0), (0.4, 1.33), (0.6, 1.515)])
def test_widefield_widths(na, index):
    fine = 0.51 * 0.5 / na / 5
    psf = widefield(na, 0.5, index, (4 * fine, fine, fine))
    assert fwhm_um(psf, 2) == pytest.approx(0.51 * 0.5 / na, rel=0.04)
    assert fwhm_um(psf, 0) == pytest.approx(
        0.88 * 0.5 / (index - math.sqrt(index**2 - na**2)), rel=0.03
    )


def test_a_lens_passes_no_frequency_beyond_abbe():
    na, wavelength, index = LOW
    psf = widefield(na, wavelength, index, (1.0, 0.15, 0.15))
    focus = psf.values[psf.values.shape[0] // 2]
    line = focus.sum(axis=0)
    x = (np.arange(len(line)) - len(line) // 2) * 0.15
    cutoff = 2 * na / wavelength

    def passed(share):
        return abs((line * np.exp(-2j * np.pi * share * cutoff * x)).sum()) / line.sum()

    # The transfer of an ideal lens at half of the cutoff is 0.391.
    # Each pixel gathers light over its width.
    assert passed(0.5) == pytest.approx(0.391 * np.sinc(0.5 * cutoff * 0.15), abs=0.02)
    assert max(passed(s) for s in np.linspace(1.02, 1.9, 30)) < 0.005


def test_widefield_holds_the_light_in_focus():
    na, wavelength, index = LOW
    psf = widefield(na, wavelength, index, (2.0, 0.06, 0.06))
    focus = psf.values[psf.values.shape[0] // 2]
    # The peak of an Airy pattern is pi NA^2 / wavelength^2 of its whole light.
    held = focus.sum() * 0.06**2 / focus.max() * math.pi * na**2 / wavelength**2
    assert held > 0.985
    planes = psf.values.sum(axis=(1, 2))
    assert planes.min() > 0.97 * planes.max()


def test_a_pinhole_narrows_the_psf():
    spacing = (0.2, 0.08, 0.08)
    wide, narrow = widefield(*HIGH, spacing), confocal(*HIGH, spacing)
    assert fwhm_um(narrow, 2) < 0.99 * fwhm_um(wide, 2)
    assert fwhm_um(narrow, 0) < 0.85 * fwhm_um(wide, 0)
    planes = narrow.values.sum(axis=(1, 2))
    assert planes[0] < 0.03 * planes.max()


def test_two_photons_square_the_excitation():
    psf = twophoton(0.3, 0.8, 1.33, (1.0, 0.2, 0.2))
    # A squared Airy pattern has its half maximum where the pattern has 0.707.
    assert fwhm_um(psf, 2) == pytest.approx(0.370 * 0.8 / 0.3, rel=0.03)


def test_a_light_sheet_cuts_the_axis_only():
    spacing = (0.1, 0.1, 0.1)
    wide, sheet = widefield(*HIGH, spacing), lightsheet(0.8, 0.1, 0.52, 1.33, spacing)
    assert fwhm_um(sheet, 0) < 0.85 * fwhm_um(wide, 0)
    assert fwhm_um(sheet, 2) == pytest.approx(fwhm_um(wide, 2), rel=0.01)
    waist = sheet.parameters["excitation_um"] / (math.pi * 0.1)
    z = (np.arange(len(sheet.values)) - len(sheet.values) // 2) * 0.1
    planes = sheet.values.sum(axis=(1, 2))
    np.testing.assert_allclose(
        planes / planes.max(), np.exp(-2 * (z / waist) ** 2), rtol=0.02, atol=0.003
    )


@settings(deadline=None, max_examples=60)
@given(st.floats(0.05, 30))
def test_a_gaussian_has_its_variance_on_any_grid(sigma):
    taps = gaussian_taps(sigma)
    position = np.arange(len(taps)) - len(taps) // 2
    assert taps @ position**2 == pytest.approx(sigma**2, rel=1e-6)
    assert (taps >= 0).all()
    np.testing.assert_allclose(taps, taps[::-1])


def test_a_gaussian_is_the_sampled_one():
    psf = gaussian((2.0, 0.5, 0.5), (0.25, 0.25, 0.25))
    z, y, x = (np.arange(n) - n // 2 for n in psf.values.shape)
    exact = np.exp(-(z[:, None, None] ** 2) / 128 - (y[:, None] ** 2 + x**2) / 8)
    np.testing.assert_allclose(psf.values, exact / exact.sum(), rtol=0.02)


@pytest.mark.parametrize("spacing", [(0.25, 0.25, 0.25), (0.7, 0.2, 0.2), (0.2, 0.21, 0.2)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_makes_a_psf_and_makes_it_anew(kind, spacing):
    options = {
        "gaussian": {"sigma_um": (1.0, 0.3, 0.3)},
        "lightsheet": {"na": 0.8, "na_illum": 0.1, "wavelength_um": 0.52},
    }.get(kind, {"na": 0.8, "wavelength_um": 0.52})
    psf = named(kind, spacing, **options)
    assert (psf.kind, psf.spacing_um) == (kind, spacing)
    values = psf.values
    np.testing.assert_allclose(values, values[::-1, ::-1, ::-1], atol=1e-12)
    assert values.max() == values[tuple(n // 2 for n in values.shape)]
    assert values.size < 1_000_000
    other = (0.3, 0.15, 0.15)
    np.testing.assert_array_equal(psf.resampled(other).values, named(kind, other, **options).values)


@pytest.mark.parametrize(
    ("option", "options"),
    [
        ("--na", {"na": 1.4}),
        ("--na", {"na": 1.33}),
        ("--na", {"na": 0.0}),
        ("--na", {"na": float("nan")}),
        ("--wavelength-um", {"wavelength_um": 520}),
        ("--wavelength-um", {"wavelength_um": -0.5}),
        ("--refractive-index", {"refractive_index": 0}),
        ("--na-illum", {"na_illum": -0.1}),
        ("--na-illum", {"na_illum": 1.5}),
    ],
)
def test_impossible_optics_are_refused_by_option(option, options):
    sound = {"na": 0.8, "na_illum": 0.1, "wavelength_um": 0.52, "refractive_index": 1.33}
    with pytest.raises(UsageError) as refusal:
        named("lightsheet", (0.3, 0.3, 0.3), **sound | options)
    assert refusal.value.where == option
    assert refusal.value.remedy


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        ("confocal", {}, "--psf confocal needs --na and --wavelength-um"),
        ("lightsheet", {"na": 0.8, "wavelength_um": 0.5}, "needs --na-illum"),
        ("gaussian", {}, "needs --sigma-um"),
        ("gaussian", {"sigma_um": (1, 1, 1), "na": 0.8}, "takes no --na"),
        ("gaussian", {"sigma_um": (1, -1, 1)}, "three standard deviations"),
        ("gausian", {"sigma_um": (1, 1, 1)}, "there is no PSF 'gausian'"),
        ("gaussian", {"sigma_um": (1e4, 1e4, 1e4)}, "--voxel-um"),
    ],
)
def test_options_that_do_not_fit_are_refused(kind, options, says):
    with pytest.raises(UsageError, match=says):
        named(kind, (0.3, 0.3, 0.3), **options)


def test_excitation_longer_than_emission_is_refused():
    with pytest.raises(UsageError, match="excitation"):
        confocal(*HIGH, (0.3, 0.3, 0.3), excitation_um=0.6)


def bead(shape=(31, 41, 41), at=(15.0, 20.0, 20.0), sigma=(4.0, 2.0, 2.0)):
    z, y, x = (
        np.exp(-0.5 * ((np.arange(n) - a) / s) ** 2)
        for n, a, s in zip(shape, at, sigma, strict=True)
    )
    return z[:, None, None] * y[:, None] * x


def width(psf, axis):
    line = psf.values.sum(axis=tuple(a for a in range(3) if a != axis))
    place = (np.arange(len(line)) - len(line) // 2) * psf.spacing_um[axis]
    return line @ place, line @ place**2


@pytest.mark.parametrize("background", [None, 100.0])
def test_a_measured_bead_is_freed_of_background_and_noise(background):
    noise = np.random.default_rng(0).normal(0, 5, (31, 41, 41))
    psf = measured(100 + 1000 * bead(at=(13.2, 20.3, 21)) + noise, (0.3, 0.1, 0.1), background)
    assert all(n % 2 for n in psf.values.shape)
    assert fwhm_um(psf, 0) == pytest.approx(2.355 * 4 * 0.3, rel=0.05)
    assert fwhm_um(psf, 2) == pytest.approx(2.355 * 2 * 0.1, rel=0.05)
    assert abs(width(psf, 2)[0]) < 0.1


@pytest.mark.parametrize("spacing", [(0.1, 0.05, 0.05), (0.3, 0.1, 0.1), (0.6, 0.4, 0.3)])
def test_a_measured_bead_keeps_width_and_centre_on_another_grid(spacing):
    psf = measured(bead(at=(15.4, 20.3, 19.6)), (0.3, 0.1, 0.1)).resampled(spacing)
    assert psf.spacing_um == spacing
    for axis, sigma in enumerate((1.2, 0.2, 0.2)):
        centre, variance = width(psf, axis)
        assert abs(centre) < 0.03 * sigma
        # Averaging over a voxel that is coarser than the old one adds its own variance.
        coarse = spacing[axis] > (0.3, 0.1, 0.1)[axis]
        voxel = spacing[axis] ** 2 / 12 if coarse else 0.0
        assert variance == pytest.approx(sigma**2 + voxel, rel=0.1)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.full((9, 9, 9), 7.0), "no point"),
        (np.full((9, 9, 9), np.nan), "finite"),
        (np.ones((9, 9)), "9 x 9"),
        (bead(at=(0.0, 20.0, 20.0)), "border"),
        (bead(at=(15, 8, 20)) + bead(at=(15, 32, 20)), "more than one point"),
    ],
)
def test_what_is_no_bead_is_refused(image, says):
    with pytest.raises(InputError, match=says):
        measured(image, (0.3, 0.1, 0.1))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (bead((30, 41, 41)), "odd"),
        (-bead(), "negative"),
        (2 * bead(), "sums to"),
        (bead(at=(12.0, 20.0, 20.0)), "off its centre"),
    ],
)
def test_values_that_are_no_psf_are_refused(values, says):
    if says in ("odd", "off its centre"):
        values = values / values.sum()
    with pytest.raises(InputError, match=says):
        PSF(values, (1, 1, 1))


def test_a_psf_keeps_its_own_copy():
    values = bead() / bead().sum()
    psf = PSF(values, (1, 1, 1))
    values[:] = 0
    assert psf.values.sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="read-only"):
        psf.values[0] = 1


@pytest.mark.skipif("CARESCOPE_DATA" not in os.environ, reason="CARESCOPE_DATA is not set")
@pytest.mark.parametrize(
    ("name", "pixel_um"),
    [("psf_wl520nm_z300nm_x130nm_na0.85_n1.0.tif", 0.13), ("BIL113_zstack_z300nm.tif", 0.1)],
)
def test_real_beads_are_accepted(name, pixel_um):
    import tifffile

    image = tifffile.imread(Path(os.environ["CARESCOPE_DATA"]) / "psf_pyotf" / name)
    psf = measured(image, (0.3, pixel_um, pixel_um)).resampled((pixel_um,) * 3)
    assert psf.values[tuple(n // 2 for n in psf.values.shape)] > 0.95 * psf.values.max()
    assert fwhm_um(psf, 0) > 1.5 * fwhm_um(psf, 2)
    if "na0.85" in name:
        # A real lens is a little worse than 0.51 wavelength / NA.
        assert 0.51 * 0.52 / 0.85 < fwhm_um(psf, 2) < 1.5 * 0.51 * 0.52 / 0.85
