"""Several stacks in one call: all are looked over before the first is restored."""

from dataclasses import replace

import numpy as np
import pytest

from carescope import Recipe, model, net, read
from carescope.normalize import Affine
from carescope.write import tiff


@pytest.fixture
def learnt(tmp_path):
    """A model for stacks of 0.8 x 0.2 x 0.2 um that leaves the interpolation as it is."""
    architecture = {"name": "shuffle", "cell": [2, 2], "depth": 1, "first_filters": 4}
    folder = tmp_path / "model"
    network = net.build(**architecture)
    made = model.Model(network, architecture, Recipe(), Affine(100, 900), 4.0, 0.8, 0.2)
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
