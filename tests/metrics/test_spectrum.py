"""Spectra along the axes: densities that compare, and a ratio with a known answer."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from carescope.errors import InputError
from carescope.metrics import isotropy_ratio, power_spectrum_axes, spectral_isotropy


def white(shape=(64, 64, 64), seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_the_density_of_white_noise_is_flat_and_integrates_to_its_variance():
    spacing = (0.5, 0.2, 0.1)
    for name, step in zip("zyx", spacing, strict=True):
        frequency, power = power_spectrum_axes(white((40, 61, 80)), spacing)[name]
        assert frequency[-1] == pytest.approx(1 / (2 * step), rel=0.02)
        # one-sided: the variance, 1, spread over 0 to 1/(2 step)
        np.testing.assert_allclose(power[1:], 2 * step, rtol=0.1)


@pytest.mark.parametrize(("axis", "name"), [(0, "z"), (1, "y"), (2, "x")])
def test_a_wave_peaks_at_its_frequency_along_its_axis(axis, name):
    shape, spacing = (40, 48, 56), (2.0, 0.5, 0.25)
    cycles_per_um = 5 / (shape[axis] * spacing[axis])
    along = np.arange(shape[axis]) * spacing[axis]
    wave = np.sin(2 * np.pi * cycles_per_um * along)
    volume = 7 + np.broadcast_to(np.expand_dims(wave, [i for i in range(3) if i != axis]), shape)
    spectra = power_spectrum_axes(volume, spacing)
    frequency, power = spectra[name]
    assert frequency[np.argmax(power)] == pytest.approx(cycles_per_um)
    for other in set("zyx") - {name}:
        assert spectra[other][1].max() < 1e-12 * power.max()


def test_white_noise_is_isotropic():
    assert spectral_isotropy(white()) == pytest.approx(1, abs=0.05)


def test_a_band_limited_isotropic_field_is_isotropic():
    field = gaussian_filter(white((96, 96, 96)), 1.0, mode="wrap")
    assert spectral_isotropy(field) == pytest.approx(1, abs=0.05)


def test_an_isotropic_field_is_isotropic_on_unequal_voxels():
    # fine enough that nothing aliases where every second plane is dropped
    field = gaussian_filter(white((192, 96, 96), 1), 2.0, mode="wrap")[::2]
    assert spectral_isotropy(field, (2.0, 1.0, 1.0)) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
@pytest.mark.parametrize("band", [(0.05, 0.5), (0.1, 0.25)])
def test_a_field_blurred_along_z_has_the_analytic_ratio(sigma, band):
    field = gaussian_filter1d(white((128, 64, 64), 2), sigma, axis=0, mode="wrap", truncate=8)
    # Along z the density is |H|^2 = exp(-(2 pi sigma f)^2); along x it is the mean of that
    # over all axial frequencies.
    low, high = (math.erf(2 * math.pi * sigma * f) for f in band)
    axial = (high - low) / (4 * math.sqrt(math.pi) * sigma) / (band[1] - band[0])
    lateral = math.erf(math.pi * sigma) / (2 * math.sqrt(math.pi) * sigma)
    expected = axial / lateral
    assert spectral_isotropy(field, band=band) == pytest.approx(expected, rel=0.1)
    assert spectral_isotropy(field) < 0.75  # in the default band


def test_the_more_blur_the_lower_the_ratio():
    ratios = [spectral_isotropy(gaussian_filter1d(white(), s, axis=0)) for s in (0.5, 1.0, 2.0)]
    assert ratios[0] > 0.6 > ratios[1] > 0.2 > 0.1 > ratios[2]


def test_gain_and_offset_do_not_matter():
    field = gaussian_filter1d(white(), 1, axis=0)
    assert spectral_isotropy(1e3 * field + 1e4) == pytest.approx(spectral_isotropy(field))


def test_the_floor_is_taken_from_the_highest_frequencies():
    smooth = gaussian_filter(white((64, 64, 64), 3), 2.0, mode="wrap")
    smooth /= smooth.std()
    noisy = smooth + 0.3 * white(seed=4)
    clean, kept, cut = (
        power_spectrum_axes(v, subtract_floor=s)["x"][1]
        for v, s in [(smooth, False), (noisy, False), (noisy, True)]
    )
    assert kept[-5:].mean() > 0.1 * kept.max() / 100 > cut[-5:].mean()
    assert cut[:8].sum() == pytest.approx(clean[:8].sum(), rel=0.05)
    assert (cut >= 0).all()


def test_the_ratio_of_spectra_is_the_ratio_of_the_volume():
    volume = gaussian_filter1d(white((30, 41, 52)), 1, axis=0)
    spacing = (0.4, 0.2, 0.2)
    assert isotropy_ratio(power_spectrum_axes(volume, spacing)) == spectral_isotropy(
        volume, spacing
    )


def test_integers_are_measured_as_numbers():
    volume = np.random.default_rng(0).integers(0, 65536, (16, 16, 16)).astype(np.uint16)
    assert spectral_isotropy(volume) == spectral_isotropy(volume.astype(np.float64))


def test_keeping_fewer_planes_of_a_real_stack_lowers_its_isotropy():
    data = os.environ.get("CARESCOPE_DATA")
    if not data:
        pytest.skip("CARESCOPE_DATA is not set: no real stack to measure")
    import tifffile
    from scipy.interpolate import CubicSpline

    stack = tifffile.imread(Path(data) / "iso_cells3d_nuclei" / "nuclei.tif")[:57].astype(float)
    ratios = [spectral_isotropy(stack, (0.29, 0.26, 0.26))]
    for factor in (2, 4):
        spline = CubicSpline(np.arange(0, 57, factor), stack[::factor], axis=0)
        ratios.append(spectral_isotropy(spline(np.arange(57)), (0.29, 0.26, 0.26)))
    assert ratios[0] > ratios[1] > ratios[2]


@pytest.mark.parametrize(
    ("volume", "arguments", "says"),
    [
        (np.zeros((8, 8)), {}, "Z, Y, X"),
        (np.zeros((4, 8, 8)), {}, "at least 5"),
        (np.full((8, 8, 8), np.inf), {}, "not finite"),
        (np.ones((8, 8, 8)), {}, "no lateral detail"),
        (white((8, 8, 8)), {"spacing_um": (0, 1, 1)}, "spacing"),
        (white((8, 8, 8)), {"band": (0.3, 0.2)}, "band"),
        (white((8, 8, 8)), {"spacing_um": (4, 1, 1), "band": (0.05, 0.3)}, "band"),
    ],
)
def test_what_has_no_ratio_is_refused(volume, arguments, says):
    with pytest.raises(InputError, match=says):
        spectral_isotropy(volume, **arguments)
