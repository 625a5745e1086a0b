"""Several stacks in one call: all are looked over before the first is restored."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from carescope import Image, Recipe, model, net, read
from carescope.task import Task
from carescope.write import tiff


def task(channels):
    geometry = {"factor": 4.0, "step_um": 0.8, "pixel_um": 0.2}
    return Task(kind="isotropic", channels_in=channels, channels_out=channels, **geometry)


@pytest.fixture
def learnt(tmp_path):
    """A model for stacks of 0.8 x 0.2 x 0.2 um that leaves the interpolation as it is."""
    architecture = {"name": "shuffle", "cell": [2, 2], "depth": 1, "first_filters": 4}
    folder = tmp_path / "model"
    network = net.build(**architecture)
    made = model.Model(network, architecture, Recipe(), task(1))
    model.save(made, folder)
    return folder


@pytest.fixture
def stacks(tmp_path, stack):
    """Two small stacks, a.ome.tif and b.tif."""
    small = replace(stack, data=stack.array()[:4, :48, :48])
    paths = [tmp_path / "a.ome.tif", tmp_path / "b.tif"]
    for path in paths:
        tiff.save(path, small)
    return paths


def test_each_goes_into_the_folder_under_its_name(carescope, learnt, stacks, tmp_path):
    ended = carescope("restore", learnt, *stacks, "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    made = sorted((tmp_path / "out").iterdir())
    assert [p.name for p in made] == ["a.ome.tif", "b.ome.tif"]
    first, second = (read.open(p) for p in made)
    assert first.shape == (13, 48, 48)
    np.testing.assert_array_equal(first.array(), second.array())


def test_one_stack_may_go_into_a_folder_too(carescope, learnt, stacks, tmp_path):
    (tmp_path / "day.1").mkdir()
    assert carescope("restore", learnt, stacks[1], "--out", tmp_path / "day.1").code == 0
    assert [p.name for p in (tmp_path / "day.1").iterdir()] == ["b.ome.tif"]


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("kind", ["damaged", "other geometry", "channels", "absent"])
def test_one_bad_stack_stops_them_all_before_the_first(
    refused, learnt, stacks, stack, tmp_path, kind, place
):
    bad = tmp_path / "bad.ome.tif"
    if kind == "damaged":
        bad.write_bytes(stacks[0].read_bytes()[:9000])
    elif kind == "other geometry":
        tiff.save(bad, replace(stack, voxel_um=(1.0, 0.2, 0.2)))
    elif kind == "channels":
        tiff.save(bad, replace(stack, data=stack.array()[None].repeat(2, 0), axes="CZYX"))
    paths = [*stacks]
    paths.insert(place, bad)
    message = refused(3, "restore", learnt, *paths, "--out", tmp_path / "out")
    assert message.startswith(f"carescope: {bad}: ")
    assert message.count("\n") == 1


def test_inputs_of_one_name_are_refused(refused, learnt, stacks, tmp_path):
    twin = tmp_path / "more" / "a.tif"
    twin.parent.mkdir()
    twin.write_bytes(stacks[0].read_bytes())
    message = refused(2, "restore", learnt, stacks[0], twin, "--out", tmp_path / "out")
    assert f"several inputs would be written as {tmp_path / 'out' / 'a.ome.tif'}" in message
    message = refused(2, "restore", learnt, *stacks, "--out", tmp_path / "one.tif")
    assert "several inputs would be written as" in message
    assert "folder" in message


def test_an_input_is_never_replaced(refused, learnt, stacks, tmp_path):
    message = refused(2, "restore", learnt, *stacks, "--out", tmp_path, "--overwrite")
    assert f"{stacks[0]}: is what is read" in message
    link = tmp_path / "link.tif"
    link.symlink_to(stacks[1])
    refused(2, "restore", learnt, stacks[1], "--out", link, "--overwrite")


@pytest.mark.parametrize(
    ("code", "out", "more"),
    [
        (2, "{}/o.png", ()),
        (2, "{}/out", ("--dtype", "complex64")),
        (5, "/proc/out", ()),
        (5, "/proc/o.tif", ()),
        (5, "{}/a.ome.tif/out", ()),
        (5, "{}/nowhere/o.tif", ()),
        (5, "{}/full", ()),
    ],
)
def test_where_nothing_can_be_written(refused, learnt, stacks, tmp_path, code, out, more):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "b.ome.tif").write_bytes(b"")
    message = refused(code, "restore", learnt, stacks[1], "--out", out.format(tmp_path), *more)
    assert message.count("\n") == 1
    assert ("--dtype" if more else out.format(tmp_path)) in message


def test_another_geometry_can_be_forced(carescope, learnt, stack, tmp_path):
    tiff.save(tmp_path / "s.tif", replace(stack, voxel_um=(1.0, 0.2, 0.2)))
    command = ("restore", learnt, tmp_path / "s.tif", "--out", tmp_path / "o.tif")
    assert carescope(*command).code == 3
    assert carescope(*command, "--force").code == 0
    assert read.open(tmp_path / "o.tif").voxel()[0] == pytest.approx(0.25)


def test_info_needs_no_more_than_a_sound_model(carescope, learnt):
    ended = carescope("info", learnt)
    assert ended.code == 0
    assert "shuffle" in ended.out


def saved(folder, seeds=(0,), loss="laplace", channels=1):
    """A small model, or an ensemble of several, with scales where the loss has them."""
    spread = {"scales": True} if loss != "mse" else {}
    architecture = {"name": "shuffle", "cell": [2, 2], "depth": 1, "first_filters": 4}
    architecture |= {"channels": channels} | spread
    made = []
    for seed in seeds:
        network = net.build(**architecture, seed=seed)
        torch.nn.init.normal_(
            network.head.weight, std=0.2, generator=torch.Generator().manual_seed(seed)
        )
        recipe = Recipe(loss=loss, seed=seed)
        made.append(model.Model(network, architecture, recipe, task(channels)))
    model.save(made[0] if len(made) == 1 else model.Ensemble(made), folder)
    return folder


def test_a_folder_of_stacks_is_restored_whole(carescope, learnt, stacks, tmp_path):
    (tmp_path / "in").mkdir()
    for path in stacks:
        path.rename(tmp_path / "in" / path.name)
    (tmp_path / "in" / "notes.txt").write_text("")
    ended = carescope("restore", learnt, tmp_path / "in", "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.ome.tif", "b.ome.tif"]


def test_channels_and_time_points_stay_in_one_file(carescope, stack, tmp_path):
    small = stack.array()[:4, :48, :48]
    film = np.stack([np.stack([small, small[:, ::-1]]), np.stack([small, small]) // 2])
    names = ("DNA", "actin")
    tiff.save(tmp_path / "f.ome.tif", Image(film, "TCZYX", stack.voxel_um, names))
    saved(tmp_path / "m", loss="mse", channels=2)
    command = ("restore", tmp_path / "m", tmp_path / "f.ome.tif", "--out")
    assert carescope(*command, tmp_path / "o.tif").code == 0
    restored = read.open(tmp_path / "o.tif")
    assert (restored.axes, restored.shape) == ("TCZYX", (2, 2, 13, 48, 48))
    assert restored.channel_names == names
    assert restored.voxel() == pytest.approx((0.2, 0.2, 0.2))
    assert carescope(*command, tmp_path / "t.tif", "--timepoint", 1).code == 0
    assert read.open(tmp_path / "t.tif").axes == "CZYX"


def test_a_channel_can_be_chosen(carescope, learnt, refused, stack, tmp_path):
    """For a model of one channel; the refusal says so."""
    small = stack.array()[:4, :48, :48]
    path = tmp_path / "two.ome.tif"
    tiff.save(path, Image(np.stack([small, small]), "CZYX", stack.voxel_um))
    command = ("restore", learnt, path, "--out", tmp_path / "o.tif")
    message = refused(3, *command)
    assert f"{path}: has 2 channels (axes CZYX), and the model restores 1. Choose" in message
    assert "--channel" in message
    assert carescope(*command, "--channel", 1).code == 0
    assert read.open(tmp_path / "o.tif").axes == "ZYX"


@pytest.mark.parametrize("members", [1, 3])
def test_the_spread_lies_beside_the_restoration(carescope, stacks, tmp_path, members):
    saved(tmp_path / "m", range(members))
    command = ("restore", tmp_path / "m", *stacks, "--out", tmp_path / "out", "--json")
    ended = carescope(*command, "--spread", "--dtype", "uint16")
    assert ended.code == 0, ended.err
    names = ["scale", "disagreement"][: 1 + (members > 1)]
    for row, stem in zip(json.loads(ended.out), "ab", strict=True):
        mean = read.open(row["restored"])
        assert mean.dtype == np.uint16
        assert {n: row.get(n) for n in ("scale", "disagreement")} == {
            n: str(tmp_path / "out" / f"{stem}_{n}.ome.tif") if n in names else None
            for n in ("scale", "disagreement")
        }
        for name in names:
            layer = read.open(row[name])
            assert (layer.shape, layer.dtype) == (mean.shape, np.float32)
            assert layer.voxel() == mean.voxel()
            facts = read.provenance_of(row[name])
            assert {"scale": "Laplace", "disagreement": "3 models"}[name] in facts["values"]
            assert facts["model_sha256"] == model.load(tmp_path / "m").sha256
            assert layer.array().min() >= 0
    assert len(list((tmp_path / "out").iterdir())) == 2 * (1 + len(names))


def test_without_scales_there_is_no_spread(refused, learnt, stacks, tmp_path):
    out = ("--out", tmp_path / "out", "--spread")
    message = refused(4, "restore", learnt, *stacks, *out)
    assert message.startswith("carescope: --spread: the model does not say how sure it is")
    assert "--laplace" in message


@pytest.mark.parametrize("taken", ["a.ome.tif", "a_scale.ome.tif", "a_disagreement.ome.tif"])
def test_all_that_will_be_written_is_checked_first(carescope, refused, stacks, tmp_path, taken):
    saved(tmp_path / "m", range(2))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / taken).write_bytes(b"precious")
    command = ("restore", tmp_path / "m", stacks[0], "--out", tmp_path / "out", "--spread")
    assert f"{taken}: exists already" in refused(5, *command)
    assert carescope(*command, "--overwrite").code == 0
    assert read.open(tmp_path / "out" / taken).shape == (13, 48, 48)


def test_an_input_may_not_be_called_like_the_spread_of_another(refused, stacks, tmp_path):
    saved(tmp_path / "m")
    twin = tmp_path / "a_scale.tif"
    twin.write_bytes(stacks[0].read_bytes())
    command = ("restore", tmp_path / "m", stacks[0], twin, "--out", tmp_path / "out", "--spread")
    assert "a_scale.ome.tif: would be written twice" in refused(2, *command)


def test_ctrl_c_leaves_none_of_the_three(carescope, contents, stacks, tmp_path, monkeypatch):
    from carescope.predict import sections

    restore = sections.restored

    def once(*arguments, **named):
        restore(*arguments, **named)
        raise KeyboardInterrupt

    saved(tmp_path / "m", range(2))
    before = contents(tmp_path)
    monkeypatch.setattr(sections, "restored", once)
    command = ("restore", tmp_path / "m", stacks[0], "--out", tmp_path / "o.tif", "--spread")
    assert carescope(*command).code == 130
    assert contents(tmp_path) == before


def test_info_of_an_ensemble(carescope, tmp_path):
    folder = saved(tmp_path / "m", range(3), channels=2)
    told = json.loads(carescope("info", folder, "--json").out)
    several = model.load(folder)
    assert told["sha256"] == several.sha256
    assert told["members"].split(", ") == [m.sha256[:16] for m in several.members]
    assert told["channels"] == 2
    assert told["spread"] == "laplace scales, not calibrated"
