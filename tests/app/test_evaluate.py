"""`carescope evaluate` of folders, and beside classical methods that were tuned on other images."""

import json
import shutil

import numpy as np
import pytest

from carescope import Image, baselines, metrics
from carescope.write import tiff

USAGE, INPUT = 2, 3


def structure(seed, shape=(40, 48)):
    field = np.random.default_rng(seed).normal(0, 1, shape)
    smooth = baselines.low_pass(field, sigma_px=4)
    return (500 + 200 * smooth / smooth.std()).astype(np.float32)


def noisy(truth, seed):
    return truth + np.random.default_rng(seed).normal(0, 200, truth.shape).astype(np.float32)


def write(path, array, axes="YX", names=()):
    path.parent.mkdir(exist_ok=True)
    tiff.save(path, Image(array, axes, (1.0, 1.0, 1.0), names), overwrite=True)


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Folders of two fields to compare, and of two others to tune on; bm3d takes too long here."""
    methods = {name: baselines.METHODS[name] for name in ("low-pass", "median")}
    monkeypatch.setattr("carescope.baselines.named", lambda _: methods)
    for seed, name in enumerate(("a", "b", "c", "d")):
        truth = structure(seed)
        part = "" if name in "ab" else "tune_"
        write(tmp_path / f"{part}high" / f"{name}.tif", truth)
        write(tmp_path / f"{part}low" / f"{name}.tif", noisy(truth, 10 + seed))
        if not part:
            # A perfect restoration, in another unit, as `carescope restore` would name it.
            write(tmp_path / "restored" / f"{name}.ome.tif", 3 * truth + 1)
    return tmp_path


@pytest.fixture
def call(images, carescope):
    """Evaluate the folders with some options; ``high=...`` replaces what is at a place."""

    def call(
        *options, restored="restored", truth="high", low="low", tune=("tune_low", "tune_high")
    ):
        options += ("--low", images / low) if low else ()
        if tune:
            options += ("--tune-low", images / tune[0], "--tune-high", images / tune[1])
        return carescope("evaluate", images / restored, images / truth, *options)

    return call


def test_baselines_are_scored_with_settings_of_other_images(call, images):
    told = json.loads(call("--baselines", "--json").out)
    names = [row["name"] for row in told["methods"]]
    assert names == ["input", "low-pass", "median", "restored"]
    assert [(row["file"], row["name"]) for row in told["images"]] == [
        (file, name) for file in "ab" for name in names
    ]
    pairs = [(noisy(structure(seed), 10 + seed), structure(seed)) for seed in (2, 3)]
    setting = baselines.tune("low-pass", pairs)
    rows = {row["name"]: row for row in told["methods"]}
    assert rows["low-pass"]["setting"] == setting
    assert rows["input"]["setting"] is None
    scores = [
        metrics.evaluate(
            structure(seed), baselines.apply("low-pass", noisy(structure(seed), 10 + seed), setting)
        )
        for seed in (0, 1)
    ]
    for score in ("nrmse", "ssim", "psnr_db"):
        expected = np.mean([one[score] for one in scores])
        assert rows["low-pass"][score] == pytest.approx(expected, rel=1e-5)
    assert rows["restored"]["nrmse"] < 1e-5 < rows["low-pass"]["nrmse"] < rows["input"]["nrmse"]


def test_the_table_has_a_line_a_method(call):
    ended = call("--baselines")
    assert ended.code == 0
    head, *lines = ended.out.splitlines()
    assert head.split() == ["NRMSE", "SSIM", "PSNR"]
    assert [line.split()[0] for line in lines] == ["input", "low-pass", "median", "restored"]
    assert "sigma_px" in lines[1]
    assert "choosing a setting of median; pairs: 2" in ended.err


def test_methods_that_are_not_installed_are_told(call, monkeypatch):
    monkeypatch.setattr("carescope.baselines.missing", lambda _: ["bm3d"])
    assert "bm3d is left out, as it is not installed: pip install bm3d" in call("--baselines").err


def test_folders_alone_are_compared_by_name(call):
    told = json.loads(call("--json", low=None, tune=None).out)
    assert [row["name"] for row in told["methods"]] == ["restored"]
    assert [row["file"] for row in told["images"]] == ["a", "b"]


def test_what_lies_beside_a_restoration_is_no_image_of_its_own(call, images):
    for name in ("a_scale", "b_disagreement", "b_height"):
        write(images / "restored" / f"{name}.ome.tif", structure(9))
    told = json.loads(call("--json", low=None, tune=None).out)
    assert [row["file"] for row in told["images"]] == ["a", "b"]
    write(images / "restored" / "e_scale.ome.tif", structure(9))  # of no image that is there
    assert "has no e_scale" in call(low=None, tune=None).err


def test_single_files_have_whatever_names_they_like(carescope, images):
    ended = carescope(
        "evaluate", images / "restored" / "a.ome.tif", images / "high" / "a.tif", "--json",
        "--low", images / "low" / "a.tif", "--baselines",
        "--tune-low", images / "tune_low" / "c.tif", "--tune-high", images / "tune_high" / "c.tif",
    )  # fmt: skip
    rows = json.loads(ended.out)["methods"]
    assert [row["name"] for row in rows] == ["input", "low-pass", "median", "restored"]


@pytest.mark.parametrize("axis", ["C", "T"])
def test_single_files_are_scored_as_in_folders(carescope, tmp_path, axis):
    planes = np.stack([structure(0), 3 * structure(1)])
    for place, image in (("restored", planes + noisy(0 * planes, 5)), ("truth", planes)):
        write(tmp_path / place / "cell.tif", image, f"{axis}YX")

    def told(*places):
        options = ("--json", "--axes", f"{axis}YX")
        return json.loads(carescope("evaluate", *places, *options).out)

    folders = told(tmp_path / "restored", tmp_path / "truth")
    single = told(tmp_path / "restored" / "cell.tif", tmp_path / "truth" / "cell.tif")
    assert single == folders
    assert len(single["images"]) == 2
    for row, truth, image in zip(
        single["images"], planes, planes + noisy(0 * planes, 5), strict=True
    ):
        expected = metrics.evaluate(truth, image)
        assert {score: row[score] for score in expected} == pytest.approx(expected)


def test_channels_have_rows_and_settings_of_their_own(carescope, images):
    """The second channel is smoother, and as noisy."""

    def channels(seed):
        fine = structure(seed)
        return np.stack([fine, baselines.low_pass(fine, sigma_px=6)])

    for name, seed in (("two", 5), ("tune", 6)):
        truth = channels(seed)
        write(images / f"{name}_high.tif", truth, "CYX", ("fine", "coarse"))
        write(images / f"{name}_low.tif", noisy(truth, seed), "CYX", ("fine", "coarse"))
    ended = carescope(
        "evaluate", images / "two_high.tif", images / "two_high.tif", "--json", "--baselines",
        "--low", images / "two_low.tif",
        "--tune-low", images / "tune_low.tif", "--tune-high", images / "tune_high.tif",
    )  # fmt: skip
    rows = [row for row in json.loads(ended.out)["methods"] if row["name"] == "low-pass"]
    assert [row["channel"] for row in rows] == ["fine", "coarse"]
    assert rows[0]["setting"]["sigma_px"] < rows[1]["setting"]["sigma_px"]
    plain = carescope(
        "evaluate",
        images / "two_high.tif",
        images / "two_high.tif",
        "--low",
        images / "two_low.tif",
    )
    assert plain.out.splitlines()[-1].startswith("coarse: restored")


def test_time_points_of_volumes_are_scored_apart(carescope, images):
    """Three planes: too few for windows of 7 voxels, so SSIM is taken plane by plane."""
    truth = np.stack([structure(seed, (3, 20, 24)) for seed in (0, 1)])
    write(images / "film.tif", truth, "TZYX")
    write(images / "dim.tif", noisy(truth, 3), "TZYX")
    ended = carescope("evaluate", images / "dim.tif", images / "film.tif", "--json", "--low",
                      images / "dim.tif")  # fmt: skip
    rows = json.loads(ended.out)["images"]
    assert [(row["timepoint"], row["name"]) for row in rows] == [
        (t, name) for t in (0, 1) for name in ("input", "restored")
    ]
    expected = metrics.ssim(truth[1], noisy(truth, 3)[1], planewise=True)
    assert rows[-1]["ssim"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("absent", ["low", "tune_low", "tune_high"])
def test_baselines_need_the_input_and_pairs_to_tune_on(carescope, images, absent):
    given = {name: images / name for name in ("low", "tune_low", "tune_high") if name != absent}
    words = [w for name, path in given.items() for w in ("--" + name.replace("_", "-"), path)]
    ended = carescope("evaluate", images / "restored", images / "high", "--baselines", *words)
    assert ended.code == USAGE
    assert f"--baselines: needs --{absent.replace('_', '-')}." in ended.err


def test_pairs_to_tune_on_are_of_no_use_without_baselines(call):
    ended = call()
    assert ended.code == USAGE
    assert "--tune-low" in ended.err


def test_nothing_is_tuned_on_what_is_compared(call, images):
    shutil.copy(images / "high" / "a.tif", images / "tune_high" / "e.tif")
    shutil.copy(images / "low" / "a.tif", images / "tune_low" / "e.tif")
    ended = call("--baselines")
    assert ended.code == INPUT
    assert "tune_low/e.tif is" in ended.err
    assert "low/a.tif" in ended.err


def test_every_partner_that_lacks_is_named(call, images):
    (images / "low" / "a.tif").unlink()
    (images / "restored" / "b.ome.tif").unlink()
    write(images / "high" / "x.tif", structure(7))
    ended = call("--baselines")
    assert ended.code == INPUT
    assert f"{images / 'low'} has no a, x" in ended.err
    assert f"{images / 'restored'} has no b, x" in ended.err


@pytest.mark.parametrize(
    ("place", "says"),
    [("restored/a.ome.tif", "restored/a.ome.tif has Y=20"), ("low/b.tif", "low/b.tif has Y=20"),
     ("tune_low/c.tif", "tune_low/c.tif has Y=20")],
)  # fmt: skip
def test_images_of_other_sizes_are_named(call, images, place, says):
    write(images / place, structure(8)[:20])
    ended = call("--baselines")
    assert ended.code == INPUT
    assert says in ended.err


def test_images_of_another_kind_are_not_tuned_on(call, images):
    for part, name in (("tune_low", "c"), ("tune_high", "c")):
        write(images / part / f"{name}.tif", structure(2, (4, 40, 48)), "ZYX")
    ended = call("--baselines")
    assert ended.code == INPUT
    assert "tune_low/c.tif has Z=4" in ended.err
    assert "tune_high/c.tif has Z=4" in ended.err


def test_files_and_folders_do_not_mix(call):
    ended = call(truth="high/a.tif", low=None, tune=None)
    assert ended.code == INPUT
    assert "high/a.tif are not" in ended.err


def test_two_files_of_one_name_are_refused(call, images):
    write(images / "high" / "a.ome.tif", structure(0))
    ended = call("--baselines")
    assert ended.code == INPUT
    assert "a.ome.tif and a.tif have the same name" in ended.err


def test_an_image_that_shows_nothing_is_named(call, images):
    write(images / "restored" / "b.ome.tif", np.ones((40, 48), np.float32))
    ended = call("--baselines")
    assert ended.code == INPUT
    assert "restored/b.ome.tif: the restored image is constant" in ended.err
