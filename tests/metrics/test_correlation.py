"""Fourier ring and shell correlation: known spectra, known noise, known band limits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope.errors import InputError, UsageError
from carescope.metrics import fourier_ring_correlation


def white(seed, shape=(96, 112)):
    return np.random.default_rng(seed).normal(0, 1, shape)


def low_passed(image, highest):
    """Only the frequencies below `highest`, in cycles per pixel."""
    axes = np.meshgrid(*map(np.fft.fftfreq, image.shape), indexing="ij")
    return np.fft.ifftn(np.fft.fftn(image) * (sum(f**2 for f in axes) < highest**2)).real


@pytest.mark.parametrize("shape", [(33, 48), (16, 20, 25)])
def test_an_image_correlates_with_itself_and_against_its_negative(shape):
    image = white(0, shape)
    same = fourier_ring_correlation(image, 3 * image + 7)
    np.testing.assert_allclose(same.correlation, 1)
    assert math.isnan(same.resolution_um)
    np.testing.assert_allclose(fourier_ring_correlation(image, -image).correlation, -1)


def test_independent_noise_resolves_nothing():
    found = fourier_ring_correlation(white(0), white(1))
    assert abs(np.mean(found.correlation)) < 0.03
    assert found.resolution_um > 30


@pytest.mark.parametrize("shape", [(256, 256), (40, 64, 64)])
@pytest.mark.parametrize("ratio", [0.25, 1, 4])
def test_two_noisy_recordings_correlate_by_their_signal_to_noise(shape, ratio):
    signal = math.sqrt(ratio) * white(0, shape)
    found = fourier_ring_correlation(signal + white(1, shape), signal + white(2, shape))
    outer = found.correlation[len(found.correlation) // 2 :]
    assert outer.mean() == pytest.approx(ratio / (1 + ratio), abs=0.02)


@pytest.mark.parametrize("threshold", ["1/7", "half-bit"])
@pytest.mark.parametrize("shape", [(200, 200), (48, 64, 64)])
def test_the_resolution_is_where_the_signal_ends(shape, threshold):
    signal = low_passed(3 * white(0, shape), 0.2)
    pair = signal + white(1, shape), signal + white(2, shape)
    found = fourier_ring_correlation(*pair, 0.1, threshold=threshold)
    two_rings = 2 * found.frequency_per_um[0]  # by as much does a window smear the end
    assert 1 / found.resolution_um == pytest.approx(0.2 / 0.1, abs=two_rings)


def test_lengths_are_micrometres_along_each_axis():
    """Half as many planes of twice the distance hold the same rings, up to the lower Nyquist."""
    signal = low_passed(3 * white(0, (48, 64, 64)), 0.2)
    pair = [(signal + white(seed, signal.shape))[::2] for seed in (1, 2)]
    found = fourier_ring_correlation(*pair, (0.2, 0.1, 0.1))
    assert found.frequency_per_um[-1] <= 1 / (2 * 0.2) + 1e-9
    assert found.frequency_per_um[0] == pytest.approx(1 / 6.4)
    assert 1 / found.resolution_um == pytest.approx(2, abs=2 / 6.4)


def test_rings_hold_what_a_full_transform_holds():
    a, b = white(0, (25, 30)), white(1, (25, 30))
    found = fourier_ring_correlation(a, b)

    def spectrum(image):
        window = np.outer(*(np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in image.shape))
        return np.fft.fft2((image - np.average(image, weights=window)) * window)

    first, second = spectrum(a), spectrum(b)
    y, x = np.meshgrid(*map(np.fft.fftfreq, a.shape), indexing="ij")
    ring = np.rint(np.hypot(y, x) * 30)
    for number, value in enumerate(found.correlation, 1):
        here = ring == number
        cross = (first * second.conj()).real[here].sum()
        power = [np.sum(np.abs(s[here]) ** 2) for s in (first, second)]
        assert value == pytest.approx(cross / math.sqrt(power[0] * power[1]))
    assert len(found.correlation) == 15


@given(seed=st.integers(0, 99), gain=st.floats(0.1, 100), offset=st.floats(-1e3, 1e3))
@settings(deadline=None, max_examples=15)
def test_gain_and_offset_do_not_matter(seed, gain, offset):
    signal = low_passed(white(seed, (40, 40)), 0.3)
    a, b = signal + 0.1 * white(seed + 1, (40, 40)), signal + 0.1 * white(seed + 2, (40, 40))
    plain, other = fourier_ring_correlation(a, b), fourier_ring_correlation(a, gain * b + offset)
    np.testing.assert_allclose(other.correlation, plain.correlation, atol=1e-6)


def test_half_a_bit_asks_more_of_small_rings():
    found = fourier_ring_correlation(white(0), white(1), threshold="half-bit")
    assert np.all(np.diff(found.threshold[:40:4]) < 0)
    assert 0.17 < found.threshold[-1] < found.threshold[0] <= 1.01


def test_without_a_window_borders_would_correlate():
    """Two independent images on one slope: its jump at the border is no resolution."""
    slope = np.linspace(0, 30, 128)[:, None]
    found = fourier_ring_correlation(white(0, (128, 128)) + slope, white(1, (128, 128)) + slope)
    assert abs(found.correlation[5:]).max() < 0.5
    assert abs(found.correlation[5:].mean()) < 0.05


@pytest.mark.parametrize(
    ("a", "b", "pixel", "error", "says"),
    [
        (white(0), white(0)[1:], 1, InputError, "but the second image"),
        (np.ones((20, 20)), white(0, (20, 20)), 1, InputError, "constant"),
        (white(0, (4, 20)), white(0, (4, 20)), 1, InputError, "8 pixels"),
        (white(0), white(1), 0, UsageError, "pixel size"),
        (white(0), white(1), (1, np.nan), UsageError, "pixel size"),
    ],
)
def test_what_has_no_rings_is_refused(a, b, pixel, error, says):
    with pytest.raises(error, match=says):
        fourier_ring_correlation(a, b, pixel)


def test_an_unknown_threshold_is_refused():
    with pytest.raises(UsageError, match="half-bit"):
        fourier_ring_correlation(white(0), white(1), threshold="0.5")
