"""Passes over all pixels of a large file are made once, and again when the file has changed."""

import os
import shutil

import numpy as np
import pytest

import carescope as cs
from carescope import normalize, percentiles, read
from carescope.image import Image
from carescope.jobs import once
from carescope.read import check

PERCENTILES = (2.0, 99.8)


@pytest.fixture(autouse=True)
def _small_files_are_large(monkeypatch, tmp_path):
    monkeypatch.setattr(once, "WORTH", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def passes(monkeypatch):
    """Who passed over all pixels: check for what is broken, percentiles for those alone."""
    made = []
    for name, module in (("check", check), ("percentiles", percentiles)):
        real = module.map_pieces

        def noting(*given, real=real, name=name):
            made.append(name)
            return real(*given)

        monkeypatch.setattr(module, "map_pieces", noting)
    return made


def grey(seed, dtype="u2"):
    return np.random.default_rng(seed).integers(0, 4000, (6, 32, 40)).astype(dtype)


@pytest.fixture(params=["stack.ome.tif", "stack.zarr"])
def file(request, tmp_path):
    return tmp_path / request.param


def save(file, values):
    cs.save(file, Image(values), overwrite=True)


@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_the_second_time_nothing_is_read_and_all_is_as_the_first_time(file, passes, dtype):
    values = grey(0, dtype)
    values[2, 3, 4] = np.nan if dtype == "f4" else 65535
    save(file, values)
    image = read.open(file)
    dark = check.filled(image)
    first = once.scan(image), once.fit(dark, PERCENTILES)
    # Integers take one pass for all. Floats are other ones when they are filled, and in so few
    # planes there is no sample to say where percentiles may be.
    assert passes == (["check"] if dtype == "u2" else ["check", "check", "percentiles"])
    assert first == (check.scan(image), normalize.fit(dark, PERCENTILES))
    passes.clear()
    again = read.open(file)
    assert (once.scan(again), once.fit(check.filled(again), PERCENTILES)) == first
    assert passes == []
    other = once.fit(check.filled(again), (1.0, 99.0))
    once.fit(check.filled(again, 7), PERCENTILES)
    # Other questions; but integers have nothing that could be filled.
    assert passes == ([] if dtype == "u2" else ["percentiles", "check", "percentiles"])
    assert other == normalize.fit(dark, (1.0, 99.0))


def test_floats_take_one_pass_for_the_percentiles_that_are_named(file, passes):
    values = np.random.default_rng(0).gamma(2, 100, (160, 200, 200)).astype("f4")
    cs.save(file, Image(values), overwrite=True)
    seen = once.scan(read.open(file), (5.0, 90.0))
    [found] = once.fit(read.open(file), (5.0, 90.0))
    assert passes == ["check"]
    assert seen == check.scan(Image(values))
    assert (found.low, found.high) == pytest.approx(np.percentile(values, (5, 90)))


def test_the_levels_of_each_channel_are_counted_by_the_one_pass(file, passes):
    values = np.stack([grey(0), 3 * grey(1)], 1)
    cs.save(file, Image(values, "ZCYX"), overwrite=True)
    image = read.open(file)
    once.scan(image)
    found = once.fit(image, PERCENTILES)
    assert passes == ["check"]
    for channel, one in enumerate(found):
        expected = np.percentile(values[:, channel], PERCENTILES)
        assert (one.low, one.high) == pytest.approx(expected)


def test_a_file_that_changed_is_read_again_whatever_its_time_says(file, passes):
    save(file, grey(0))
    kept = file.stat()
    once.scan(read.open(file))
    other = file.with_name("other" + "".join(file.suffixes))
    save(other, grey(1))
    if file.is_dir():
        shutil.rmtree(file)
    other.rename(file)
    os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert once.scan(read.open(file)).maximum == grey(1).max()
    assert passes == ["check", "check"]


def test_a_file_of_the_same_size_and_time_is_another(tmp_path, passes):
    for number in range(2):
        path = tmp_path / f"{number}.ome.tif"
        save(path, grey(number))
        os.utime(path, ns=(0, 0))
        assert once.scan(read.open(path)).maximum == grey(number).max()
    assert passes == ["check", "check"]


def test_arrays_and_small_files_are_looked_at_each_time(file, passes, monkeypatch):
    save(file, grey(0))
    for image in (Image(grey(0)), Image(grey(0)), read.open(file)):
        once.scan(image)
        monkeypatch.setattr(once, "WORTH", 6 * 32 * 40 + 1)
    once.scan(read.open(file))
    assert passes == ["check"] * 4
