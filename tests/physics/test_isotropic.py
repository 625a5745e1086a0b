"""The isotropic truth: a phantom as blurred along z as it is across."""

import numpy as np
import pytest

from carescope.physics import blur, psf
from carescope.physics.isotropic import isotropic_blur

VOXEL_UM = (0.1, 0.1, 0.1)
LENS = {"na": 1.1, "wavelength_um": 0.52, "refractive_index": 1.33}
KINDS = {
    "confocal": lambda: psf.confocal(**LENS, spacing_um=VOXEL_UM),
    "two-photon": lambda: psf.twophoton(**LENS, spacing_um=VOXEL_UM),
}


def test_of_a_gaussian_it_is_the_lateral_gaussian_in_all_directions():
    volume = np.random.default_rng(0).random((20, 24, 30)).astype(np.float32)
    seen = isotropic_blur(volume, psf.gaussian((0.6, 0.15, 0.15), VOXEL_UM))
    wanted = blur.blur(volume, psf.gaussian((0.15, 0.15, 0.15), VOXEL_UM).values)
    np.testing.assert_allclose(seen, wanted, atol=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_point_looks_alike_from_all_sides(kind):
    point = np.zeros((33, 33, 33), np.float32)
    point[16, 16, 16] = 1
    seen = isotropic_blur(point, KINDS[kind]())
    assert seen[16, 16, 16] == seen.max()
    for turned in (seen.swapaxes(0, 2), seen.swapaxes(0, 1), seen[::-1]):
        np.testing.assert_allclose(turned, seen, atol=1e-4 * seen.max())


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_as_wide_as_the_lateral_blur(kind):
    """A flat object is blurred across alike by the PSF and by the isotropic blur."""
    optics = KINDS[kind]()
    flat = np.broadcast_to(np.random.default_rng(1).random((40, 40)), (40, 40, 40))
    wanted = blur.blur(np.array(flat, np.float32), optics.values)[20]
    seen = isotropic_blur(flat, optics)[20]
    np.testing.assert_allclose(seen[8:-8, 8:-8], wanted[8:-8, 8:-8], atol=0.01)


def test_light_is_kept_and_the_border_does_not_darken():
    seen = isotropic_blur(np.full((17, 20, 23), 3.0), KINDS["confocal"]())
    np.testing.assert_allclose(seen, 3.0, rtol=1e-5)
