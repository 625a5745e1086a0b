"""The axial blur that a stack tells of itself, and when it tells none."""

import dataclasses
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from carescope import Image, phantoms, read
from carescope.errors import InputError
from carescope.physics import blind, blur, kernel, psf, rings, sampling

PIXEL_UM = 0.1
GREY = 500


def recorded(density, sigma_px, every, *, seed=0, smooth_px=0.0):
    """A stack of a density: blurred, thinned to every n-th plane, with photon noise."""
    kernel_ = psf.gaussian(sigma_px, (1, 1, 1)).values
    light = GREY * np.maximum(sampling.sample(blur.blur(density, kernel_), every), 0) + 5
    planes = np.random.default_rng(seed).poisson(light).astype(np.float32)
    if smooth_px:
        planes = gaussian_filter(planes, (0, smooth_px, smooth_px))
    return Image(planes + 100, "ZYX", (every * PIXEL_UM, PIXEL_UM, PIXEL_UM), (), "stack.tif")


def excess(sigma_px):
    return PIXEL_UM * math.sqrt(sigma_px[0] ** 2 - sigma_px[2] ** 2)


@pytest.fixture(scope="module")
def nuclei():
    return phantoms.nuclei((128, 160, 160), 20)[0]


@pytest.fixture(scope="module")
def tubes():
    return phantoms.tubes((128, 160, 160), 20)[0]


@pytest.fixture(scope="module")
def stack(nuclei):
    return recorded(nuclei, (8, 2, 2), 6)


@pytest.fixture(scope="module")
def found(stack):
    return blind.estimate(stack)


@pytest.fixture(scope="module", params=["nuclei", "tubes"])
def density(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize(
    ("sigma_px", "every"), [((8, 2, 2), 8), ((6, 1.5, 1.5), 5), ((4, 2, 2), 4), ((5, 3, 3), 4)]
)
def test_the_blur_is_found(density, sigma_px, every):
    blur = blind.estimate(recorded(density, sigma_px, every))
    assert blur.reason == ""
    assert blur.sigma_split_um == pytest.approx(excess(sigma_px), rel=0.15)
    low, high = blur.interval_um
    assert low < blur.sigma_split_um < high
    assert blur.misfit < 0.15


@pytest.mark.parametrize("every", [1, 4, 6])
def test_no_blur_is_invented(density, every):
    blur = blind.estimate(recorded(density, (2, 2, 2), every))
    assert blur.sigma_split_um == 0
    assert blur.interval_um[0] == 0
    assert blur.interval_um[1] <= 1.5 * PIXEL_UM
    assert blur.reason == ""


def test_noise_smoothed_within_planes_is_not_taken_for_detail(tubes):
    blur = blind.estimate(recorded(tubes, (8, 2, 2), 8, smooth_px=1.0))
    assert blur.sigma_split_um == pytest.approx(PIXEL_UM * math.sqrt(8**2 - 2**2 - 1), rel=0.15)


def test_optics_that_are_no_gaussian(nuclei):
    optics = psf.confocal(1.1, 0.52, 1.33, (PIXEL_UM,) * 3)
    planes = GREY * sampling.sample(blur.blur(nuclei, optics.values), 4)
    planes = np.random.default_rng(0).poisson(np.maximum(planes, 0) + 5)
    blind_ = blind.estimate(Image(planes, "ZYX", (4 * PIXEL_UM, PIXEL_UM, PIXEL_UM)))
    apart = []
    for sigma_um in np.arange(0.1, 0.6, 0.01):
        h_split = kernel.split(psf.gaussian((sigma_um, 0, 0), optics.spacing_um))[0]
        pair = (kernel.full(optics), blur.blur(np.pad(kernel.isotropic(optics), 40), h_split))
        spectra = [np.abs(np.fft.rfft2(k, (256, 256)))[:33] for k in pair]
        apart.append(np.square(spectra[0] - spectra[1]).sum())
    truth_um = 0.1 + 0.01 * int(np.argmin(apart))
    assert blind_.sigma_split_um == pytest.approx(truth_um, rel=0.15)


def test_the_psf_degrades_by_exactly_what_was_found(found):
    made = found.psf((PIXEL_UM,) * 3)
    h_split, residual = kernel.split(made)
    assert h_split.shape[1] == 1
    place = np.arange(len(h_split)) - len(h_split) // 2
    assert PIXEL_UM * math.sqrt(h_split[:, 0] @ place**2) == pytest.approx(
        found.sigma_split_um, rel=0.01
    )
    assert residual < 0.01
    assert found.sigma_z_um == pytest.approx(math.hypot(found.sigma_split_um, found.sigma_xy_um))


def test_the_assumed_lateral_blur_is_of_the_right_size(found):
    assert 0.1 < found.sigma_xy_um < 0.4  # is 0.2


@pytest.mark.parametrize(("gain", "offset"), [(3.7, -40), (0.01, 0), (1, 5000)])
def test_grey_levels_do_not_matter(stack, found, gain, offset):
    planes = gain * stack.array().astype(np.float64) + offset
    other = blind.estimate(Image(planes, "ZYX", stack.voxel_um))
    assert other.sigma_split_um == pytest.approx(found.sigma_split_um, rel=1e-3)
    assert other.interval_um == pytest.approx(found.interval_um, rel=1e-2)


@pytest.mark.parametrize("scale", [0.05, 40])
def test_the_blur_grows_with_the_voxels(stack, found, scale):
    other = blind.estimate(
        dataclasses.replace(stack, voxel_um=tuple(scale * v for v in stack.voxel()))
    )
    # Both are rounded to four digits.
    assert other.sigma_split_um == pytest.approx(scale * found.sigma_split_um, rel=2e-4)
    assert other.sigma_xy_um == pytest.approx(scale * found.sigma_xy_um, rel=2e-4)
    assert other.curves[0].frequency == pytest.approx(found.curves[0].frequency / scale)


def test_mirrored_and_turned_stacks_tell_the_same(stack, found):
    turned = stack.array()[::-1].transpose(0, 2, 1)
    other = blind.estimate(Image(turned, "ZYX", stack.voxel_um))
    assert other.sigma_split_um == pytest.approx(found.sigma_split_um, rel=0.02)


def test_stacks_and_channels_are_pooled(nuclei, tubes):
    one, two = (recorded(d, (8, 2, 2), 8) for d in (nuclei, tubes))
    both = blind.estimate([one, two])
    apart = sorted(blind.estimate(s).sigma_split_um for s in (one, two))
    assert apart[0] * 0.99 <= both.sigma_split_um <= apart[1] * 1.01
    assert len(both.curves) == 2
    channels = Image(np.stack([one.array(), two.array()]), "CZYX", one.voxel_um)
    assert blind.estimate(channels).sigma_split_um == both.sigma_split_um


def test_a_stack_that_tells_nothing_is_left_out_of_the_pool(stack, found):
    flat = Image(np.full(stack.shape, 7.0), "ZYX", stack.voxel_um)
    assert blind.estimate([flat, stack]).sigma_split_um == found.sigma_split_um


def test_the_curves_show_the_fit(stack, found):
    (curves,) = found.curves
    assert curves.frequency[0] == 0
    assert curves.frequency[-1] == pytest.approx(0.5 / stack.voxel_um[0], rel=0.1)
    assert curves.lateral[0] == 1
    assert (np.diff(curves.lateral) < 0).all()
    visible = curves.degraded > 0.02
    np.testing.assert_allclose(curves.degraded[visible], curves.axial[visible], rtol=0.25)
    assert curves.degraded[-1] < 0.1 * curves.lateral[-1]
    assert 0 < curves.band[0] < curves.band[1] <= 0.5 / PIXEL_UM
    best = found.trials_um[np.argmin(found.misfits)]
    assert best == pytest.approx(found.sigma_split_um, rel=0.2)
    assert found.misfits[0] > 2 * found.misfits.min()
    assert json.loads(json.dumps(found.facts()))["sigma_split_um"] == found.sigma_split_um


def refused(planes, voxel_um=(0.8, 0.1, 0.1)):
    blur = blind.estimate(Image(planes, "ZYX", voxel_um))
    assert blur.sigma_split_um is None
    assert blur.sigma_z_um is None
    assert blur.psf((0.1, 0.1, 0.1)) is None
    assert blur.reason.endswith(".")
    json.dumps(blur.facts())
    return blur.reason


def test_few_planes_tell_nothing(stack):
    assert "2 planes are too few" in refused(stack.array()[:2])
    assert "7 planes are too few" in refused(stack.array()[:7])
    assert "20 pixels across" in refused(stack.array()[:, :20])


@pytest.mark.parametrize("seed", range(4))
def test_noise_tells_nothing(seed):
    noise = np.random.default_rng(seed).poisson(100, (16, 128, 128))
    assert "above the noise" in refused(noise)


def test_an_even_stack_tells_nothing():
    assert "one grey level" in refused(np.full((16, 64, 64), 3, np.uint8))
    assert "one grey level" in refused(np.full((16, 64, 64), np.nan))


def test_a_single_small_object_tells_nothing():
    z, y, x = np.ogrid[:16, :256, :256]
    ball = (16 * (z - 8) ** 2 + (y - 32) ** 2 + (x - 32) ** 2 < 200).astype(float)
    noise = np.random.default_rng(0).normal(0, 0.01, ball.shape)
    assert "Too small a part" in refused(gaussian_filter(ball, 1) + noise)


def test_structures_that_lie_in_one_direction(tubes):
    along = np.repeat(gaussian_filter(tubes[::8, :, ::4], (0, 1, 1)), 4, axis=2)
    assert "one direction" in refused(along)


def test_planes_that_do_not_belong_together(stack):
    order = np.random.default_rng(1).permutation(len(stack.array()))
    assert "do not belong together" in refused(stack.array()[order])


def test_a_stack_that_is_sharper_along_z(nuclei):
    sharp = recorded(nuclei, (1, 6, 6), 2)
    assert "sharper along z" in refused(sharp.array(), sharp.voxel_um)


def test_planes_that_are_all_the_same(stack):
    noise = np.random.default_rng(0).normal(0, 2, stack.shape)
    assert "too thin for its blur" in refused(stack.array()[10] + noise)


def test_planes_too_far_apart_leave_it_open(nuclei):
    stack = recorded(nuclei[:, :96, :96], (2, 2, 2), 16)
    assert "any axial blur from 0 to" in refused(stack.array(), stack.voxel_um)


class Huge:
    """A stack of 100 GB that counts what is read of it."""

    shape, dtype = (2000, 5000, 5000), np.dtype(np.uint16)

    def __init__(self, tile):
        self.tile, self.pixels, self.most = tile, 0, 0

    def __getitem__(self, index):
        asked = [range(n)[i] for n, i in zip(self.shape, index, strict=True)]
        at = [np.atleast_1d(np.array(a)) % n for a, n in zip(asked, self.tile.shape, strict=True)]
        view = self.tile[np.ix_(*at)]
        self.pixels, self.most = self.pixels + view.size, max(self.most, view.size)
        return view[0] if isinstance(index[0], int) else view


def test_little_is_read_of_a_huge_stack(stack, found):
    # Mirrored, so that the repetition has no seams.
    tile = np.pad(stack.array(), [(0, n) for n in stack.shape], mode="symmetric")
    huge = Huge(tile.astype(np.uint16))
    blur = blind.estimate(Image(huge, "ZYX", stack.voxel_um))
    assert blur.sigma_split_um == pytest.approx(found.sigma_split_um, rel=0.15)
    assert huge.most <= rings.REGION_PX**2
    assert huge.pixels <= 64 * rings.REGION_PX**2 + 3 * 16 * rings.REGION_PX**2


def test_what_is_no_stack_is_an_error(stack):
    with pytest.raises(InputError, match="ZYX or CZYX, not YX"):
        blind.estimate(Image(np.ones((40, 40)), "YX", stack.voxel_um))
    with pytest.raises(InputError, match="how large its voxels"):
        blind.estimate(Image(stack.data, "ZYX"))
    with pytest.raises(InputError, match="no stack"):
        blind.estimate([])


DATA = os.environ.get("CARESCOPE_DATA")


@pytest.mark.skipif(not DATA, reason="CARESCOPE_DATA names no folder of real stacks")
def test_real_nuclei_tell_the_same_with_planes_left_out():
    file = Path(DATA) / "iso_cells3d_nuclei" / "nuclei.tif"
    planes = read.open(file, axes="ZYX", voxel_um=(0.29, 0.26, 0.26)).array()
    whole, half = (
        blind.estimate(Image(planes[::n], "ZYX", (0.29 * n, 0.26, 0.26))) for n in (1, 2)
    )
    # A water objective of NA 1.2 has about 0.3 um in all.
    assert 0.25 < whole.sigma_z_um < 0.6
    assert half.sigma_split_um == pytest.approx(whole.sigma_split_um, rel=0.15)
