"""Training data that are simulated alone: reproducible, in one unit, as noisy as they say."""

import numpy as np
import pytest

from carescope import Recipe, pairs
from carescope.errors import UsageError
from carescope.pairs import Scene

SMALL = {
    "phantom": "tubes",
    "settings": {"width_px": 2, "length_px": 60},
    "shape": [64, 80],
    "voxel_um": 0.05,
    "psf": "widefield",
    "na": 1.4,
    "refractive_index": 1.518,
    "wavelength_um": 0.52,
    "fields": 3,
}


def recipe(**changes):
    return Recipe.of(**({"steps": 4, "batch_size": 4, "patch_px": 48} | changes))


def made(changes=None, **of_recipe):
    return pairs.from_scene(Scene.of(SMALL | (changes or {})), recipe(**of_recipe))


@pytest.fixture(scope="module")
def tubes():
    return made()


def test_one_number_stands_for_both_ends_of_a_range_and_for_three_sigmas():
    optics = {"psf": "gaussian", "na": None, "wavelength_um": None, "refractive_index": None}
    short = {"photons": 50, "frames": 10, "autofluorescence": 0.1, "sigma_um": 0.1}
    long = {"photons": [50, 50], "frames": [10, 10], "autofluorescence": [0.1, 0.1]}
    assert Scene.of(SMALL | optics | short) == Scene.of(
        SMALL | optics | long | {"sigma_um": [0.1] * 3}
    )


def test_a_batch_depends_on_seed_and_number_alone(tubes):
    again = made()
    again.batch(0)
    for side in (0, 1):
        np.testing.assert_array_equal(tubes.batch(5)[side], again.batch(5)[side])
    whole, halves = tubes.batch(3), [tubes.batch(3, (i, 2)) for i in range(2)]
    np.testing.assert_array_equal(whole[0], np.concatenate([half[0] for half in halves]))
    assert not np.array_equal(tubes.batch(5)[0], tubes.batch(6)[0])
    assert not np.array_equal(tubes.batch(5)[1], tubes.under(recipe(seed=1)).batch(5)[1])
    np.testing.assert_array_equal(
        tubes.batch(5)[1][:2], tubes.under(recipe(batch_size=2)).batch(5)[1]
    )


def test_what_validates_is_never_trained_on(tubes):
    assert tubes.validation(1)[0][0].shape == (4, 1, 48, 48)
    fields = [field.sharp for field in tubes._fields]
    assert len(fields) == 3 + 8
    for number, one in enumerate(fields):
        assert not any(np.array_equal(one, other) for other in fields[:number])


def test_input_is_target_blurred_and_in_its_grey_levels(tubes):
    """Blur keeps the light, so that means over patches agree but for light that comes and goes."""
    plain = made({"autofluorescence": [0, 0], "photons": [1e5, 1e5], "frames": [1, 1]})
    low, high = plain.batch(0)
    np.testing.assert_allclose(low.mean(axis=(1, 2, 3)), high.mean(axis=(1, 2, 3)), atol=0.05)
    assert high.max() > 1.3 * low.max(), "sharper is brighter"
    assert high.std() > low.std()


@pytest.mark.parametrize(("photons", "frames"), [(50, 1), (50, 10), (200, 1)])
def test_noise_is_that_of_the_mean_of_frames(photons, frames):
    one = made({"photons": [photons] * 2, "frames": [frames] * 2, "read_noise": 6, "gain": 3})
    grey, noise, _ = one._views[0][0]
    assert grey == pytest.approx(3 * photons)
    assert noise.variance(noise.offset + grey) == pytest.approx((9 * photons + 36) / frames)
    found, expected = [], []
    for number in range(4):
        draws = [np.random.default_rng([number, n]) for n in range(8)]
        low, _ = one._cut(draws, range(1))
        bend = low[..., 2:] - 2 * low[..., 1:-1] + low[..., :-2]  # what is smooth is gone
        width = np.mean([view.map.width for view in one._views[0]])
        found.append((bend**2).mean() / 6 * width**2)
        light = one._fields[0].light
        expected.append(noise.variance(noise.offset + grey * light).mean())
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.3)


@pytest.mark.parametrize(
    ("changes", "space"),
    [
        ({}, (48, 48)),
        ({"phantom": "granules", "settings": {"diameters_px": (0, 3)}}, (48, 48)),
        (
            {"phantom": "nuclei", "settings": {"radius_px": (5, 8)}, "shape": [32, 48, 64]}
            | {"psf": "gaussian", "sigma_um": [0.2, 0.1, 0.1], "na": None, "wavelength_um": None}
            | {"refractive_index": None, "voxel_um": [0.1, 0.05, 0.05]},
            (16, 48, 48),
        ),
    ],
)
def test_in_2d_and_3d(changes, space):
    one = made(changes)
    low, high = one.batch(0)
    assert low.shape == high.shape == (4, 1, *space)
    assert np.isfinite(low).all()
    assert np.isfinite(high).all()
    assert one.task.axes == ("YX" if len(space) == 2 else "ZYX")
    assert one.task.pixel_um == pytest.approx(0.05)
    assert one.planes == (32 if len(space) == 3 else 1)


def test_an_empty_field_is_dark():
    """Nothing stained, nothing that shines by itself: no light, rather than no numbers."""
    nothing = {"length_per_px3": 1e-9, "length_px": 300, "background": 0, "width_px": 2}
    scene = Scene.of(SMALL | {"settings": nothing, "autofluorescence": [0, 0]})
    fields = [scene.field(0, number) for number in range(8)]
    assert any(not field.light.any() for field in fields)
    assert all(np.isfinite(field.light).all() for field in fields)


def test_a_target_can_be_less_sharp_than_the_phantom(tubes):
    wide = made({"sharp_um": 0.2})
    assert wide.batch(0)[1].max() < 0.8 * tubes.batch(0)[1].max()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"phantom": "hairs"}, "there is no phantom 'hairs'"),
        ({"photon": [1, 2]}, "did you mean 'photons'"),
        ({"photons": [5, 2]}, "does not rise"),
        ({"photons": [0, 2]}, "does not rise"),
        ({"shape": [8, 8]}, "at least 32"),
        ({"psf": "telescope"}, "psf = 'telescope'"),
        ({"na": None}, "needs --na"),
        ({"settings": {"widht_px": 2}}, "widht_px"),
        ({"settings": {"width_px": 0.2}}, "thinner"),
        ({"phantom": "tissue", "settings": {}, "shape": [48, 48, 48]}, "channels"),
        ({"gain": 0}, "gain = 0"),
        ({"voxel_um": "wide"}, "voxel_um"),
        ({"voxel_um": 0}, "pixels are square"),
        ({"voxel_um": [0.1, 0.05, 0.06]}, "pixels are square"),
        ({"settings": {"persistence_px": 0}}, "is a knot"),
        ({"na": 2.0}, "na: an aperture of 2"),
        ({"fields": 1}, "fields = 1"),
    ],
)
def test_an_impossible_scene_is_refused_by_name(changes, said):
    with pytest.raises(UsageError) as refusal:
        Scene.of({k: v for k, v in (SMALL | changes).items() if v is not None}, "tubes.yaml")
    assert said in str(refusal.value)
    assert "tubes.yaml" in str(refusal.value)


def test_what_is_missing_is_named():
    with pytest.raises(UsageError, match="voxel_um"):
        Scene.of({"phantom": "tubes", "psf": "widefield"})
