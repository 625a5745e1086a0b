"""From density to grey levels: the brightest voxel has the photons asked for."""

import numpy as np
import pytest

from carescope.errors import InputError, UsageError
from carescope.physics import exposure, psf
from carescope.physics.blur import blur
from carescope.physics.camera import Noise
from carescope.physics.sampling import sample

CAMERA = Noise(gain=2.5, offset=90.0, read_noise=3.0)


@pytest.fixture(scope="module")
def density():
    made = np.zeros((17, 24, 20), np.float32)
    made[8, 12, 9], made[3, 5, 5] = 1.0, 0.5
    return made


def test_without_optics_it_is_the_density_in_grey_levels(density):
    grey = exposure.expected(density, CAMERA, photons=40)
    np.testing.assert_allclose(grey, 90 + 2.5 * 40 * density, rtol=1e-6)


def test_it_is_blurred_then_sampled_then_scaled(density):
    spread = psf.gaussian((0.4, 0.2, 0.2), (0.2, 0.2, 0.2))
    grey = exposure.expected(density, CAMERA, photons=40, psf=spread, factor=4)
    seen = np.maximum(sample(blur(density, spread.values), 4), 0)
    assert grey.shape == (5, 24, 20)
    assert grey.max() == pytest.approx(90 + 100, rel=1e-6)
    np.testing.assert_allclose((grey - 90) / 100, seen / seen.max(), atol=1e-5)


def test_what_is_flat_is_seen_in_focus():
    spread = psf.gaussian((0.4, 0.2, 0.2), (0.2, 0.2, 0.2))
    point = np.zeros((21, 21), np.float32)
    point[10, 10] = 1
    light = exposure.expected(point, Noise(1.0), photons=1.0, psf=spread)
    lateral = spread.values[len(spread.values) // 2]
    half = lateral.shape[0] // 2
    window = slice(10 - half, 11 + half)
    np.testing.assert_allclose(light[window, window], lateral / lateral.max(), atol=1e-5)


def test_what_makes_no_image_is_refused(density):
    with pytest.raises(UsageError, match="0 photo-electrons"):
        exposure.expected(density, CAMERA, photons=0)
    with pytest.raises(UsageError, match="0 grey levels"):
        exposure.expected(density, Noise(0.0), photons=10)
    with pytest.raises(UsageError, match="without planes"):
        exposure.expected(density[0], CAMERA, photons=10, factor=2)
    with pytest.raises(InputError, match="no light"):
        exposure.expected(0 * density, CAMERA, photons=10)
