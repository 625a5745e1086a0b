"""Camera noise, made and measured."""

import numpy as np
import pytest

from carescope.errors import InputError, UsageError
from carescope.physics.camera import Noise, estimate, expose

Y, X = np.indices((256, 256))
SCENE = np.stack([0.5 + 0.45 * np.sin(Y / 20 + k) * np.cos(X / 27) for k in range(3)])
NUCLEI = np.stack([np.exp(-(np.sin(Y / 15 + k) ** 2 + np.sin(X / 15) ** 2) * 6) for k in range(3)])

CAMERAS = [
    (1000, Noise(0.5, 100, 2)),
    (1000, Noise(4, 100, 5)),
    (4000, Noise(0.1, 100, 20)),
    (200, Noise(1, 0, 0)),
    (10, Noise(1, 0, 0.5)),
    (30_000, Noise(2, 500, 3)),
    (1, Noise(0.01, 0, 0.02)),
    (1000, Noise(0, 50, 10)),
]


@pytest.mark.parametrize(("peak", "noise"), CAMERAS)
def test_exposure_has_the_mean_and_variance_it_should(peak, noise):
    expected = np.repeat(np.linspace(noise.offset, noise.offset + peak, 5), 200_000)
    taken = expose(expected, noise, np.random.default_rng(0)).astype(float).reshape(5, -1)
    level = expected.reshape(5, -1)[:, 0]
    sigma = np.sqrt(noise.variance(level))
    assert (np.abs(taken.mean(axis=1) - level) <= 5 * sigma / 200_000**0.5 + 1e-6 * peak).all()
    np.testing.assert_allclose(taken.std(axis=1), sigma, rtol=0.01, atol=1e-6 * peak)


def test_few_photons_are_not_truncated_away():
    # An expectation of 0.3 electrons, cut to whole numbers first, would give none at all.
    taken = expose(np.full(400_000, 0.3), Noise(1.0), np.random.default_rng(1))
    assert abs(taken.mean() - 0.3) < 0.005
    assert set(np.unique(taken.round(4))) >= {0.0, 1.0, 2.0}


def test_below_the_offset_only_read_noise_is_left_and_the_mean_stays():
    taken = expose(np.full(200_000, 90.0), Noise(1, 100, 4), np.random.default_rng(2))
    assert abs(taken.mean() - 90) < 0.05
    assert abs(taken.std() - 4) < 0.05


@pytest.mark.parametrize(
    ("scene", "within"), [(SCENE, 0.1), (NUCLEI, 0.2)], ids=["smooth", "nuclei"]
)
@pytest.mark.parametrize(("peak", "noise"), CAMERAS)
def test_the_camera_is_found_from_its_pictures(scene, within, peak, noise):
    signal = noise.offset + peak * scene
    found = estimate(expose(signal, noise, np.random.default_rng(3)))
    assert found.gain == pytest.approx(noise.gain, rel=within, abs=0.005)
    levels = np.quantile(signal, [0.3, 0.6, 0.95])
    np.testing.assert_allclose(found.variance(levels), noise.variance(levels), rtol=within)


def test_read_noise_is_told_apart_where_the_offset_is_known():
    noise = Noise(0.1, 100, 20)
    pictures = expose(100 + 4000 * SCENE, noise, np.random.default_rng(4))
    assert estimate(pictures, offset=100).read_noise == pytest.approx(20, rel=0.15)


@pytest.mark.parametrize("scene", [SCENE, NUCLEI, np.zeros((2, 64, 64))])
def test_images_without_noise_have_none(scene):
    found = estimate(1000 * scene + 100)
    assert found.variance(1100) < 0.5  # shot noise would be 1000 at gain 1
    assert np.isfinite([found.gain, found.offset, found.read_noise]).all()


def test_saturation_does_not_hide_the_noise():
    pictures = expose(200 + 4000 * SCENE, Noise(2, 100, 5), np.random.default_rng(5))
    clipped = np.clip(np.rint(pictures), 0, 3000).astype(np.uint16)
    assert (clipped == 3000).mean() > 0.1
    assert estimate(clipped).gain == pytest.approx(2, rel=0.15)


def test_any_source_of_planes_will_do():
    pictures = expose(1000 * SCENE, Noise(1.0), np.random.default_rng(6))

    class Lazy:
        shape, dtype = pictures.shape, pictures.dtype

        def __getitem__(self, index):
            return pictures[index]

    assert estimate(Lazy()) == estimate(pictures) == estimate(plane for plane in pictures)


def test_refusals():
    with pytest.raises(InputError, match="16 x 16"):
        estimate(np.zeros((4, 12, 200)))
    with pytest.raises(InputError, match="stack of planes"):
        estimate(np.zeros((64, 64)))
    with pytest.raises(UsageError, match="no camera"):
        Noise(-1.0)
