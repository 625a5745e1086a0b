"""What is written can be read back, by us and by others."""

import os
import pickle
import resource
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope import read
from carescope.errors import OutputError
from carescope.image import Image
from carescope.write import tiff

SIZE = st.floats(1e-4, 1e4)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)
NAME = TEXT.filter(lambda t: bool(t.strip()) and "\ufffe" not in t and "\uffff" not in t)
DTYPES = ["int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"]


@st.composite
def images(draw):
    """An image with any axes, no axis of T, C, Z of length 1 (those are dropped on reading)."""
    axes = "".join(draw(st.permutations(draw(st.sampled_from(["", "Z", "TZ", "CZ", "TC", "TCZ"])))))
    shape = [draw(st.integers(2, 4)) for _ in axes] + [draw(st.integers(1, 9)) for _ in "YX"]
    values = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 127, shape)
    names = ()
    if "C" in axes and draw(st.booleans()):
        names = tuple(draw(NAME) for _ in range(shape[axes.index("C")]))
    return Image(
        values.astype(draw(st.sampled_from(DTYPES))),
        axes + "YX",
        draw(st.none() | st.tuples(SIZE, SIZE, SIZE)),
        names,
        frame_s=draw(st.none() | SIZE) if "T" in axes else None,
    )


@settings(max_examples=60, deadline=None)
@given(image=images(), notes=st.dictionaries(NAME, NAME, max_size=3))
def test_f42_nothing_is_lost_in_a_round_trip(tmp_path_factory, image, notes):
    path = tmp_path_factory.mktemp("trip") / "a.ome.tif"
    assert tiff.save(path, image, provenance=notes) == 0
    back = read.open(path)
    np.testing.assert_array_equal(back.array(), image.array())
    assert (back.axes, back.dtype) == (image.axes, image.dtype)
    assert (back.voxel_um, back.channel_names) == (image.voxel_um, image.channel_names)
    assert back.frame_s == image.frame_s
    assert read.provenance_of(path) == notes
    np.testing.assert_array_equal(
        tifffile.imread(path).reshape(image.shape), image.array()
    )  # another reader's view


def test_f42_the_metadata_are_ome_xml_of_the_2016_schema(tmp_path):
    path = tmp_path / "a.ome.tif"
    image = Image(np.zeros((2, 3, 4, 5), "u2"), "CZYX", (2, 0.5, 0.25), ("DAPI", "actin"))
    tiff.save(path, image, provenance={"model": "m"})
    with tifffile.TiffFile(path) as tif:
        root = ElementTree.fromstring(tif.ome_metadata)
    space = {"o": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}
    pixels = root.find("o:Image/o:Pixels", space)
    assert pixels.attrib["PhysicalSizeZ"] == "2.0"
    assert pixels.attrib["PhysicalSizeXUnit"] == "µm"
    names = [c.attrib["Name"] for c in pixels.findall("o:Channel", space)]
    assert names == ["DAPI", "actin"]
    note = root.find("o:StructuredAnnotations/o:MapAnnotation", space)
    assert root.find("o:Image/o:AnnotationRef", space).attrib["ID"] == note.attrib["ID"]


def test_control_characters_in_notes_do_not_break_the_file(tmp_path):
    path = tmp_path / "a.tif"
    tiff.save(path, Image(np.zeros((4, 4), "u1"), "YX"), provenance={"command": "a\0b\x1b<&>"})
    assert read.provenance_of(path) == {"command": "a\ufffdb\ufffd<&>"}


def test_the_same_image_gives_the_same_bytes(tmp_path):
    image = Image(np.arange(60, dtype="u2").reshape(3, 4, 5), "ZYX", (2, 1, 1))
    tiff.save(tmp_path / "a.tif", image, provenance={"k": "v"})
    tiff.save(tmp_path / "b.tif", image, provenance={"k": "v"})
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_blocks_may_be_filled_in_any_order_and_are_clipped(tmp_path):
    path = tmp_path / "a.tif"
    values = np.linspace(-100, 300, 6 * 8 * 10).reshape(6, 8, 10)
    with tiff.create(path, shape=(6, 8, 10), axes="ZYX", dtype="u1", voxel_um=None) as blocks:
        blocks[:, 4:, 5:] = values[:, 4:, 5:]
        blocks[:, 4:, :5] = values[:, 4:, :5]
        blocks[..., :4, :] = values[:, :4]
        assert blocks[2, 3, 4] == np.clip(np.rint(values[2, 3, 4]), 0, 255)
    wanted = np.clip(np.rint(values), 0, 255)
    np.testing.assert_array_equal(read.open(path).array(), wanted)
    assert blocks.clipped == np.sum((np.rint(values) < 0) | (np.rint(values) > 255))
    assert read.open(path).voxel_um is None


def test_a_big_file_does_not_count_as_memory(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    shape = (96, 1024, 1024)  # 192 MiB
    with tiff.create(
        tmp_path / "a.tif", shape=shape, axes="ZYX", dtype="u2", voxel_um=None
    ) as blocks:
        for z in range(shape[0]):
            blocks[z] = np.full(shape[1:], z, "u2")
    data = read.open(tmp_path / "a.tif").data
    assert [int(data[z].max()) for z in (0, 50, 95)] == [0, 50, 95]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 40 * 1024  # KiB


def test_beyond_the_limit_of_classic_tiff_it_is_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff, "CLASSIC_LIMIT_BYTES", 2000)
    small, big = tmp_path / "small.tif", tmp_path / "big.tif"
    tiff.save(small, Image(np.zeros((2, 4, 4), "u1")))
    values = np.arange(2000, dtype="u2").reshape(5, 20, 20)
    tiff.save(big, Image(values))
    assert small.read_bytes()[2] == 42
    assert big.read_bytes()[2] == 43
    np.testing.assert_array_equal(read.open(big).array(), values)


def test_f40_a_failed_write_leaves_nothing(tmp_path):
    image = Image(np.full((3, 4, 4), np.nan, "f4"))
    with pytest.raises(OutputError, match="NaN"):
        tiff.save(tmp_path / "a.tif", image, dtype="u2")
    assert os.listdir(tmp_path) == []


def test_f40_a_full_disk_is_found_before_the_work(tmp_path):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limit[1]))
    try:
        with (
            pytest.raises(OutputError, match="cannot be written"),
            tiff.create(
                tmp_path / "a.tif", shape=(64, 256, 256), axes="ZYX", dtype="u2", voxel_um=None
            ),
        ):
            pytest.fail("the work began")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "wrong",
    [{"dtype": "int64"}, {"axes": "YXZ"}, {"channel_names": ("a", "b")}, {"shape": (0, 4, 4)}],
)
def test_what_ome_tiff_cannot_hold_is_refused(tmp_path, wrong):
    right = {"shape": (3, 4, 4), "axes": "ZYX", "dtype": "u2", "voxel_um": None}
    with (
        pytest.raises(OutputError) as caught,
        tiff.create(tmp_path / "a.tif", **{**right, **wrong}),
    ):
        pytest.fail("it was accepted")
    assert caught.value.remedy
    assert os.listdir(tmp_path) == []


def test_booleans_and_half_floats_are_saved_as_something_others_read(tmp_path):
    mask = np.eye(5, dtype=bool)
    tiff.save(tmp_path / "mask.tif", Image(mask, "YX"))
    np.testing.assert_array_equal(read.open(tmp_path / "mask.tif").array(), mask.astype("u1"))
    half = np.linspace(0, 1, 25, dtype="f2").reshape(5, 5)
    tiff.save(tmp_path / "half.tif", Image(half, "YX"))
    np.testing.assert_array_equal(read.open(tmp_path / "half.tif").array(), half.astype("f4"))


def test_a_lazy_image_can_be_sent_to_another_process(tmp_path):
    values = np.arange(60, dtype="u2").reshape(3, 4, 5)
    tiff.save(tmp_path / "a.tif", Image(values))
    image = pickle.loads(pickle.dumps(read.open(tmp_path / "a.tif")))
    np.testing.assert_array_equal(image.array(), values)
