"""OME-Zarr 0.5 is what it says, for us and for others, and appears whole or not at all."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaozarrs
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import carescope as cs
from carescope import Image, read
from carescope.errors import OutputError
from carescope.write.levels import levels, mean
from carescope.write.volume import Volume

DTYPES = ["u1", "u2", "i2", "i4", "u4", "f4", "f8"]


@settings(max_examples=25, deadline=None)
@given(
    axes=st.sampled_from(["YX", "ZYX", "CYX", "TYX", "CZYX", "TZYX", "TCYX", "TCZYX"]),
    dtype=st.sampled_from(DTYPES),
    voxel=st.sampled_from([None, (0.5, 0.2, 0.2), (0.11, 0.1, 0.1)]),
    frame_s=st.sampled_from([None, 0.04, 600.0]),
    data=st.data(),
)
def test_what_is_written_is_read(tmp_path_factory, axes, dtype, voxel, frame_s, data):
    sides = {"T": 3, "C": 3, "Z": 5, "Y": 300, "X": 70}
    shape = tuple(data.draw(st.integers(1, sides[a]), label=a) for a in axes)
    pixels = np.random.default_rng(0).integers(0, 120, shape).astype(dtype)
    names = tuple(f"channel {n}" for n in range(shape[axes.index("C")])) if "C" in axes else ()
    image = Image(pixels, axes, voxel, names, frame_s=frame_s)
    folder = tmp_path_factory.mktemp("out") / "cell.ome.zarr"
    assert cs.save(folder, image, provenance={"caution": "µ"}) == 0
    found = read.open(folder, axes=axes)
    np.testing.assert_array_equal(found.array(), pixels)
    assert (found.axes, found.dtype, found.channel_names) == (axes, np.dtype(dtype), names)
    assert found.frame_s == (frame_s if "T" in axes else None)
    if voxel is None or "Z" in axes:
        assert found.voxel_um == voxel
    else:
        assert found.voxel_um[1:] == voxel[1:]
    assert read.provenance_of(folder) == {"caution": "µ"}
    assert read.gaps_of(folder) == ""
    yaozarrs.validate_zarr_store(str(folder))
    group = zarr.open_group(str(folder), mode="r")
    ome = group.attrs["ome"]
    np.testing.assert_array_equal(group["0"][...], pixels)
    datasets = ome["multiscales"][0]["datasets"]
    scales = [d["coordinateTransformations"][0]["scale"] for d in datasets]
    coarse = pixels
    for finer, scale, level in zip(scales, scales[1:], datasets[1:], strict=False):
        exact = mean(coarse, tuple(round(a / b) for a, b in zip(scale, finer, strict=True)))
        coarse = np.rint(exact).astype(dtype) if dtype[0] in "iu" else exact.astype(dtype)
        np.testing.assert_array_equal(group[level["path"]][...], coarse)
        assert group[level["path"]].metadata.dimension_names == tuple(axes.lower())


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 40), st.integers(1, 40)),
    halved=st.tuples(*[st.sampled_from([1, 2])] * 3),
)
def test_a_coarser_pixel_is_the_mean_of_those_it_covers(shape, halved):
    pixels = np.random.default_rng(0).random(shape)
    found = mean(pixels, halved)
    for at in np.ndindex(found.shape):
        covered = pixels[tuple(slice(h * i, h * (i + 1)) for h, i in zip(halved, at, strict=True))]
        assert found[at] == pytest.approx(covered.mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("voxel", "z_factors"),
    [
        ((0.2, 0.2, 0.2), [1, 2, 4, 8]),
        ((0.8, 0.2, 0.2), [1, 1, 1, 2]),
        ((0.3, 0.2, 0.2), [1, 1, 2, 4]),
        (None, [1, 1, 1, 1]),
    ],
)
def test_planes_are_averaged_where_isotropy_asks_for_it(voxel, z_factors):
    found = levels((64, 2000, 1500), "ZYX", 4, voxel)
    assert [level.factors[0] for level in found] == z_factors
    assert [level.factors[1:] for level in found] == [(f, f) for f in (1, 2, 4, 8)]
    assert found[-1].shape[1:] == (250, 188)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), flat=st.booleans())
def test_files_cover_the_image_once_and_hold_whole_chunks(data, flat):
    axes = "CYX" if flat else "CZYX"
    sides = [3, 3000, 3000] if flat else [2, 300, 400, 400]
    shape = tuple(data.draw(st.integers(1, n)) for n in sides)
    blocks = [n if data.draw(st.booleans()) else 16 * data.draw(st.integers(1, 8)) for n in shape]
    shard = (1, *blocks[1:]) if data.draw(st.booleans()) else None
    for level in levels(shape, axes, 4, (0.2, 0.2, 0.2), shard):
        assert all(s % c == 0 for s, c in zip(level.shard, level.chunk, strict=True))
        covered = sum(np.prod([p.stop - p.start for p in box]) for box in level.files())
        assert covered == np.prod(level.shape)
    if shard:
        first = levels(shape, axes, 4, None, shard)[0]
        for given_side, side, n in zip(shard, first.shard, shape, strict=True):
            assert side == given_side or given_side >= n


def test_others_see_the_right_scale_and_where_coarser_pixels_lie(tmp_path):
    cs.save(tmp_path / "a.zarr", Image(np.zeros((4, 600, 300), "u2"), "ZYX", (0.5, 0.25, 0.125)))
    ome = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())["attributes"]["ome"]
    assert ome["version"] == "0.5"
    multiscale = ome["multiscales"][0]
    assert [(a["name"], a["unit"]) for a in multiscale["axes"]] == [
        (name, "micrometer") for name in "zyx"
    ]
    first, *_, last = [d["coordinateTransformations"] for d in multiscale["datasets"]]
    assert first == [{"type": "scale", "scale": [0.5, 0.25, 0.125]}]
    assert last[0]["scale"] == [0.5, 1.0, 0.5]
    assert last[1]["translation"] == [0, 0.375, 0.1875]


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4"])
def test_another_program_s_reader_finds_the_same_pixels_in_all_levels(tmp_path, dtype):
    # TensorStore shares no code with zarr-python, neither for shards nor for what packs them.
    tensorstore = pytest.importorskip("tensorstore")
    grey = np.random.default_rng(0).integers(0, 250, (3, 70, 600, 300)).astype(dtype)
    cs.save(tmp_path / "a.zarr", Image(grey, "CZYX", (0.5, 0.25, 0.125)))
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert len(group) > 1
    for name, level in group.members():
        path = str(tmp_path / "a.zarr" / name)
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": path}}
        seen = tensorstore.open(spec, read=True).result()
        np.testing.assert_array_equal(seen.read().result(), level[:])
        assert seen.domain.labels == tuple("czyx")
    np.testing.assert_array_equal(group["0"][:], grey)


def test_only_whole_files_are_written_and_a_lost_one_is_noticed(tmp_path):
    volume = Volume(
        tmp_path / "v", shape=(40, 600), axes="YX", dtype="u1", voxel_um=None, shard=(16, 256)
    )
    volume.lay_out()
    with pytest.raises(ValueError, match="begin and end with files"):
        volume[0:8, 0:256] = np.zeros((8, 256), "u1")
    for place in volume.levels[0].files():
        volume[place] = np.full([p.stop - p.start for p in place], 300.0)
    assert volume.clipped == 40 * 600
    for number, place in volume.coarser():
        volume.average(number, place)
    file = tmp_path / "v" / "0" / "c" / "1" / "2"
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(OutputError, match="only 8 of 9 files of level 0 are there"):
        volume.finish("v")
    assert not (tmp_path / "v" / "zarr.json").exists()
    file.write_bytes(content)
    volume.finish("v")
    assert (read.open(tmp_path / "v").array() == 255).all()


KILLED = """
import os, sys
from pathlib import Path
from carescope.write.volume import Volume
volume = Volume(Path(sys.argv[1]), shape=(40, 60), axes="YX", dtype="u1", voxel_um=None)
os.replace = lambda *_: os._exit(9)
volume.finish("v")
"""


def test_what_a_killed_process_left_of_the_metadata_is_swept_away(tmp_path):
    folder = tmp_path / "v.zarr"
    cs.save(folder, Image(np.ones((40, 60), "u1"), "YX"))
    before = sorted(folder.rglob("*"))
    assert subprocess.run([sys.executable, "-c", KILLED, folder], check=False).returncode == 9
    assert len(sorted(folder.rglob("*"))) == len(before) + 1
    Volume(folder, shape=(40, 60), axes="YX", dtype="u1", voxel_um=None).sweep()
    assert sorted(folder.rglob("*")) == before


def test_empty_images_are_stored_like_any_other(tmp_path):
    cs.save(tmp_path / "dark.zarr", Image(np.zeros((3, 70, 70), "f4")))
    assert read.gaps_of(tmp_path / "dark.zarr") == ""


def test_what_fails_leaves_nothing_and_what_is_there_stays(tmp_path):
    class Broken:
        shape, dtype = (3, 5, 5), np.dtype("f4")

        def __getitem__(self, index):
            raise OutputError("no more")

    with pytest.raises(OutputError, match="no more"):
        cs.save(tmp_path / "a.zarr", Image(Broken()))
    assert list(tmp_path.iterdir()) == []
    cs.save(tmp_path / "a.zarr", Image(np.ones((3, 5, 5), "f4")))
    with pytest.raises(OutputError, match="exists already"):
        cs.save(tmp_path / "a.zarr", Image(np.zeros((2, 5, 5), "f4")))
    with pytest.raises(OutputError, match="no more"):
        cs.save(tmp_path / "a.zarr", Image(Broken()), overwrite=True)
    assert (cs.open(tmp_path / "a.zarr").array() == 1).all()
    cs.save(tmp_path / "a.zarr", Image(np.zeros((2, 5, 5), "f4")), overwrite=True)
    assert cs.open(tmp_path / "a.zarr").shape == (2, 5, 5)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]
    with pytest.raises(OutputError, match="no folder"):
        cs.save(tmp_path / "b" / "a.zarr", Image(np.zeros((2, 5, 5), "f4")))
    with pytest.raises(OutputError, match="not written with complex64 pixels"):
        cs.save(tmp_path / "c.zarr", Image(np.zeros((2, 5, 5), "c8")))


def test_axes_in_another_order_are_put_in_order(tmp_path):
    pixels = np.random.default_rng(0).random((2, 3, 5, 7)).astype("f4")
    cs.save(tmp_path / "a.zarr", Image(pixels, "ZCYX"))
    found = cs.open(tmp_path / "a.zarr")
    assert found.axes == "CZYX"
    np.testing.assert_array_equal(found.array(), pixels.transpose(1, 0, 2, 3))
