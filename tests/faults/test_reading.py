"""Faults F01 to F05: damaged, incomplete and very large image files.

The oracle is always the array that was written: a file is either refused with one of our
errors, or what is read equals what was written. What passes neither way is a *silent* error.
"""

import os
import resource
import signal
import struct
from contextlib import contextmanager

import numpy as np
import pytest
import tifffile

from carescope import read
from carescope.errors import CarescopeError, InputError

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
    with alarm(5), pytest.raises(InputError, match="chain of pages breaks off after 150"):
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
