"""Images unlike those that a model was trained on: told when they are restored, or refused."""

import numpy as np
import pytest
import torch

from carescope import Image, Recipe, model, normalize, phantoms, predict
from carescope.errors import NotTrustedError
from carescope.jobs import restore as job
from carescope.jobs.batch import restore_files
from carescope.jobs.denoise import learn_pairs
from carescope.jobs.familiar import fingerprint_of, unlike
from carescope.jobs.inputs import Optics
from carescope.jobs.learning import learn
from carescope.task import Task

QUICK = {"steps": 2, "batch_size": 2, "patch_px": 32, "precision": "float32"}


@pytest.fixture(scope="module")
def fields():
    """Twelve fields of nuclei with little light, and with enough."""
    density, _ = phantoms.nuclei((72, 192, 192), 7, volume_per_nucleus_px3=10_000)
    rng = np.random.default_rng(0)
    high = [500 * density[6 * n] + 100 for n in range(12)]
    low = [rng.poisson(plane / 10) for plane in high]
    return [
        tuple(Image(grey.astype(np.float32), "YX", source=f"{n}.tif") for grey in pair)
        for n, pair in enumerate(zip(low, high, strict=True))
    ]


@pytest.fixture(scope="module")
def learnt(fields, one_thread, tmp_path_factory):
    folder = tmp_path_factory.mktemp("m") / "m"
    learn_pairs(fields[:10], Recipe.of(**QUICK), folder=folder)
    return model.load(folder)


def test_images_of_the_kind_are_restored_without_a_word(learnt, fields, tmp_path):
    for number, (low, _) in enumerate(fields[10:]):
        out = tmp_path / f"{number}.tif"
        assert job.restore_file(learnt, low, out, strict=True).warnings == []


def test_other_images_are_pointed_out_and_with_strict_refused(learnt, fields, tmp_path):
    noise = Image(np.random.default_rng(1).poisson(10, (192, 192)), "YX", source="noise.tif")
    bright = Image(fields[11][1].array(), "YX", source="bright.tif")
    for image in (noise, bright):
        (said,) = job.restore_file(learnt, image, tmp_path / f"{image.source}").warnings
        assert f"{image.source} is unlike the images that the model was trained on" in said
        with pytest.raises(NotTrustedError, match="is unlike"):
            restore_files(
                learnt,
                [fields[10][0], image],
                [tmp_path / "a.tif", tmp_path / "b.tif"],
                strict=True,
            )
    assert not (tmp_path / "a.tif").exists()


def test_what_is_too_small_to_compare_is_not_trusted(learnt, fields, tmp_path):
    tiny = fields[10][0].cropped({"Y": slice(0, 9), "X": slice(0, 20)})
    assert job.restore_file(learnt, tiny, tmp_path / "a.tif").warnings == []
    with pytest.raises(NotTrustedError, match=r"cannot be compared.*as that takes \d+ x \d+ pix"):
        job.restore_file(learnt, tiny, tmp_path / "b.tif", strict=True)


def test_all_files_that_are_refused_are_named(learnt, fields, tmp_path):
    draw = np.random.default_rng(1)
    noise = [Image(draw.poisson(10, (192, 192)), "YX", source=f"noise{n}.tif") for n in (1, 2)]
    targets = [tmp_path / f"{n}.tif" for n in range(3)]
    with pytest.raises(NotTrustedError) as refused:
        restore_files(learnt, [noise[0], fields[10][0], noise[1]], targets, strict=True)
    said = str(refused.value)
    assert "noise1.tif: is unlike" in said
    assert "; noise2.tif: is unlike" in said
    assert said.count("is unlike") == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", [0, 2])
def test_a_film_is_judged_at_its_ends_too(learnt, fields, tmp_path, at):
    frames = [low.array() for low, _ in (fields[10], fields[11], fields[10])]
    film = Image(np.stack(frames), "TYX", source="film.tif")
    assert job.restore_file(learnt, film, tmp_path / "a.tif", strict=True).warnings == []
    frames[at] = np.random.default_rng(1).poisson(10, (192, 192)).astype(np.float32)
    film = Image(np.stack(frames), "TYX", source="film.tif")
    with pytest.raises(NotTrustedError, match=rf"is unlike.*\(frame {at}\)"):
        job.restore_file(learnt, film, tmp_path / "b.tif", strict=True)


@pytest.mark.parametrize("films", [1, 5])
def test_a_model_of_films_that_bleach_knows_their_ends(fields, films):
    """An exposure of half the light is another kind of image, unless films of training had it."""
    rng = np.random.default_rng(2)

    def bleaching(high, least=0.3):
        light = np.linspace(1, least, 5)[:, None, None] * high.array() / 10
        return Image(rng.poisson(light).astype(np.float32), "TYX")

    def doubts(of, film):
        known = fingerprint_of([bleaching(high, of) for _, high in fields[:films]], (2.0, 99.8))
        knowing = model.Model(torch.nn.Identity(), {}, Recipe(), Task(kind="denoise"), known)
        return unlike(knowing, film, normalize.fit(film, (2.0, 99.8)))

    _, high = fields[11]
    assert doubts(0.3, bleaching(high)) == ()
    assert doubts(1.0, bleaching(high, 0.1))


def test_a_model_that_knows_no_images_says_nothing_and_trusts_none(learnt, fields, tmp_path):
    strange = Image(np.random.default_rng(1).poisson(10, (192, 192)), "YX")
    facts = {k: v for k, v in learnt.facts.items() if k != "fingerprint"}
    unknowing = model.Model(learnt.network, learnt.architecture, learnt.recipe, learnt.task, facts)
    assert job.restore_file(unknowing, strange, tmp_path / "o.tif").warnings == []
    for image in (strange, fields[10][0]):
        with pytest.raises(NotTrustedError, match=r"holds no fingerprint\. Restore without --str"):
            job.restore_file(unknowing, image, tmp_path / "p.tif", strict=True)
    assert not (tmp_path / "p.tif").exists()


def test_isotropic_models_know_their_stack_through_both_passes(stack, one_thread, tmp_path):
    optics = Optics(psf="gaussian", sigma_um=(0.8, 0.2, 0.2))
    made = learn(stack, optics, Recipe.of(**QUICK), members=2, folder=tmp_path / "m").model
    assert "fingerprint" in model.load(tmp_path / "m").members[1].facts
    assert job.restore_file(made, stack, tmp_path / "o.tif", strict=True).warnings == []
    assert predict.restore(made, stack).mean.shape[0] == 61
