"""Pairs from folders, checked all at once; networks that learn from them."""

import numpy as np
import pytest

from carescope import Image, Recipe, metrics, model, phantoms, predict, read
from carescope.errors import InputError, OutputError, UsageError
from carescope.jobs import denoise as job
from carescope.jobs.passes import Shared
from carescope.jobs.registered import registered
from carescope.write import tiff

QUICK = {"batch_size": 4, "patch_px": 64, "steps_per_epoch": 20, "precision": "float32"}


def recipe(**changes):
    return Recipe.of(**(QUICK | {"steps": 10} | changes))


@pytest.fixture(scope="module")
def planes():
    """Ten fields of nuclei: as a camera sees them with 15 photons, and as they are."""
    density, _ = phantoms.nuclei((64, 128, 128), 2, volume_per_nucleus_px3=12_000)
    rng = np.random.default_rng(0)
    made = []
    for number in range(10):
        high = 100 + 500 * density[6 * number]
        low = 20 + rng.poisson(15 * density[6 * number] + 1) * 5
        sources = [f"{kind}/{number:02}.tif" for kind in ("low", "high")]
        made.append(
            tuple(
                Image(grey.astype(np.float32), "YX", (1, 0.1, 0.1), (), source)
                for grey, source in zip((low, high), sources, strict=True)
            )
        )
    return made


@pytest.fixture
def folders(planes, tmp_path):
    for low, high in planes[:3]:
        for image in (low, high):
            (tmp_path / image.source).parent.mkdir(exist_ok=True)
            tiff.save(tmp_path / image.source, image)
    return tmp_path / "low", tmp_path / "high"


def open_one(path):
    return read.open(path), []


def test_a_few_steps_denoise(planes, one_thread):
    train, test = planes[:8], planes[8:]
    learnt = job.learn_pairs(train, recipe(steps=150)).model
    for low, high in test:
        before, after = (
            metrics.nrmse(high.array(), image.array())
            for image in (low, predict.restore(learnt, low).mean)
        )
        assert after < 0.85 * before
    assert learnt.task.kind == "denoise"
    assert learnt.facts["pairs"] == 8
    assert learnt.facts["trained_on"][0] == "00.tif"


def test_members_are_kept_and_an_interrupted_training_goes_on(planes, tmp_path, one_thread):
    images, own = planes[:3], recipe(loss="laplace")
    whole = job.learn_pairs(images, own, members=2).model

    def cut(progress):
        if progress.done > 0.7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.learn_pairs(images, own, members=2, folder=tmp_path / "m", watch=cut)
    job.learn_pairs(images, own, members=2, folder=tmp_path / "m")
    kept = model.load(tmp_path / "m")
    assert kept.sha256 == whole.sha256
    with pytest.raises(OutputError, match="finished model"):
        job.learn_pairs(images, own, folder=tmp_path / "m")
    tuned = job.learn_pairs(images, recipe(steps=2, loss="laplace"), start=tmp_path / "m/member-0")
    assert tuned.model.facts["started_from"] == kept.members[0].sha256
    with pytest.raises(UsageError, match="predicts scales"):
        job.learn_pairs(images, recipe(), start=tmp_path / "m/member-0", shared=Shared())


def test_stacks_of_few_planes_and_of_many(one_thread):
    rng = np.random.default_rng(0)
    for planes in (3, 20):
        high = rng.random((planes, 64, 64)).astype(np.float32)
        pair = (Image(high + rng.normal(0, 0.1, high.shape), "ZYX"), Image(high, "ZYX"))
        for network in ("auto", "care"):
            learnt = job.learn_pairs([pair], recipe(steps=2, network=network, patch_px=32)).model
            assert learnt.task.axes == "ZYX"
            assert learnt.architecture["pool"][0] == (2 if planes == 20 else 1)
            assert predict.restore(learnt, pair[0]).mean.shape == high.shape


def test_one_channel_becomes_two(planes, one_thread):
    low, high = planes[0]
    two = Image(np.stack([high.array(), high.array()[::-1]]), "CYX", source="two")
    learnt = job.learn_pairs([(low, two)], recipe(steps=3, loss="laplace")).model
    restored = predict.restore(learnt, low)
    assert restored.mean.shape == restored.scale.shape == (2, 128, 128)


def test_files_match_by_name_whatever_their_ending(folders):
    low, high = folders
    (high / "02.tif").rename(high / "02.ome.tiff")
    found, lonely = job.match([low], high)
    assert lonely == []
    assert [(a.name, b.name) for a, b in found] == [
        ("00.tif", "00.tif"),
        ("01.tif", "01.tif"),
        ("02.tif", "02.ome.tiff"),
    ]
    assert len(job.match([low, low], high).files) == 6
    assert job.match([low / "01.tif"], high / "00.tif").files == [(low / "01.tif", high / "00.tif")]


def test_names_without_a_counterpart_are_all_named(folders):
    low, high = folders
    (high / "02.tif").rename(high / "x.tif")
    (low / "00.tif").unlink()
    with pytest.raises(InputError) as caught:
        job.open_pairs(job.match([low], high), open_one)
    for said in ("low/02.tif has no counterpart in", "high/x.tif has none", "high/00.tif has none"):
        assert said in caught.value.what


def test_files_that_cannot_be_read_are_all_named(folders):
    low, high = folders
    for path in (low / "00.tif", high / "02.tif"):
        path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError) as caught:
        job.open_pairs(job.match([low], high), open_one)
    assert "low/00.tif" in caught.value.what
    assert "high/02.tif" in caught.value.what


def test_all_that_is_wrong_is_said_at_once(folders, planes):
    """Names, files and sizes: nobody has to come back for the next refusal."""
    low, high = folders
    (low / "02.tif").rename(low / "x.tif")
    (low / "00.tif").write_bytes((low / "00.tif").read_bytes()[:-1000])
    image = planes[1][1]
    tiff.save(high / "01.tif", Image(image.array()[:-16], "YX", image.voxel_um), overwrite=True)
    with pytest.raises(InputError) as caught:
        job.open_pairs(job.match([low], high), open_one)
    for said in ("x.tif has no counterpart", "low/00.tif: ", "01.tif is Y=128", "target Y=112"):
        assert said in caught.value.what
    assert "one counterpart of the same name" in caught.value.remedy
    assert "equal size" in caught.value.remedy


def test_pixel_sizes_that_differ_are_told(planes, tmp_path):
    """Metadata is wrong too often to refuse what may be one and the same pixel."""
    lows, highs = tmp_path / "low", tmp_path / "high"
    for folder, sizes in ((lows, (0.1, 0.1, 0.2)), (highs, (0.1, 0.4, 0.2))):
        folder.mkdir()
        for number, size in enumerate(sizes):
            grey = planes[number][0].array()
            tiff.save(folder / f"{number}.tif", Image(grey, "YX", (1, size, size)))
    _, (said,) = job.open_pairs(job.match([lows], highs), open_one)
    assert "1.tif has pixels of 0.1 um, its target of 0.4 um; 2.tif has pixels" in said
    # However much there is to be said of single files.
    _, told = job.open_pairs(
        job.match([lows], highs), lambda path: (read.open(path), ["saturated"])
    )
    assert told[0] == said
    assert told[1:3] == [f"{lows / '0.tif'}: saturated", f"{highs / '0.tif'}: saturated"]
    assert "And 1 such warnings more" in told[-1]
    assert "2.tif has pixels of 0.2 um, the first input of 0.1 um" in said
    assert "0.tif" not in said


def test_channels_that_are_made_have_the_names_of_the_targets(planes, one_thread, tmp_path):
    made = [
        (low, Image(np.stack(2 * [high.array()]), "CYX", channel_names=("nuclei", "actin")))
        for low, high in planes
    ]
    learnt = job.learn_pairs(made, recipe(steps=1), folder=tmp_path / "m").model
    assert predict.restore(learnt, planes[0][0]).mean.channel_names == ("nuclei", "actin")


def test_a_folder_that_is_not_there_is_named_alone(tmp_path):
    (tmp_path / "high").mkdir()
    tiff.save(tmp_path / "high" / "a.tif", Image(np.ones((32, 32), np.float32), "YX"))
    with pytest.raises(InputError, match=r"nosuch: there is no such file or folder\. Check"):
        job.match([tmp_path / "nosuch"], tmp_path / "high")


def test_shifted_and_swapped_pairs_are_pointed_out_and_moved_back(planes):
    low, high = planes[0]
    moved = Image(np.roll(high.array(), (5, -9), (0, 1)), "YX", source="high/00.tif")
    kept, _, (said,) = registered([(low, moved), planes[1]])
    assert "00.tif by 0, 5, -9; --register moves such back" in said
    assert kept[0][1] is moved
    ((one, two), _), (said,), doubts = registered([(low, moved), planes[1]], correct=True)
    assert doubts == []
    assert "were moved back" in said
    np.testing.assert_array_equal(two.array(), high.array()[: 128 - 5, 9:])
    assert one.shape == two.shape
    other = Image(np.random.default_rng(0).normal(size=(128, 128)), "YX", source="high/00.tif")
    _, _, (said,) = registered([(low, other)])
    assert "same scene: 00.tif. Were files swapped?" in said


@pytest.mark.parametrize(("axis", "part"), [("T", "frame 2"), ("C", "channel 2")])
def test_what_is_shifted_differently_within_a_pair_is_pointed_out_and_left(planes, axis, part):
    low, high = ([pair[side].array() for pair in planes[:3]] for side in (0, 1))
    drifting = [*high[:2], np.roll(high[2], (6, 0), (0, 1))]
    still, drifted = (
        (Image(np.stack(low), f"{axis}YX", source="low/a.tif"), Image(np.stack(to), f"{axis}YX"))
        for to in (high, drifting)
    )
    assert registered([still])[1:] == ([], [])
    (kept,), _, (said,) = registered([drifted], correct=True)
    assert f"; {part} by 0, 6, 0)" in said
    assert kept is drifted


def test_targets_that_are_noisier_than_inputs_and_equal_ones_are_pointed_out(planes):
    assert registered(planes)[1:] == ([], [])
    _, _, (said,) = registered([(high, low) for low, high in planes[:7]])
    assert "input with noise: 00.tif; 01.tif; 02.tif; 03.tif; 04.tif and 2 more." in said
    assert "Were --low and --high given in each other's place?" in said
    _, _, (said,) = registered([(planes[0][1], planes[0][1]), *planes[1:3]])
    assert "the same image: 00.tif. From these nothing is learnt" in said
    low, high = planes[0]
    moved = Image(np.roll(low.array(), (5, -9), (0, 1)), "YX", source="high/00.tif")
    _, _, said = registered([(high, moved)])
    assert ["in each other's place" in one for one in said] == [True, False]
    assert "by 0, 5, -9" in said[1]
