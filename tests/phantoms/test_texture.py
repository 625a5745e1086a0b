"""Noise that makes structures uneven: as strong, and of the scale, that was asked for."""

import numpy as np
import pytest

from carescope.phantoms.texture import NOISE, PerlinNoise, SmoothNoise

SHAPE = (64, 64, 64)


def power(noise):
    """Share of the power at up to 1/4, 1/4 to 3/2 and above of the grid's own frequency."""
    found = np.zeros(3)
    for seed in range(4):
        volume = noise(SHAPE, 8, seed, "power").planes(slice(0, SHAPE[0]))
        frequencies = np.meshgrid(*[np.fft.fftfreq(n) ** 2 for n in SHAPE], indexing="ij")
        band = np.digitize(8 * np.sqrt(sum(frequencies)), (1 / 4, 3 / 2))
        found += np.bincount(band.ravel(), (abs(np.fft.fftn(volume)) ** 2).ravel(), minlength=3)
    return found / found.sum()


@pytest.mark.parametrize("kind", [PerlinNoise, SmoothNoise])
@pytest.mark.parametrize("scale_px", [4, 16])
def test_noise_is_about_0_and_as_strong_whatever_its_scale(kind, scale_px):
    values = [kind((16, 16, 16), scale_px, s, "strength").planes(slice(0, 16)) for s in range(150)]
    assert abs(np.mean(values)) < 0.1
    assert np.std(values) == pytest.approx(NOISE, rel=0.1)


def test_an_octave_of_perlin_noise_is_one_octave_and_splines_wander_over_any_distance():
    wandering, own, finer = power(PerlinNoise)
    assert wandering < 0.05
    assert own > 0.85
    assert finer < 0.1
    assert power(SmoothNoise)[0] > 2 * wandering


def test_perlin_noise_is_that_of_its_formula():
    # A single cell of the grid, voxel by voxel: eight ramps, each blended by 1 - 10t^3 + ...
    shape, scale_px = (8, 8, 8), 16
    noise = PerlinNoise(shape, scale_px, 7, "formula")
    made = noise.planes(slice(0, 8))
    draw = np.random.default_rng(0)
    for z, y, x in draw.integers(0, 8, (20, 3)):
        assert made[z, y, x] == pytest.approx(by_hand(noise, (z, y, x), scale_px), abs=1e-5)


def by_hand(noise, voxel, scale_px):
    place = noise.starts + np.array(voxel) / scale_px
    first = np.floor(place).astype(int)
    total = 0.0
    for corner in np.ndindex(2, 2, 2):
        away = place - first - corner
        t = np.abs(away)
        weight = np.prod(1 - (6 * t**5 - 15 * t**4 + 10 * t**3))
        total += weight * float(noise.directions[(slice(None), *(first + corner))] @ away)
    return total
