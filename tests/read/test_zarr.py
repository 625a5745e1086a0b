"""OME-Zarr 0.4 and 0.5: what they say is believed, what they lack is said, and nothing runs."""

import json
import pickle
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import carescope as cs
from carescope import Image, normalize, read
from carescope.errors import InputError
from carescope.jobs.finding import find_images
from carescope.jobs.inputs import open_image
from carescope.read.check import scan

MICROMETERS = {"z": "micrometer", "y": "micrometer", "x": "micrometer"}


def write_04(folder, pixels, names, scale, *, chunk=None, sep="/", deflate=False, units=None):
    """OME-Zarr 0.4 in the format of Zarr 2, by hand, byte by byte; one level."""
    chunk, units = chunk or pixels.shape, MICROMETERS if units is None else units
    kinds = {"t": "time", "c": "channel"}
    axes = [
        {"name": n, "type": kinds.get(n, "space")} | ({"unit": units[n]} if n in units else {})
        for n in names
    ]
    transforms = [{"type": "scale", "scale": list(scale)}]
    datasets = [{"path": "0", "coordinateTransformations": transforms}]
    image = {"version": "0.4", "axes": axes, "datasets": datasets}
    array = {
        **{"zarr_format": 2, "shape": pixels.shape, "chunks": chunk, "dtype": pixels.dtype.str},
        **{"fill_value": 7, "order": "C", "filters": None, "dimension_separator": sep},
        "compressor": {"id": "zlib", "level": 1} if deflate else None,
    }
    level = folder / "0"
    level.mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / ".zattrs").write_text(json.dumps({"multiscales": [image]}))
    (level / ".zarray").write_text(json.dumps(array))
    for at in np.ndindex(*(-(-n // part) for n, part in zip(pixels.shape, chunk, strict=True))):
        held = np.full(chunk, 7, pixels.dtype)
        part = pixels[tuple(slice(i * p, (i + 1) * p) for i, p in zip(at, chunk, strict=True))]
        held[tuple(slice(0, n) for n in part.shape)] = part
        path = level / sep.join(map(str, at))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zlib.compress(held.tobytes()) if deflate else held.tobytes())
    return folder


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.fixture
def grey():
    return np.random.default_rng(0).integers(1, 4000, (6, 20, 30)).astype("u2")


@pytest.fixture
def old(grey, tmp_path):
    return write_04(tmp_path / "old.zarr", grey, "zyx", (2, 0.5, 0.5), chunk=(4, 8, 8))


@pytest.fixture
def new(grey, tmp_path):
    image = Image(grey, "ZYX", (2, 0.5, 0.5))
    cs.save(tmp_path / "new.zarr", image, provenance={"caution": "not for counting"})
    return tmp_path / "new.zarr"


@settings(max_examples=30, deadline=None)
@given(
    names=st.sampled_from(["yx", "zyx", "cyx", "tyx", "czyx", "tczyx", "xyz", "czxy"]),
    dtype=st.sampled_from(["u1", ">u2", "<i2", ">f4", "<f8", "<u4", "|b1"]),
    sep=st.sampled_from("/."),
    deflate=st.booleans(),
    data=st.data(),
)
def test_version_04_in_zarr_2_is_read_as_written(
    tmp_path_factory, names, dtype, sep, deflate, data
):
    shape = tuple(data.draw(st.integers(2, 7)) for _ in names)
    chunk = tuple(data.draw(st.integers(1, n + 2)) for n in shape)
    pixels = np.random.default_rng(1).integers(0, 100, shape).astype(dtype)
    sizes = {"t": 3.0, "c": 1.0, "z": 2000.0, "y": 500.0, "x": 250.0}
    folder = tmp_path_factory.mktemp("v04") / "cell.zarr"
    write_04(
        folder,
        *(pixels, names, [sizes[n] for n in names]),
        **{"chunk": chunk, "sep": sep, "deflate": deflate},
        units=dict.fromkeys("zyx", "nanometer"),
    )
    image = read.open(folder)
    order = [names.index(a.lower()) for a in image.axes]
    assert sorted(image.axes.lower()) == sorted(names)
    assert image.axes.endswith("YX")
    assert image.dtype == np.dtype(dtype).newbyteorder("=")
    expected = pixels.transpose(order)
    np.testing.assert_array_equal(image.array(), expected)
    np.testing.assert_array_equal(image.data[0, ..., ::-2], expected[0, ..., ::-2])
    assert image.voxel_um == pytest.approx((2.0 if "z" in names else 1.0, 0.5, 0.25))
    assert read.gaps_of(folder) == ""


@pytest.mark.parametrize(
    ("units", "voxel"),
    [
        ({"z": "nanometer", "y": "micrometer", "x": "micrometer"}, (0.002, 0.5, 0.25)),
        ({"z": "millimeter", "y": "millimeter", "x": "millimeter"}, (2000, 500, 250)),
        ({"y": "micrometer", "x": "micrometer"}, None),
        ({"z": "micrometer", "y": "parsec", "x": "micrometer"}, None),
        ({}, None),
    ],
)
def test_units_become_micrometres_or_nothing(grey, tmp_path, units, voxel):
    folder = write_04(tmp_path / "a.zarr", grey, "zyx", (2, 0.5, 0.25), units=units)
    found = read.open(folder).voxel_um
    assert found == (None if voxel is None else pytest.approx(voxel))
    assert read.open(folder, voxel_um=(3, 1, 1)).voxel_um == (3, 1, 1)


def test_scales_of_level_and_image_multiply_and_names_are_found(old):
    def more(content):
        image = content["multiscales"][0]
        image["coordinateTransformations"] = [{"type": "scale", "scale": [1, 3, 3]}]
        image["datasets"][0]["coordinateTransformations"].append(
            {"type": "translation", "translation": [5, 5, 5]}
        )
        content["omero"] = {"channels": [{"label": "DNA"}]}

    edit(old / ".zattrs", more)
    image = read.open(old)
    assert image.voxel_um == (2, 1.5, 1.5)
    assert image.channel_names == ("DNA",)
    edit(old / ".zattrs", lambda c: c["omero"]["channels"].append({"label": "too many"}))
    assert read.open(old).channel_names == ()


def test_dimensions_of_length_one_go_unless_they_are_named(grey, tmp_path):
    folder = write_04(tmp_path / "a.zarr", grey[None, None], "tczyx", (1, 1, 2, 0.5, 0.5))
    assert read.open(folder).axes == "ZYX"
    image = read.open(folder, axes="TCZYX")
    assert image.shape == (1, 1, 6, 20, 30)
    np.testing.assert_array_equal(image.array()[0, 0], grey)
    flat = write_04(tmp_path / "b.zarr", grey[:1], "zyx", (2, 0.5, 0.5))
    assert (read.open(flat).axes, read.open(flat, axes="ZYX").shape) == ("YX", (1, 20, 30))
    with pytest.raises(InputError, match="contradicts OME-Zarr metadata"):
        read.open(folder, axes="TYX")


def test_reading_a_block_reads_its_chunks_alone(grey, old):
    for path in (old / "0").rglob("[0-9]*"):
        if path.is_file() and path.relative_to(old / "0").as_posix() != "1/0/2":
            path.write_bytes(b"broken")
    image = read.open(old)
    np.testing.assert_array_equal(image.data[4:, :8, 16:24], grey[4:, :8, 16:24])
    with pytest.raises(InputError, match=r"old\.zarr: is damaged: pixels 4 x 0 x 15 to 6 x 8 x 24"):
        image.data[4:, :8, 15:24]


def test_statistics_of_chunks_are_those_of_planes(grey, old):
    image = read.open(old)
    assert image.data.grain == (4, 8, 8)
    assert scan(image) == scan(Image(grey))
    assert normalize.fit(image) == normalize.fit(Image(grey))


def test_chunks_that_are_absent_are_the_fill_value_and_counted(grey, old):
    (old / "0" / "0" / "1" / "1").unlink()
    image, warnings = open_image(old)
    expected = grey.copy()
    expected[:4, 8:16, 8:16] = 7
    np.testing.assert_array_equal(image.array(), expected)
    assert warnings[0].startswith("1 of 24 files of chunks are absent")
    shutil.rmtree(old / "0" / "0")
    assert "12 of 24" in read.gaps_of(old)
    shutil.rmtree(old / "0" / "1")
    with pytest.raises(InputError, match="none of the 24 files of its finest level 0 is there"):
        read.open(old)


def test_one_flipped_bit_is_noticed_in_what_we_write(new):
    file = next(p for p in (new / "0" / "c").rglob("*") if p.is_file())
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 4
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"is damaged: pixels .*cannot be read"):
        read.open(new).array()


def test_a_file_that_is_cut_short_is_damaged(old, new):
    for folder, name in ((old, "0/1/1/1"), (new, "0/c/0/0/0")):
        path = folder / name
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(InputError, match="is damaged"):
            read.open(folder).array()


class Hostile:
    def __reduce__(self):
        return Path.touch, (Path("ran"),)


@pytest.mark.parametrize("key", ["filters", "compressor"])
def test_no_codec_is_run_that_could_run_code(old, tmp_path, monkeypatch, key):
    monkeypatch.chdir(tmp_path)
    value = {"id": "pickle"}
    change = {key: [value] if key == "filters" else value}
    edit(old / "0" / ".zarray", lambda c: c.update(change))
    for path in (old / "0").rglob("[0-9]*"):
        if path.is_file():
            path.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(InputError, match="is encoded with pickle"):
        read.open(old).array()
    assert not (tmp_path / "ran").exists()


def drop(*keys):
    return lambda content: [content.pop(key) for key in keys]


def inside(change):
    """Change the part of 0.5's attributes that is OME's."""
    return lambda content: change(content["attributes"]["ome"])


def set_to(**values):
    return lambda content: content.update(values)


OLD = {
    "plate": (".zattrs", lambda c: (c.clear(), c.update(plate={})), "is a plate"),
    "well": (".zattrs", lambda c: (c.clear(), c.update(well={})), "is a well"),
    "labels": (".zattrs", lambda c: (c.clear(), c.update(labels=["a"])), "is a group of labels"),
    "label image": (".zattrs", set_to(**{"image-label": {}}), "is an image of labels"),
    "no metadata": (".zattrs", drop("multiscales"), "without the metadata of OME-Zarr"),
    "collection": (
        ".zattrs",
        lambda c: (c.clear(), c.update({"bioformats2raw.layout": 3})),
        "is a collection of images",
    ),
    "several": (
        ".zattrs",
        lambda c: c["multiscales"].append(c["multiscales"][0]),
        "holds 2 multiscale images",
    ),
    "version 0.1": (".zattrs", lambda c: c["multiscales"][0].update(version="0.1"), "OME-Zarr 0.1"),
    "axes that are none": (
        ".zattrs",
        lambda c: c["multiscales"][0].update(axes=[{"name": "y"}]),
        "are not OME-Zarr 0.4",
    ),
    "two axes for three": (
        ".zattrs",
        lambda c: (
            c["multiscales"][0]["axes"].pop(0),
            c["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"].pop(),
        ),
        "name 2 axes, YX, and pixels with 3",
    ),
    "outside": (
        ".zattrs",
        lambda c: c["multiscales"][0]["datasets"][0].update(path="../other.zarr/0"),
        "not a valid Zarr node name",
    ),
    "absent level": (
        ".zattrs",
        lambda c: c["multiscales"][0]["datasets"][0].update(path="3"),
        "its finest level 3 is absent",
    ),
    "zarr 1": (".zgroup", set_to(zarr_format=1), "is of version 1 of Zarr, and 2"),
    "object pixels": ("0/.zarray", set_to(dtype="|O"), "holds object"),
    "complex pixels": ("0/.zarray", set_to(dtype="<c8"), "holds complex64"),
    "records": ("0/.zarray", set_to(dtype=[["a", "<u2"]]), "holds records"),
    "half an array": ("0/.zarray", drop("chunks"), "array metadata are incomplete"),
    "no length": ("0/.zarray", set_to(shape=[0, 20, 30]), "is damaged: declares"),
    "huge chunks": ("0/.zarray", set_to(chunks=[10**6] * 3), "GB in one chunk"),
}
NEW = {
    "version 0.6": ("zarr.json", inside(set_to(version="0.6")), "is OME-Zarr 0.6 in a store"),
    "0.4 in zarr 3": (
        "zarr.json",
        lambda c: c["attributes"].update(c["attributes"].pop("ome")),
        "OME-Zarr 0.4 in a store of Zarr 3",
    ),
    "zarr 4": ("zarr.json", set_to(zarr_format=4), "is of version 4 of Zarr"),
    "unknown node": ("zarr.json", set_to(node_type="link"), "a node of type 'link'"),
    "unknown codec": (
        "0/zarr.json",
        lambda c: c["codecs"][0]["configuration"]["codecs"].append({"name": "numcodecs.pickle"}),
        "is encoded with numcodecs.pickle",
    ),
    "strings": ("0/zarr.json", set_to(data_type="string"), "holds string"),
}


@pytest.mark.parametrize("name", [*OLD, *NEW])
def test_what_is_no_image_is_refused_in_a_sentence(old, new, name):
    path, change, said = (OLD | NEW)[name]
    folder = old if name in OLD else new
    edit(folder / path, change)
    with pytest.raises(InputError, match=said) as caught:
        read.open(folder)
    assert caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_damaged_metadata_are_refused(old, new, content):
    for path in (old / ".zattrs", old / "0" / ".zarray", new / "zarr.json"):
        whole = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(InputError, match="is damaged"):
            read.open(old if old in path.parents else new)
        path.write_bytes(whole)


def test_a_level_an_empty_folder_and_a_model_folder_are_no_images(old, new, tmp_path):
    with pytest.raises(InputError, match=r"is a single array .*Give the image .*new\.zarr"):
        read.open(new / "0")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError, match=r"neither zarr\.json nor"):
        read.open(tmp_path / "empty.zarr")
    with pytest.raises(InputError, match="is a folder"):
        read.open(tmp_path)


def test_a_store_is_one_image_also_within_a_folder(old, new, tmp_path):
    assert find_images([new]) == [new]
    assert find_images([tmp_path]) == [new, old]
    assert read.provenance_of(new) == {"caution": "not for counting"}
    assert read.provenance_of(old) == {}
    assert read.storage_of(old)["format"] == "OME-Zarr 0.4 (Zarr 2)"
    assert read.storage_of(new)["levels"] == "6 x 20 x 30"


def test_an_image_can_be_sent_to_another_process(grey, old):
    image = read.open(old)
    image.array()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(image.data))[...], grey)
