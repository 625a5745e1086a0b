"""Faults F06 to F14: broken values, ambiguous, hostile and oddly named image files."""

import itertools
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from carescope import read
from carescope.errors import InputError
from carescope.image import Image
from carescope.read.check import refuse_unfit, scan
from carescope.write.tiff import save

SHAPE = (7, 33, 41)
STACK = np.random.default_rng(0).integers(0, 60000, SHAPE).astype("u2")
GREY = "minisblack"
ZYX = {"axes": "ZYX"}


def write(folder, flavour, values=STACK, metadata=ZYX):
    """A stack as OME-TIFF or as plain pages."""
    path = folder / ("a.ome.tif" if flavour == "ome" else "a.tif")
    metadata = metadata if flavour == "ome" else None
    tifffile.imwrite(path, values, photometric=GREY, metadata=metadata)
    return path


@pytest.mark.parametrize("count", [1, 14, STACK.size])
def test_f06_values_that_are_not_finite_are_found_in_a_file(tmp_path, count):
    values = STACK.astype("f4")
    places = np.sort(np.random.default_rng(5).choice(STACK.size, count, replace=False))
    values.ravel()[places] = np.nan
    path = write(tmp_path, "ome", values)
    z, y, x = np.unravel_index(places[0], SHAPE)
    image = read.open(path)
    with pytest.raises(InputError, match=f"{count} values.*at Z={z} Y={y} X={x}"):
        refuse_unfit(scan(image), image)


@pytest.mark.parametrize("shape", [(1, 1), (2, 1, 1), (3, 8, 8)])
@pytest.mark.parametrize("value", [0, 7, 65535])
def test_f07_constant_single_pixel_and_saturated_images_survive(tmp_path, shape, value):
    path = tmp_path / "a.ome.tif"
    axes = "ZYX"[-len(shape) :]
    save(path, Image(np.full(shape, value, "u2"), axes))
    image = read.open(path)
    seen = scan(image)
    assert (seen.minimum, seen.maximum, seen.saturated) == (value, value, float(value == 65535))
    with pytest.raises(InputError, match="same value everywhere"):
        refuse_unfit(seen, image)


@pytest.mark.parametrize("axes", ["".join(p) for p in itertools.permutations("TZCYX")])
def test_f08_axes_that_contradict_the_metadata_are_refused(tmp_path, axes):
    values = np.zeros((2, 3, 4, 5, 6), "u1")
    said = tmp_path / "said.ome.tif"
    tifffile.imwrite(said, values, metadata={"axes": "TZCYX"}, photometric=GREY)
    unsaid = tmp_path / "unsaid.tif"
    tifffile.imwrite(unsaid, values, photometric=GREY)
    if axes == "TZCYX":
        assert read.open(said, axes=axes).axes == axes
    else:
        with pytest.raises(InputError) as caught:
            read.open(said, axes=axes)
        theirs = " ".join(f"{a}={n}" for a, n in zip(axes, (2, 3, 4, 5, 6), strict=True))
        assert f"--axes {axes} ({theirs})" in str(caught.value)
        assert "T=2 Z=3 C=4 Y=5 X=6" in str(caught.value)
    if axes.endswith("YX"):
        assert read.open(unsaid, axes=axes).axes == axes
    else:
        with pytest.raises(InputError, match="contradicts"):
            read.open(unsaid, axes=axes)


@pytest.mark.parametrize("axes", ["YX", "TZYX", "ZZYX", "QYX", "ZYXS", ""])
def test_f08_axes_that_no_image_could_have_are_refused(tmp_path, axes):
    with pytest.raises(InputError, match="--axes"):
        read.open(write(tmp_path, "plain"), axes=axes)


@pytest.mark.parametrize(
    "options", [{"photometric": "rgb"}, {"photometric": "rgb", "imagej": True}]
)
def test_f09_rgb_is_refused(tmp_path, options):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((4, 8, 8, 3), "u1"), **options)
    with pytest.raises(InputError, match=r"3 samples a pixel.*Split Channels"):
        read.open(path)


def test_f09_several_images_in_one_file_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(STACK[0], metadata=None)
        tif.write(STACK[0, :8, :8], metadata=None)
    with pytest.raises(InputError, match="different kinds: 33 x 41 uint16, 8 x 8 uint16"):
        read.open(path, axes="ZYX")
    with tifffile.TiffWriter(path, imagej=False) as tif:
        tif.write(STACK, metadata=ZYX, photometric=GREY)
        tif.write(STACK, metadata=ZYX, photometric=GREY)
    with pytest.raises(InputError, match=r"14 pages.*7 planes"):
        read.open(path)


@pytest.mark.parametrize(
    ("size", "unit", "found"),
    [
        (0.25, "µm", (2, 0.25, 0.25)),
        (250, "nm", (2, 0.25, 0.25)),
        (0, "µm", None),
        (-1, "µm", None),
        (1e12, "µm", None),
        ("nan", "µm", None),
        ("", "µm", None),
        (1, "pixel", None),
        (1, "reference frame", None),
    ],
)
def test_f10_a_missing_or_absurd_voxel_size_is_unknown(tmp_path, size, unit, found):
    more = {"PhysicalSizeX": size, "PhysicalSizeXUnit": unit}
    more |= {"PhysicalSizeY": size, "PhysicalSizeYUnit": unit, "PhysicalSizeZ": 2}
    path = write(tmp_path, "ome", metadata={**ZYX, **more})
    assert read.open(path).voxel_um == (found if found is None else pytest.approx(found))


@settings(max_examples=80, deadline=None)
@given(
    values=hnp.arrays(
        st.sampled_from(["?", "u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"]),
        st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(2, 20)),
    ),
    order=st.sampled_from("<>"),
    compression=st.sampled_from([None, "zlib"]),
)
def test_f11_every_type_is_read_exactly(tmp_path_factory, values, order, compression):
    path = tmp_path_factory.mktemp("types") / "a.tif"
    tifffile.imwrite(
        path, values, byteorder=order, metadata=ZYX, photometric=GREY,
        compression=compression,
    )  # fmt: skip
    image = read.open(path)
    np.testing.assert_array_equal(image.array(), values)
    assert image.dtype == values.dtype


def test_f11_twelve_bits_in_sixteen_stay_as_they_are(tmp_path):
    values = STACK % 4096
    assert read.open(write(tmp_path, "ome", values)).array().max() == values.max() < 4096


BOMB = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
from carescope import read
from carescope.errors import InputError
try:
    read.open(sys.argv[1])[...]
except InputError as error:
    print("refused", error)
"""


@pytest.mark.parametrize("kind", ["deflate", "uncompressed", "stream"])
def test_f12_absurd_sizes_are_refused_before_memory_is_taken(tmp_path, kind):
    """A million by a million pixels; and a stream that swells to 100 MB where 1 MB is declared."""
    path = tmp_path / "bomb.tif"
    if kind == "stream":
        body = zlib.compress(bytes(10**8), 9)
        tifffile.imwrite(
            path, iter([body]), shape=(1000, 1000), dtype="u1", compression="zlib",
            rowsperstrip=1000, metadata=None,
        )  # fmt: skip
        with pytest.raises(InputError, match="longer than declared"):
            read.open(path).array()
        return
    tifffile.imwrite(
        path, np.zeros((64, 64), "u1"), metadata=None,
        compression="zlib" if kind == "deflate" else None,
    )  # fmt: skip
    with tifffile.TiffFile(path, mode="r+") as tif:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tif.pages[0].tags[name].overwrite(10**6)
    done = subprocess.run(
        [sys.executable, "-c", BOMB, str(path)],
        capture_output=True, text=True, timeout=30, check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout.startswith("refused"), done.stderr


@pytest.mark.parametrize("name", ["plain.tif", "with space.tif", "nàme-☃-图.tif", "a.b.OME.TIFF"])
def test_f14_any_name_can_be_read(tmp_path, name):
    path = tmp_path / name
    tifffile.imwrite(path, STACK, metadata=ZYX, photometric=GREY, ome=False)
    link = tmp_path / "link.tif"
    link.symlink_to(path)
    for way in (path, str(path), link):
        np.testing.assert_array_equal(read.open(way).array(), STACK)
    assert read.open(path).source == str(path)


@pytest.mark.parametrize("make", ["folder", "absent", "empty", "text", "png", "dangling", "stub"])
def test_f14_what_is_no_image_is_refused(tmp_path, make):
    path = tmp_path / "x.tif"
    message = {
        "folder": "is a folder",
        "absent": "no such file",
        "empty": "is empty",
        "text": "not of a format.*TIFF, ImageJ TIFF, OME-TIFF and OME-Zarr",
        "png": "not of a format",
        "dangling": "no such file",
        "stub": "x.tif",
    }[make]
    if make == "folder":
        path.mkdir()
    elif make == "dangling":
        path.symlink_to(tmp_path / "gone")
    elif make != "absent":
        content = {"empty": b"", "text": b"hello", "png": b"\x89PNG\r\n\x1a\n", "stub": b"II*\0"}
        path.write_bytes(content[make])
    with pytest.raises(InputError, match=message) as caught:
        read.open(path)
    assert str(caught.value).startswith(str(path))
    assert caught.value.remedy


def test_f14_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path, "ome")

    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="permission denied"):
        read.open(path)


def test_a_missing_codec_is_named(tmp_path, monkeypatch):
    path = write(tmp_path, "plain")
    with tifffile.TiffFile(path, mode="r+") as tif:
        for page in tif.pages:
            page.tags["Compression"].overwrite(5)

    class Without:
        def __getitem__(self, key):
            raise KeyError(key)

    monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", Without(), raising=False)
    with pytest.raises(InputError, match=r"LZW.*pip install imagecodecs"):
        read.open(path, axes="ZYX")


def test_a_lossy_compression_is_refused_by_name(tmp_path):
    path = write(tmp_path, "plain")
    with tifffile.TiffFile(path, mode="r+") as tif:
        for page in tif.pages:
            page.tags["Compression"].overwrite(7)
    with pytest.raises(InputError, match="JPEG"):
        read.open(path, axes="ZYX")
