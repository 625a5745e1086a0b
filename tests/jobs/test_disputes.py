"""How much members disagree over an image: usual on images of the kind, told or refused beyond."""

import numpy as np
import pytest

from carescope import Image, Recipe, model, normalize, phantoms, predict
from carescope.errors import NotTrustedError
from carescope.jobs import restore as job
from carescope.jobs.batch import restore_files
from carescope.jobs.denoise import learn_pairs
from carescope.jobs.disputes import disagreement_over
from carescope.jobs.familiar import unlike
from carescope.jobs.inputs import Optics
from carescope.jobs.learning import learn
from carescope.trust import Fingerprint

PHOTON = 10.0  # grey levels of a photon
# Members that have learnt little disagree over everything.
TRAINED = {"steps": 320, "batch_size": 4, "patch_px": 32, "precision": "float32", "loss": "laplace"}
TRAINED["most_noise"] = 1.0  # so that darker images are another kind
DISAGREE = "the members of the ensemble disagree"


def exposed(high, seed, photon=PHOTON):
    """A noisy image of a plane, in the same grey levels whatever the light."""
    return (np.random.default_rng(seed).poisson(high / photon) * photon).astype(np.float32)


@pytest.fixture(scope="module")
def planes():
    """Planes through nuclei, far apart."""
    density, _ = phantoms.nuclei((144, 160, 160), 7, volume_per_nucleus_px3=10_000)
    return [(500 * density[6 * n] + 100).astype(np.float32) for n in range(24)]


@pytest.fixture(scope="module")
def ensemble(planes, one_thread, tmp_path_factory):
    folder = tmp_path_factory.mktemp("m") / "m"
    pairs = [
        (Image(exposed(high, n), "YX", source=f"{n}.tif"), Image(high, "YX", source=f"{n}.tif"))
        for n, high in enumerate(planes[:10])
    ]
    learn_pairs(pairs, Recipe.of(**TRAINED), members=2, folder=folder)
    return model.load(folder)


def fitted(ensemble, pixels):
    image = Image(pixels, "ZYX"[-pixels.ndim :])
    return image, normalize.fit(image, ensemble.recipe.percentiles)


def test_an_ensemble_remembers_it_beside_what_its_images_look_like(ensemble):
    usual = Fingerprint.from_json(ensemble.facts["fingerprint"]).disagreement
    assert usual.images == 10
    alone = ensemble.members[0].facts["fingerprint"]
    assert alone["disagreement"] is None
    assert alone["channels"] == ensemble.facts["fingerprint"]["channels"]


def test_images_of_the_kind_are_restored_without_a_word(ensemble, planes, tmp_path):
    for number in range(10, 24):
        image = Image(exposed(planes[number], number), "YX")
        out = tmp_path / f"{number}.tif"
        assert job.restore_file(ensemble, image, out, strict=True).warnings == []


def test_beyond_the_usual_it_is_told_and_with_strict_refused_before_anything_is_written(
    ensemble, planes, tmp_path
):
    dim = Image(exposed(planes[12], 1, 60 * PHOTON), "YX", source="dim.tif")
    (said,) = job.restore_file(ensemble, dim, tmp_path / "told.tif").warnings
    assert DISAGREE in said
    good = Image(exposed(planes[12], 1), "YX")
    for name in ("b.tif", "b.zarr"):
        with pytest.raises(NotTrustedError, match=DISAGREE):
            restore_files(ensemble, [good, dim], [tmp_path / "a.tif", tmp_path / name],
                              strict=True)  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["told.tif"]


def test_it_speaks_of_images_too_small_for_their_looks_to_tell(ensemble, planes):
    """A strip of 12 rows: no window of its looks fits, so that these alone are silent."""
    high = planes[11][20:32]
    silent = model.Ensemble(
        ensemble.members, {"fingerprint": ensemble.members[0].facts["fingerprint"]}
    )
    dim, clean = (fitted(ensemble, exposed(high, 3, p * PHOTON)) for p in (60, 1))
    assert unlike(silent, *dim) == ()
    assert unlike(ensemble, *clean) == ()
    (reason,) = unlike(ensemble, *dim)
    assert reason.startswith(DISAGREE)


def test_few_of_many_strips_alarm(ensemble, planes):
    """Over few pixels disagreement scatters more than over the images that told what is usual."""
    strips = [high[row : row + 12] for high in planes[10:] for row in (20, 70, 120)]
    clean, dim = (
        [unlike(ensemble, *fitted(ensemble, exposed(one, n, photons * PHOTON)))
         for n, one in enumerate(strips) if np.ptp(one)]
        for photons in (1, 60)
    )  # fmt: skip
    alarms, told = (sum(any(DISAGREE in reason for reason in one) for one in some)
                    for some in (clean, dim))  # fmt: skip
    assert alarms <= 0.05 * len(clean)
    assert told >= 0.1 * len(dim)


def test_it_is_that_of_the_restoration_itself_where_a_network_sees_no_further(ensemble, planes):
    """Parts without a halo tell about what the restored image shows."""
    image, maps = fitted(ensemble, exposed(planes[15], 4))
    restored = predict.restore(ensemble, image)
    bright = np.clip(maps[0].apply(restored.mean.array()), 0, 1)
    whole = (bright * restored.disagreement.array()).sum() / bright.sum()
    assert disagreement_over(ensemble, image, maps).level == pytest.approx(whole, rel=0.2)


def test_single_networks_and_those_without_scales_say_nothing(ensemble, planes, stack, one_thread):
    image, maps = fitted(ensemble, exposed(planes[15], 4))
    assert disagreement_over(ensemble.members[0], image, maps) is None
    recipe = Recipe.of(steps=2, batch_size=2, patch_px=32, passes=1)
    plain = learn(stack, Optics(psf="none"), recipe, members=2).model
    assert plain.known == {}
    assert disagreement_over(plain, stack, normalize.fit(stack)) is None


@pytest.mark.parametrize("axes", ["isotropic", "ZYX"])
def test_ensembles_for_stacks_know_it_too(axes, stack, one_thread):
    quick = {"steps": 2, "batch_size": 2, "patch_px": 32, "patch_planes": 4, "passes": 1}
    recipe = Recipe.of(**quick, loss="laplace")
    if axes == "isotropic":
        made = learn(stack, Optics(psf="none"), recipe, members=2).model
    else:
        stack = Image(stack.array()[:8], "ZYX")
        made = learn_pairs([(stack, stack)], recipe, members=2).model
    maps = normalize.fit(stack, recipe.percentiles)
    usual = Fingerprint.from_json(made.facts["fingerprint"]).disagreement
    assert usual is not None
    assert unlike(made, stack, maps) == ()
