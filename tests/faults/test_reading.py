"""Faults F01 to F14: damaged, incomplete, ambiguous and hostile image files.

The oracle is always the array that was written: a file is either refused with one of our
errors, or what is read equals what was written. What passes neither way is a *silent* error.
"""

import itertools
import os
import resource
import signal
import struct
import subprocess
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from carescope import read
from carescope.errors import CarescopeError, InputError
from carescope.image import Image
from carescope.read.check import scan
from carescope.write.tiff import save

SHAPE = (7, 33, 41)
STACK = np.random.default_rng(0).integers(0, 60000, SHAPE).astype("u2")
CUTS = int(os.environ.get("CARESCOPE_FUZZ", "60"))
GREY = "minisblack"
ZYX = {"axes": "ZYX"}
FLAVOURS = {
    "plain": ("a.tif", {"metadata": None}),
    "imagej": ("a.tif", {"imagej": True, "metadata": {**ZYX, "unit": "um", "spacing": 2.0}}),
    "ome": ("a.ome.tif", {"metadata": {**ZYX, "PhysicalSizeZ": 2.0}}),
    "bigtiff": ("a.tif", {"bigtiff": True, "metadata": ZYX}),
    "tiled": ("a.tif", {"tile": (16, 16), "compression": "zlib", "metadata": ZYX}),
}


def write(folder, flavour, values=STACK, **more):
    name, options = FLAVOURS[flavour]
    tifffile.imwrite(folder / name, values, photometric=GREY, **{**options, **more})
    return folder / name


@contextmanager
def alarm(seconds):
    """Fail, rather than hang."""

    def ring(*_):
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def attempt(path):
    """The array of a file and what is said of it, or None where it is refused."""
    try:
        with alarm(5):
            image = read.open(path, axes="ZYX")
            return image.array(), image.voxel_um
    except CarescopeError as error:
        if not error.remedy or str(path) not in str(error):
            raise
        return None


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_f01_no_cut_file_is_read_wrongly(tmp_path, flavour):
    path = write(tmp_path, flavour)
    whole = path.read_bytes()
    cuts = np.random.default_rng(1).integers(1, len(whole), CUTS)
    silent = []
    for cut in (*cuts.tolist(), len(whole) - 1):
        path.write_bytes(whole[:cut])
        result = attempt(path)
        if result is not None and not np.array_equal(result[0], STACK):
            silent.append(cut)
    assert silent == []


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_f01_what_is_whole_can_be_kept(tmp_path, flavour):
    path = write(tmp_path, flavour)
    whole = path.read_bytes()
    kept = []
    for cut in np.random.default_rng(2).integers(1, len(whole), CUTS).tolist():
        path.write_bytes(whole[:cut])
        try:
            image = read.open(path, axes="ZYX", allow_incomplete=True)
            planes = image.array()
        except InputError:
            continue
        np.testing.assert_array_equal(planes, STACK[: len(planes)])
        kept.append(len(planes))
    # OME-XML and, in the plain flavour, the list of pages lie behind the pixels: less is left.
    assert max(kept, default=0) >= {"imagej": 5, "tiled": 5}.get(flavour, 0)


def test_f01_the_refusal_counts_the_planes(tmp_path):
    path = write(tmp_path, "imagej")
    with path.open("r+b") as file:
        file.truncate(1000 + 3 * 33 * 41 * 2)
    with pytest.raises(InputError, match=r"3 whole planes of 7.*--allow-incomplete"):
        read.open(path)
    assert read.open(path, allow_incomplete=True).shape == (3, 33, 41)


def _header_bytes(path):
    """The bytes of a TIFF that are not pixels."""
    size = path.stat().st_size
    taken = np.zeros(size, bool)
    with tifffile.TiffFile(path) as tif:
        for page in tif.pages:
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
                taken[offset : offset + count] = True
    return np.flatnonzero(~taken)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_f02_damaged_headers_are_refused_or_harmless(tmp_path, flavour):
    """One byte of the header or tags is changed.

    What remains silent cannot be told from a file that was meant so: the sign of an integer
    type (SampleFormat), and a digit or letter of the metadata (a voxel size, a name).
    """
    path = write(tmp_path, flavour)
    whole = path.read_bytes()
    voxel = read.open(path, axes="ZYX").voxel_um
    rng = np.random.default_rng(3)
    places = rng.choice(_header_bytes(path), CUTS)
    pixels, sizes = [], []
    for place in places.tolist():
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        result = attempt(path)
        if result is None:
            continue
        if not np.array_equal(result[0], STACK):
            pixels.append((place, result[0].shape))
        elif result[1] not in (voxel, None):
            sizes.append((place, result[1]))
    assert len(pixels) <= 0.01 * CUTS, pixels
    assert len(sizes) <= 0.05 * CUTS, sizes


def test_f02_a_chain_of_pages_that_bites_its_tail_is_refused(tmp_path):
    values = np.zeros((150, 4, 4), "u1")
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        for plane in values:
            tif.write(plane, contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as tif:
        last = tif.pages[149]
        end = last.offset + 2 + 12 * len(last.tags)
        target = tif.pages[120].offset
    with path.open("r+b") as file:
        file.seek(end)
        file.write(struct.pack("<I", target))
    with alarm(5), pytest.raises(InputError, match="chain of pages"):
        read.open(path, axes="ZYX")


def test_f03_a_flipped_bit_in_deflated_pixels_is_caught(tmp_path):
    path = write(tmp_path, "tiled")
    whole = path.read_bytes()
    rng = np.random.default_rng(4)
    pixels = np.setdiff1d(np.arange(len(whole)), _header_bytes(path))
    for place in rng.choice(pixels, 30):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        result = attempt(path)
        assert result is None or np.array_equal(result[0], STACK)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("what", ["ByteCounts", "Offsets"])
def test_f04_a_missing_strip_or_tile_is_refused(tmp_path, flavour, what):
    path = write(tmp_path, flavour)
    with tifffile.TiffFile(path, mode="r+") as tif:
        page = tif.pages[3]
        tag = page.tags[("Tile" if flavour == "tiled" else "Strip") + what]
        tag.overwrite((0, *tag.value[1:]))
    with pytest.raises(InputError):
        read.open(path, axes="ZYX").array()


def test_f05_a_file_beyond_4_gb_is_read_lazily(tmp_path):
    path = tmp_path / "big.tif"
    shape = (40, 8192, 8192)  # 5 GiB, none of it on the disk
    tifffile.imwrite(path, shape=shape, dtype="u2", bigtiff=True, metadata=ZYX)
    assert path.stat().st_blocks * 512 < 2**24
    marked = 39 * 8192 * 8192 + 8191 * 8192 + 8190
    with tifffile.TiffFile(path) as tif:
        start = tif.pages[0].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(start + 2 * marked)
        file.write(struct.pack("<H", 777))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    image = read.open(path)
    assert image.shape == shape
    assert image.data[39, 8191, 8188:].tolist() == [0, 0, 777, 0]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


@pytest.mark.parametrize("count", [1, 14, STACK.size])
def test_f06_values_that_are_not_finite_are_found_in_a_file(tmp_path, count):
    values = STACK.astype("f4")
    places = np.sort(np.random.default_rng(5).choice(STACK.size, count, replace=False))
    values.ravel()[places] = np.nan
    path = write(tmp_path, "ome", values)
    z, y, x = np.unravel_index(places[0], SHAPE)
    with pytest.raises(InputError, match=f"{count} values.*at Z={z} Y={y} X={x}"):
        scan(read.open(path))


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
        scan(image, refuse_constant=True)


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
        "text": "not of a format.*TIFF, ImageJ TIFF and OME-TIFF",
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
