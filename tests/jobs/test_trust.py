"""Calibration of whole models: what it finds, keeps, and what restoring makes of it."""

import numpy as np
import pytest
import torch

from carescope import Ensemble, Image, Recipe, load_model, model, net, predict
from carescope.errors import InputError, ModelError, OutputError
from carescope.jobs import judging
from carescope.jobs import movie as movies
from carescope.jobs import trust as job
from carescope.jobs.denoise import learn_pairs
from carescope.model import Model
from carescope.task import Task

BLUR = 0.05


def member(seed=0, loss="laplace", channels=1, scale=0.5):
    """A network that gives the image back, with one scale everywhere."""
    scales = {"scales": True} if loss != "mse" else {}
    architecture = {"name": "shuffle", "ndim": 2, "depth": 1, "first_filters": 4}
    architecture |= {"cell": [2, 2], "channels": channels} | scales
    network = net.build(**architecture, seed=seed)
    if scales:
        _, bias = network.scale_head.parameters()
        torch.nn.init.constant_(bias, float(np.log(np.expm1(scale - 1e-3))))
    task = Task(kind="denoise", channels_in=channels, channels_out=channels)
    return Model(network, architecture, Recipe(loss=loss, seed=seed), task)


def held_out(errors, count=6, axes="YX"):
    """Pairs whose inputs differ from the truth by errors of a distribution, over their range."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        truth = rng.random((96, 96)) * 100
        low = truth + 100 * errors(rng, truth.shape)
        pair = [Image(grey.astype(np.float32), "YX", (1, 0.1, 0.1), (), f"{number + 1}.tif")
                for grey in (low, truth)]  # fmt: skip
        made.append(tuple(pair))
    return made


@pytest.mark.parametrize(
    ("family", "errors"),
    [
        ("laplace", lambda rng, shape: rng.laplace(0, BLUR, shape)),
        ("gaussian", lambda rng, shape: rng.normal(0, BLUR, shape)),
    ],
)
@pytest.mark.parametrize("loss", ["laplace", "gaussian"])
def test_intervals_hold_what_they_promise_afterwards(tmp_path, family, errors, loss):
    pairs = held_out(errors)
    model.save(member(loss=loss), tmp_path / "m")
    found = job.calibrate(tmp_path / "m", pairs, tmp_path / "trust.html")
    assert found["family"] == family
    assert found["factors"][0] < 0.5  # the network said 0.5 of the range
    (row,) = found["channels"]
    assert row["predicted_error"] > 0.2
    assert row["calibrated_error"] < 0.02
    assert row["calibrated_coverage"]["90%"] == pytest.approx(0.9, abs=0.02)
    restored = predict.restore(load_model(tmp_path / "m"), pairs[0][0])
    low, high = restored.interval(0.9)
    inside = (low.array() <= pairs[0][1].array()) & (pairs[0][1].array() <= high.array())
    assert inside.mean() == pytest.approx(0.9, abs=0.03)
    page = (tmp_path / "trust.html").read_text()
    assert "Does it keep its word?" in page


def test_a_second_calibration_begins_from_the_networks_own_scales(tmp_path):
    pairs = held_out(lambda rng, shape: rng.laplace(0, BLUR, shape))
    model.save(member(), tmp_path / "m")
    before = load_model(tmp_path / "m").sha256
    first, second = (
        job.calibrate(tmp_path / "m", pairs, tmp_path / "t.html", overwrite=True) for _ in range(2)
    )
    assert first["factors"] == second["factors"]
    kept = load_model(tmp_path / "m")
    assert kept.sha256 == before
    assert kept.facts["calibration"]["from"][0] == "1.tif"


def test_ensembles_are_calibrated_as_one(tmp_path):
    pairs = held_out(lambda rng, shape: rng.normal(0, BLUR, shape), count=3)
    model.save(Ensemble([member(s, scale=0.2 + 0.1 * s) for s in range(3)]), tmp_path / "m")
    raw = predict.restore(load_model(tmp_path / "m"), pairs[0][0])
    found = job.calibrate(tmp_path / "m", pairs, tmp_path / "t.html")
    now = predict.restore(load_model(tmp_path / "m"), pairs[0][0])
    np.testing.assert_allclose(
        now.scale.array(), found["factors"][0] * raw.scale.array(), rtol=2e-3
    )
    np.testing.assert_array_equal(now.disagreement.array(), raw.disagreement.array())
    assert now.spread == found["family"]
    assert "Where the networks differ" in (tmp_path / "t.html").read_text()


def test_scales_follow_the_noise_of_an_image(tmp_path):
    """A network that knows no noise learns here by how much it errs more where there is more."""
    rng, grid = np.random.default_rng(0), np.linspace(0, 1, 96)
    truth = 100 * np.outer(np.sin(3 * grid) ** 2, np.cos(2 * grid) ** 2)

    def pair(noise, number):
        low = truth + rng.normal(0, noise, truth.shape)
        return Image(low.astype(np.float32), "YX"), Image(truth, "YX", source=f"{number}.tif")

    model.save(member(scale=0.1), tmp_path / "m")
    pairs = [pair(noise, n) for n, noise in enumerate((2, 3, 4, 5, 6, 7))]
    found = job.calibrate(tmp_path / "m", pairs, tmp_path / "t.html")
    assert found["trends"][0] == pytest.approx(1, abs=0.2)
    for noise in (2, 10):
        low, high = predict.restore(load_model(tmp_path / "m"), pair(noise, 9)[0]).interval(0.9)
        inside = (low.array() <= truth) & (truth <= high.array())
        assert inside.mean() == pytest.approx(0.9, abs=0.03)


def test_channels_have_factors_of_their_own(tmp_path, monkeypatch):
    one = held_out(lambda rng, shape: rng.laplace(0, 0.05, shape), count=3)
    other = held_out(lambda rng, shape: rng.laplace(0, 0.2, shape), count=3)

    def joined(first, second):
        return Image(np.stack([first.array(), second.array()]), "CYX", source=first.source)

    pairs = [
        (joined(one[n][0], other[n][0]), joined(one[n][1], other[n][1])) for n in range(len(one))
    ]
    model.save(member(channels=2), tmp_path / "m")
    shown, page = [], job.trust_page

    def noting(**told):
        shown.extend(told["examples"])
        return page(**told)

    monkeypatch.setattr(job, "trust_page", noting)
    small, large = job.calibrate(tmp_path / "m", pairs, tmp_path / "t.html")["factors"]
    assert large / small == pytest.approx(4, rel=0.3)
    image, kept = pairs[0][0], load_model(tmp_path / "m")
    scales = predict.restore(kept, image).scale.array()
    for example in (e for e in shown if e.where.startswith("1.tif")):
        told = scales[int(example.where[-1])]
        assert np.median(example.scale) == pytest.approx(np.median(told), rel=0.02)
    assert {e.where[-1] for e in shown} == {"0", "1"}
    for channel in (0, 1):
        out = tmp_path / f"{channel}.mp4"
        assert movies.sample_movie(kept, image, out, frames=2, channel=channel) == 2
    assert (tmp_path / "0.mp4").read_bytes() != (tmp_path / "1.mp4").read_bytes()
    with pytest.raises(InputError, match="from 0 to 1"):
        movies.sample_movie(kept, image, tmp_path / "x.mp4", channel=2)


def test_what_cannot_be_judged_is_refused(tmp_path):
    pairs = held_out(lambda rng, shape: rng.laplace(0, BLUR, shape), count=2)
    model.save(member(loss="mse"), tmp_path / "plain")
    with pytest.raises(ModelError, match="--laplace"):
        job.calibrate(tmp_path / "plain", pairs, tmp_path / "t.html")
    model.save(member(), tmp_path / "m")
    turned = [(low, Image(-high.array(), "YX", source=high.source)) for low, high in pairs]
    with pytest.raises(
        InputError, match=r"1\.tif: the restored image is not brighter where the truth is.*Leave"
    ):
        job.calibrate(tmp_path / "m", turned, tmp_path / "t.html")
    assert not (tmp_path / "t.html").exists()
    assert "calibration" not in load_model(tmp_path / "m").facts
    assert job.calibrate(tmp_path / "m", pairs, tmp_path / "t.html")["warnings"] == []
    with pytest.raises(OutputError, match="exists"):
        job.calibrate(tmp_path / "m", pairs, tmp_path / "t.html")


def test_what_a_model_learnt_from_is_known_whatever_it_is_called(tmp_path):
    pairs = held_out(lambda rng, shape: rng.laplace(0, BLUR, shape), count=4)
    recipe = Recipe(loss="laplace", steps=1, patch_px=32, batch_size=2)
    learn_pairs(pairs[:2], recipe, folder=tmp_path / "m")
    other_names = [
        tuple(Image(i.array(), "YX", source=f"new/{n}.tif") for i in pair)
        for n, pair in enumerate(pairs)
    ]
    with pytest.raises(InputError, match=r"wrongly: 0\.tif; 1\.tif: the model was trained on"):
        job.calibrate(tmp_path / "m", other_names, tmp_path / "t.html")
    assert not (tmp_path / "t.html").exists()
    told = job.calibrate(tmp_path / "m", other_names, tmp_path / "t.html", force=True)["warnings"]
    assert told[0].startswith("0.tif; 1.tif: the model was trained on them.")
    page = (tmp_path / "t.html").read_text()
    assert "from 2 of which the model learnt" in page
    same_names = [
        tuple(Image(i.array(), "YX", source=taught.source) for i in pair)
        for (taught, _), pair in zip(pairs[:2], pairs[2:], strict=True)
    ]
    with pytest.raises(OutputError, match=r"calibrated already, with 0\.tif; 1\.tif; 2\.tif"):
        job.calibrate(tmp_path / "m", same_names, tmp_path / "u.html")
    assert load_model(tmp_path / "m").facts["calibration"]["from"][0] == "0.tif"
    again = job.calibrate(tmp_path / "m", same_names, tmp_path / "u.html", overwrite=True)
    assert not any("trained" in said for said in again["warnings"])


def test_doubtful_pairs_do_not_calibrate(tmp_path):
    pairs = held_out(lambda rng, shape: rng.laplace(0, BLUR, shape), count=2)
    model.save(member(), tmp_path / "m")
    with pytest.raises(InputError, match=r"wrongly: Targets lie shifted\. Give others, or --force"):
        job.calibrate(tmp_path / "m", pairs, tmp_path / "t.html", doubts=["Targets lie shifted."])
    assert "calibration" not in load_model(tmp_path / "m").facts


def test_one_image_is_judged_by_itself_and_an_imported_model_knows_none(tmp_path):
    pairs = held_out(lambda rng, shape: rng.laplace(0, BLUR, shape), count=1)
    model.save(member(), tmp_path / "m")
    said = job.calibrate(tmp_path / "m", pairs, tmp_path / "t.html")["warnings"]
    assert said == [said[0]]
    assert said[0].startswith("One image cannot tell whether intervals")
    page = (tmp_path / "t.html").read_text()
    assert "judged with the factor found on it: of others it says little" in page
    assert "no field vouches for itself" not in page
    assert "Whether it learnt from them, the model does not say." in page


def test_members_are_shown_where_they_differ_most_of_all_images(tmp_path, monkeypatch):
    """Only the third image has values on which these two networks differ."""
    pairs = held_out(lambda rng, shape: rng.laplace(0, BLUR, shape), count=4)
    model.save(Ensemble([member(0), member(1)]), tmp_path / "m")
    shown, page, real = [], job.trust_page, judging.predict.restore

    def noting(**told):
        shown.extend(told["members"])
        return page(**told)

    def differing(one, low):
        found = real(one, low)
        if found.disagreement is not None and low.source == "3.tif":
            found.disagreement.data[40:60, 40:60] = 0.9
        return found

    monkeypatch.setattr(job, "trust_page", noting)
    monkeypatch.setattr(judging.predict, "restore", differing)
    job.calibrate(tmp_path / "m", pairs, tmp_path / "t.html")
    assert {one.where for one in shown} == {"3.tif"}


def test_a_movie_shows_samples_of_the_calibrated_distribution(tmp_path):
    pairs = held_out(lambda rng, shape: rng.laplace(0, BLUR, shape), count=3)
    model.save(member(), tmp_path / "m")
    job.calibrate(tmp_path / "m", pairs, tmp_path / "t.html")
    kept = load_model(tmp_path / "m")
    image = pairs[0][0]
    count = movies.sample_movie(kept, image, tmp_path / "x.mp4", frames=5, crop=(slice(0, 48),) * 2)
    assert count == 5
    assert (tmp_path / "x.mp4").read_bytes()[4:8] == b"ftyp"
    with pytest.raises(ModelError, match="--laplace"):
        movies.sample_movie(member(loss="mse"), image, tmp_path / "y.mp4")
    two = Image(np.stack([image.array()] * 2), "TYX")
    with pytest.raises(InputError, match="--timepoint"):
        movies.sample_movie(kept, two, tmp_path / "y.mp4")
    with pytest.raises(InputError, match="no restored plane 3"):
        movies.sample_movie(kept, image, tmp_path / "y.mp4", plane=3)
    assert not (tmp_path / "y.mp4").exists()
