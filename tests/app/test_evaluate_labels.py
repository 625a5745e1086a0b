"""`carescope evaluate` of label images, and of images that are segmented first."""

import json

import numpy as np
import pytest
from scipy import ndimage
from skimage.filters import threshold_otsu

from carescope import Image, metrics
from carescope.write import tiff

USAGE, INPUT = 2, 3


def labels(seed, shape=(40, 48)):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, shape), 3)
    return ndimage.label(field > 0.3 * field.std())[0].astype(np.uint16)


def write(path, array, axes="YX", voxel_um=(2.0, 1.0, 1.0)):
    path.parent.mkdir(exist_ok=True)
    tiff.save(path, Image(array, axes, voxel_um), overwrite=True)
    return path


def moved(truth):
    return np.roll(truth, 1, axis=-1)


@pytest.fixture
def places(tmp_path):
    """Two fields: true labels, labels found, and a grey image in which to find them."""
    for seed, name in enumerate("ab"):
        truth = labels(seed)
        write(tmp_path / "truth" / f"{name}.tif", truth)
        write(tmp_path / "found" / f"{name}.ome.tif", moved(truth))
        grey = 100.0 * ndimage.gaussian_filter((truth > 0).astype(np.float32), 0.7)
        write(tmp_path / "restored" / f"{name}.tif", grey)
        noise = np.random.default_rng(seed).normal(0, 40, grey.shape).astype(np.float32)
        write(tmp_path / "low" / f"{name}.tif", grey + noise)
    return tmp_path


def test_two_label_images(carescope, places):
    ended = carescope("evaluate", places / "found/a.ome.tif", places / "truth/a.tif", "--labels")
    assert ended.code == 0, ended.err
    head, line = ended.out.splitlines()
    assert head.split() == ["SEG", "true", "found", "matched", "missed"]
    truth = labels(0)
    name, seg, true, found, matched, missed, share = line.split()
    assert name == "restored"
    assert float(seg) == pytest.approx(metrics.seg(truth, moved(truth)), abs=1e-4)
    counts = metrics.matching(truth, moved(truth))
    assert [int(n) for n in (true, found, matched, missed)] == [
        counts.truth_objects, counts.objects, counts.matched, counts.missed
    ]  # fmt: skip
    assert share == f"({counts.unmatched_fraction:.1%})"


def test_folders_pool_all_objects(carescope, places):
    ended = carescope("evaluate", places / "found", places / "truth", "--labels", "--json",
                      "--iou", 0.8)  # fmt: skip
    told = json.loads(ended.out)
    assert [row["file"] for row in told["images"]] == ["a", "b"]
    truths = [labels(seed) for seed in (0, 1)]
    scores = [metrics.seg(t, moved(t)) for t in truths]
    counts = [t.max() for t in truths]
    (row,) = told["methods"]
    assert row["seg"] == pytest.approx(np.average(scores, weights=counts))
    assert row["truth_objects"] == sum(counts)
    assert row["missed"] == sum(metrics.matching(t, moved(t), iou=0.8).missed for t in truths)
    assert row["unmatched_fraction"] == pytest.approx(row["missed"] / sum(counts))


@pytest.mark.parametrize("segmentation", ["components", "watershed"])
def test_a_restoration_is_segmented_beside_its_input(carescope, places, segmentation):
    ended = carescope("evaluate", places / "restored", places / "truth", "--json",
                      "--segment", segmentation, "--low", places / "low")  # fmt: skip
    told = json.loads(ended.out)
    low, restored = told["methods"]
    assert (low["name"], restored["name"]) == ("input", "restored")
    assert low["seg"] < 0.9 * restored["seg"]
    if segmentation == "components":
        truth = labels(0)
        grey = 100.0 * ndimage.gaussian_filter((truth > 0).astype(np.float32), 0.7)
        by_hand = metrics.seg(truth, metrics.components(grey, threshold_otsu(grey)))
        (row,) = [r for r in told["images"] if r["file"] == "a" and r["name"] == "restored"]
        assert row["seg"] == pytest.approx(by_hand)


def test_films_of_volumes_are_scored_moment_by_moment(carescope, tmp_path):
    truth = np.stack([labels(seed, (6, 30, 32)) for seed in (0, 1, 2)])
    truth[2] = 0  # a moment without objects has no SEG of its own
    write(tmp_path / "truth.tif", truth, "TZYX")
    write(tmp_path / "found.tif", moved(truth), "TZYX")
    ended = carescope("evaluate", tmp_path / "found.tif", tmp_path / "truth.tif", "--labels",
                      "--json")  # fmt: skip
    told = json.loads(ended.out)
    assert [row["timepoint"] for row in told["images"]] == [0, 1, 2]
    assert told["images"][2]["seg"] is None
    assert told["images"][1]["seg"] == pytest.approx(metrics.seg(truth[1], moved(truth[1])))


def film():
    """Cells that keep their number while they drift by a pixel a frame."""
    cells = np.pad(labels(5, (60, 72)), 4)
    return np.stack([np.roll(cells, step, axis=1) for step in range(4)])


def renumbered(truth):
    """The same cells, numbered anew in each frame, as a segmentation frame by frame does."""
    draw = np.random.default_rng(0)
    names = (np.append(0, 1 + draw.permutation(frame.max())) for frame in truth)
    return np.stack([name[frame] for name, frame in zip(names, truth, strict=True)])


def test_films_have_links(carescope, tmp_path):
    truth = write(tmp_path / "truth.tif", film(), "TYX")
    found = write(tmp_path / "found.tif", renumbered(film()).astype(np.uint16), "TYX")
    ended = carescope("evaluate", found, truth, "--labels")
    assert ended.code == 0, ended.err
    lines = [line.split() for line in ended.out.splitlines()]
    assert lines[3] == ["links", "true", "found", "matched", "recall", "precision", "F1"]
    by_hand = metrics.tracking(film(), renumbered(film()))
    assert lines[4][:4] == ["restored", *map(str, (by_hand.truth_links, by_hand.links,
                                                   by_hand.matched))]  # fmt: skip
    assert float(lines[4][6]) == pytest.approx(by_hand.f1, abs=1e-4)
    assert by_hand.f1 < 0.5
    linked = carescope("evaluate", found, truth, "--labels", "--track", "--json")
    (row,) = json.loads(linked.out)["methods"]
    assert row["link_recall"] == row["link_precision"] == row["link_f1"] == 1
    assert row["links"] == by_hand.truth_links


def test_what_is_segmented_is_linked(carescope, tmp_path):
    truth = write(tmp_path / "truth.tif", film(), "TYX")
    grey = write(tmp_path / "grey.tif", 100.0 * (film() > 0).astype(np.float32), "TYX")
    ended = carescope("evaluate", grey, truth, "--segment", "components", "--json")
    told = json.loads(ended.out)
    (row,) = told["methods"]
    assert row["seg"] == row["link_f1"] == 1
    assert [image["timepoint"] for image in told["images"]] == [0, 1, 2, 3]


def test_a_film_whose_objects_come_and_go_has_no_links(carescope, tmp_path):
    frames = np.zeros((2, 40, 48), np.uint16)
    frames[0, 5:9, 5:9] = 1
    frames[1, 20:29, 20:29] = 2
    place = write(tmp_path / "film.tif", frames, "TYX")
    ended = carescope("evaluate", place, place, "--labels")
    assert ended.out.splitlines()[-1].split() == ["restored", "0", "0", "0", "–", "–", "–"]
    (row,) = json.loads(carescope("evaluate", place, place, "--labels", "--json").out)["methods"]
    assert row["link_f1"] is None
    assert row["seg"] == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--track",), "--track: is of no use here. Add --labels"),
        (("--track", "--segment", "components"), "--track: is of no use here. Leave it out: what"),
        (("--labels", "--segment", "components"), "--labels: says that both"),
        (("--labels", "--baselines"), "--baselines: "),
        (("--labels", "--low", "x.tif"), "--low: is of no use here"),
        (("--iou", 0.5), "--iou: is of no use here. Add --labels or --segment"),
        (("--segment", "stardist"), "--segment: there is no segmentation 'stardist'"),
        (("--labels", "--iou", 0), "--iou above 0"),
        (("--labels", "--tune-low", "x"), "--tune-low"),
    ],
)
def test_options_that_do_not_go_together(carescope, places, options, says):
    ended = carescope("evaluate", places / "found", places / "truth", *options)
    assert ended.code == USAGE
    assert says in ended.err
    assert "Traceback" not in ended.err


def test_grey_images_are_no_labels(carescope, places):
    ended = carescope("evaluate", places / "restored", places / "truth", "--labels")
    assert ended.code == INPUT
    assert "restored/a.tif: what was found is no label image" in ended.err
    assert "--segment segments an image first" in ended.err


@pytest.mark.parametrize("at", ["found", "truth"])
def test_grey_levels_that_are_whole_numbers_are_no_labels_either(carescope, places, at):
    grey = np.random.default_rng(0).poisson(30, (40, 48)).astype(np.uint16)
    write(places / at / ("a.ome.tif" if at == "found" else "a.tif"), grey)
    ended = carescope("evaluate", places / "found", places / "truth", "--labels")
    assert ended.code == INPUT
    said = "what was found" if at == "found" else "the truth"
    assert f"{said} is no label image: most neighbouring pixels differ" in ended.err


def test_a_truth_without_objects_and_an_image_that_shows_nothing(carescope, tmp_path):
    blank = write(tmp_path / "blank.tif", np.zeros((40, 48), np.uint16))
    truth = write(tmp_path / "truth.tif", labels(0))
    ended = carescope("evaluate", truth, blank, "--labels")
    assert ended.code == INPUT
    assert "no objects" in ended.err
    ended = carescope("evaluate", blank, truth, "--segment", "watershed")
    assert ended.code == INPUT
    assert "blank.tif: a plane or volume is constant" in ended.err
