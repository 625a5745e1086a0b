"""Indexing a file is like indexing the array that is in it."""

import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope import read
from carescope.errors import InputError
from carescope.read import planes as planes_module

SHAPE = (3, 4, 37, 45)
VALUES = np.random.default_rng(1).integers(0, 4000, SHAPE).astype("u2")
GREY = "minisblack"
LAYOUTS = {
    "strips": {"rowsperstrip": 5},
    "one strip": {},
    "tiles": {"tile": (16, 32)},
    "deflated strips": {"compression": "zlib", "rowsperstrip": 7},
    "deflated tiles": {"compression": "zlib", "predictor": 2, "tile": (16, 16)},
    "big-endian": {"byteorder": ">", "rowsperstrip": 9},
    "big-endian deflated": {"byteorder": ">", "compression": "zlib", "predictor": 2},
    "BigTIFF": {"bigtiff": True},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layouts")
    for name, options in LAYOUTS.items():
        tifffile.imwrite(
            folder / f"{name}.tif", VALUES, metadata={"axes": "TZYX"}, photometric=GREY, **options
        )
    return {name: read.open(folder / f"{name}.tif") for name in LAYOUTS}


def indices(n):
    return st.integers(-n, n - 1) | st.slices(n)


INDEX = st.tuples(*(indices(n) for n in SHAPE)).flatmap(
    lambda full: (
        st.integers(0, 4).map(lambda k: full[:k])
        | st.integers(0, 4).map(lambda k: (..., *full[k:]))
    )
)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(LAYOUTS)), index=INDEX)
def test_indexing_is_numpys(files, name, index):
    result = files[name].data[index]
    np.testing.assert_array_equal(result, VALUES[index])
    assert result.dtype == np.dtype("u2")  # the machine's byte order


@pytest.mark.parametrize("index", [3, -4, (0, 4), (0, 0, 0, 45), (0,) * 5, (..., ...)])
def test_what_is_outside_is_an_index_error(files, index):
    with pytest.raises(IndexError):
        files["strips"].data[index]


def test_only_what_is_asked_for_is_decoded(files, monkeypatch):
    decoded = []
    original = planes_module.decode.segment

    def watch(page, index, data):
        decoded.append(index)
        return original(page, index, data)

    monkeypatch.setattr(planes_module.decode, "segment", watch)
    data = read.open(files["deflated strips"].source).data
    data[1, 2, 8:13, :5]
    assert decoded == [1]  # rows 7 to 13 are the second strip
    data[1, 2, 9]
    assert decoded == [1]  # and it is remembered
    data[:, 0, 20]
    assert len(decoded) == 4


def test_a_small_memory_forgets_and_stays_right(files, monkeypatch):
    monkeypatch.setattr(planes_module, "CACHE_BYTES", 2000)
    data = read.open(files["deflated tiles"].source).data
    for _ in range(2):
        np.testing.assert_array_equal(data[...], VALUES)
    assert sum(p.nbytes for p in data._recent._held.values()) <= 2000


def test_many_files_share_a_memory(files, monkeypatch):
    monkeypatch.setattr(planes_module, "ALL_CACHES_BYTES", 20_000)
    opened = [read.open(files["deflated tiles"].source).data for _ in range(6)]
    for data in [*opened, *reversed(opened)]:
        np.testing.assert_array_equal(data[...], VALUES)
        held = [sum(p.nbytes for p in one._recent._held.values()) for one in opened]
        own = sum(p.nbytes for p in data._recent._held.values())
        assert 0 < sum(held) <= max(20_000, own)
    assert sum(map(bool, held)) < 6
    del opened, data
    planes_module._Recent(1).put((0, 0), VALUES)
    assert len(planes_module._Recent._filled) == 0  # what is gone is forgotten


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_floating_point_predictor(tmp_path, dtype, order):
    values = np.random.default_rng(2).normal(size=(16, 11)).astype(dtype)
    # Technical Note 3: bytes by significance, then differences along the row.
    big = values.astype(values.dtype.newbyteorder(">")).view("u1").reshape(16, 11, -1)
    rows = big.transpose(0, 2, 1).reshape(16, -1)
    rows = np.diff(rows, axis=1, prepend=np.zeros((16, 1), "u1")).astype("u1")
    path = tmp_path / "a.tif"
    stream = zlib.compress(rows.tobytes())
    # Written under the names of its integer kin: tifffile does not encode it by itself.
    tifffile.imwrite(
        path, iter([stream]), shape=values.shape, dtype=f"i{values.itemsize}", byteorder=order,
        compression="zlib", predictor=2, metadata=None,
    )  # fmt: skip
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags["Predictor"].overwrite(3)
        tif.pages[0].tags["SampleFormat"].overwrite(3)
    np.testing.assert_array_equal(read.open(path).array(), values)


def test_f13_a_file_that_is_cut_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, VALUES, metadata={"axes": "TZYX"}, photometric=GREY)
    data = read.open(path).data
    with path.open("r+b") as file:
        file.truncate(5000)
    np.testing.assert_array_equal(data[0, 0], VALUES[0, 0])
    with pytest.raises(InputError, match="became shorter"):
        data[2]
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        data[0]
