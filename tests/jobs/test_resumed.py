"""Restoring into OME-Zarr: the pixels of a TIFF, and interruptions that leave no trace."""

import hashlib
import re
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

import carescope as cs
from carescope import Ensemble, Image, Recipe, net, predict, read
from carescope.errors import InputError, OutOfMemoryError, OutputError
from carescope.files import ledger, lock
from carescope.jobs import restore as job
from carescope.jobs import resumed
from carescope.jobs.hand import Hand
from carescope.jobs.identity import identity
from carescope.jobs.outputs import beside, outputs, published, unfinished
from carescope.model import Model
from carescope.predict import memory
from carescope.task import Task
from carescope.write.volume import Volume


def member(seed, kind="denoise"):
    architecture = {"name": "shuffle", "depth": 1, "first_filters": 4, "scales": True}
    network = net.build(**architecture, seed=seed)
    torch.nn.init.normal_(
        network.head.weight, std=0.2, generator=torch.Generator().manual_seed(seed)
    )
    geometry = {"factor": 4.0, "step_um": 0.8, "pixel_um": 0.2}
    task = Task(kind=kind, **(geometry if kind == "isotropic" else {"axes": "YX"}))
    return Model(network, architecture, Recipe(loss="laplace"), task)


@pytest.fixture
def film(stack, one_thread):
    """Two time points, three planes each."""
    grey = stack.array()[:6, :70, :90].reshape(2, 3, 70, 90)
    return Image(grey, "TZYX", stack.voxel_um, (), "film.tif")


@pytest.fixture
def several():
    return Ensemble([member(0), member(1)])


@pytest.fixture
def small_blocks(monkeypatch):
    """Memory for blocks of a few thousand pixels, so that there are several."""
    monkeypatch.setattr(memory, "WORKING_MEMORY_BYTES", 1 << 20)


def contents(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def interrupt(monkeypatch, writes, error):
    """Raise when level 0 is written for the so-manieth time."""
    write, count = Volume._write, [0]

    def once(self, *arguments):
        count[0] += 1
        if count[0] == writes:
            raise error
        write(self, *arguments)

    monkeypatch.setattr(Volume, "_write", once)
    return lambda: monkeypatch.setattr(Volume, "_write", write)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_tiff_and_zarr_hold_the_same_pixels_and_metadata(
    film, several, tmp_path, small_blocks, dtype
):
    one, other = (
        job.restore_file(several, film, tmp_path / name, spread=True, dtype=dtype)
        for name in ("o.ome.tif", "o.zarr")
    )
    assert one.clipped == other.clipped
    assert other.beside == beside(tmp_path / "o.zarr", 2)
    pairs = zip([one.path, *one.beside.values()], [other.path, *other.beside.values()], strict=True)
    for left, right in pairs:
        first, second = read.open(left, axes="TZYX"), read.open(right, axes="TZYX")
        np.testing.assert_array_equal(first.array(), second.array())
        assert (first.axes, first.voxel_um, first.dtype) == (
            (second.axes, second.voxel_um, second.dtype)
        )
        assert read.provenance_of(left) == read.provenance_of(right)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".tif"] * 3 + [".zarr"] * 3


@pytest.mark.parametrize("kind", ["denoise", "isotropic"])
def test_in_blocks_it_is_what_memory_gives_as_a_whole(film, tmp_path, monkeypatch, kind):
    model = member(3, kind)
    whole = predict.restore(model, film).mean
    monkeypatch.setattr(memory, "WORKING_MEMORY_BYTES", 1 << 20)
    cs.save(tmp_path / "i.zarr", film)
    written = job.restore_file(model, read.open(tmp_path / "i.zarr"), tmp_path / "o.zarr")
    assert "1 of 1" not in str(read.storage_of(written.path))
    np.testing.assert_allclose(
        written.image.array(), whole.array(), atol=1e-6 * float(np.ptp(whole.array()))
    )
    assert written.image.voxel_um == pytest.approx(whole.voxel_um)
    assert written.image.shape == whole.shape


@pytest.mark.parametrize("writes", [1, 2, 3, 4, 11, 17])
def test_what_was_interrupted_ends_with_the_same_bytes(
    film, several, tmp_path, small_blocks, monkeypatch, writes
):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    do, blocks = Hand.do, []

    def counted(hand, pieces, done):
        blocks.extend(piece for piece in pieces if piece.level == 0)
        do(hand, pieces, done)

    monkeypatch.setattr(Hand, "do", counted)
    job.restore_file(several, film, tmp_path / "a" / "o.zarr", spread=True)
    total = len(blocks)
    resume = interrupt(monkeypatch, writes, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt, match="the same command goes on from there"):
        job.restore_file(several, film, tmp_path / "b" / "o.zarr", spread=True)
    resume()
    assert [p.name for p in (tmp_path / "b").iterdir()] == [".partial-o.zarr"]
    blocks.clear()
    monkeypatch.setattr(resumed.once, "fit", None)  # the percentiles are known
    told = []
    job.restore_file(several, film, tmp_path / "b" / "o.zarr", spread=True, watch=told.append)
    assert len(blocks) == total - (writes - 1) // 3
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert told[-1] == 1


def test_a_full_disk_keeps_what_is_finished(film, several, tmp_path, small_blocks, monkeypatch):
    resume = interrupt(monkeypatch, 4, OutputError("cannot be written", remedy="Free some space"))
    with pytest.raises(OutputError, match=r"Free some space; 3 finished blocks are kept"):
        job.restore_file(several, film, tmp_path / "o.zarr")
    resume()
    assert job.restore_file(several, film, tmp_path / "o.zarr").image.shape == (2, 3, 70, 90)


OTHERS = {
    "model": (lambda model, film: (member(5), film, {}), "model"),
    "image": (lambda model, film: (model, replace(film, data=film.array() + 1), {}), "input"),
    "voxel": (
        lambda model, film: (model, replace(film, voxel_um=(1, 1, 1)), {}),
        "input, size, voxel size or channels",
    ),
    "type": (lambda model, film: (model, film, {"dtype": "uint16"}), "--dtype"),
    "spread": (lambda model, film: (model, film, {"spread": True}), "--spread"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_work_under_the_name_is_refused_or_begun_anew(
    film, tmp_path, small_blocks, monkeypatch, name
):
    change, differs = OTHERS[name]
    model, out = member(0), tmp_path / "o.zarr"
    resume = interrupt(monkeypatch, 3, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        job.restore_file(model, film, out)
    resume()
    other, image, options = change(model, film)
    with pytest.raises(OutputError, match=rf"with another {differs}\..*--overwrite"):
        job.restore_file(other, image, out, **options)
    written = job.restore_file(other, image, out, overwrite=True, **options)
    assert f"with another {differs} was discarded" in written.warnings[0]
    (tmp_path / "b").mkdir()
    afresh = job.restore_file(other, image, tmp_path / "b" / "o.zarr", **options)
    assert contents(afresh.path) == contents(written.path)


def test_a_chosen_channel_and_a_changed_file_are_another_input(film, tmp_path):
    two = Image(np.stack([film.array()] * 2, 1), "TCZYX", film.voxel_um)
    cs.save(tmp_path / "i.zarr", two)
    image = read.open(tmp_path / "i.zarr")
    chosen = {identity(image.select("C", c)) for c in (0, 1)}
    assert identity(read.open(tmp_path / "i.zarr").select("C", 0)) in chosen
    assert len(chosen) == 2
    cs.save(tmp_path / "i.zarr", two, overwrite=True)
    assert identity(read.open(tmp_path / "i.zarr").select("C", 0)) not in chosen


@pytest.mark.parametrize("renamed", [0, 1, 2, 3])
def test_named_half_it_goes_on_and_foreign_names_are_safe(
    film, several, tmp_path, monkeypatch, renamed
):
    out, publish, count = tmp_path / "o.zarr", resumed.folder.publish, [0]

    def deadly(*arguments, **named):
        count[0] += 1
        if count[0] > renamed:
            raise KeyboardInterrupt
        publish(*arguments, **named)

    if renamed == 3:  # all have their names, and the ledger is still there
        monkeypatch.setattr(resumed.ledger, "empty", lambda path: None)
    monkeypatch.setattr(resumed.folder, "publish", deadly)
    if renamed < 3:
        with pytest.raises(KeyboardInterrupt):
            job.restore_file(several, film, out, spread=True)
    else:
        job.restore_file(several, film, out, spread=True)
    monkeypatch.undo()
    assert len(published(out)) == renamed
    assert unfinished(out).is_dir()
    assert outputs([tmp_path / "film.tif"], out, members=2) == [out]
    job.restore_file(several, film, out, spread=True)
    names = {"o.zarr", "o_scale.zarr", "o_disagreement.zarr"}
    assert {p.name for p in tmp_path.iterdir()} == names
    with pytest.raises(OutputError, match="exists already"):
        job.restore_file(several, film, out, spread=True)


def test_nobody_is_let_in_while_the_folder_is_emptied(film, tmp_path, monkeypatch):
    empty, said = ledger.empty, []

    def asked(place):
        empty(place)
        assert [path.name for path in place.iterdir()] == [lock.NAME]
        other = threading.Thread(target=outputs, args=([tmp_path / "i.zarr"], tmp_path / "o.zarr"))
        with monkeypatch.context() as patch:
            patch.setattr(threading, "excepthook", lambda told: said.append(str(told.exc_value)))
            other.start()
            other.join()

    monkeypatch.setattr(resumed.ledger, "empty", asked)
    job.restore_file(member(0), film, tmp_path / "o.zarr")
    assert len(said) == 2  # of what was there before, and in the end
    assert all("another process works here" in one for one in said)
    assert [path.name for path in tmp_path.iterdir()] == ["o.zarr"]


def test_what_was_finished_and_is_gone_is_missed(film, tmp_path, monkeypatch):
    out = tmp_path / "o.zarr"
    monkeypatch.setattr(resumed.ledger, "empty", lambda path: None)
    job.restore_file(member(0), film, out)
    monkeypatch.undo()
    shutil.rmtree(out)
    with pytest.raises(OutputError, match=r"finished, and is gone.*Remove .*\.partial-o\.zarr"):
        job.restore_file(member(0), film, out)


def test_a_name_taken_meanwhile_is_not_replaced(film, several, tmp_path, monkeypatch):
    out, finish = tmp_path / "o.zarr", Volume.finish

    def meanwhile(*arguments, **named):
        monkeypatch.setattr(Volume, "finish", finish)
        cs.save(out, film)
        finish(*arguments, **named)

    monkeypatch.setattr(Volume, "finish", meanwhile)
    with pytest.raises(OutputError, match="exists already"):
        job.restore_file(several, film, out)
    np.testing.assert_array_equal(read.open(out, axes="TZYX").array(), film.array())
    monkeypatch.undo()
    with pytest.raises(OutputError, match="exists already"):
        job.restore_file(several, film, out)
    job.restore_file(several, film, out, overwrite=True)
    assert read.open(out).dtype == np.float32


def test_blocks_that_were_begun_with_must_fit(film, tmp_path, monkeypatch):
    model, out = member(0), tmp_path / "o.zarr"
    resume = interrupt(monkeypatch, 1, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        job.restore_file(model, film, out)
    resume()
    monkeypatch.setattr(memory, "left", lambda *_: 1 << 20)
    with pytest.raises(OutOfMemoryError, match="begun in blocks that take"):
        job.restore_file(model, film, out, memory_bytes=1 << 20)
    assert ledger.begun_in(unfinished(out)) is not None
    job.restore_file(model, film, out)


def test_blocks_that_are_mostly_halo_are_worth_a_word(tmp_path, monkeypatch):
    architecture = {"name": "care", "ndim": 3, "depth": 2, "first_filters": 4}
    network = net.build(**architecture)
    volume = Image(np.random.default_rng(0).random((48, 72, 72), np.float32), "ZYX", (1, 1, 1))
    model = Model(network, architecture, Recipe(), Task(kind="denoise", axes="ZYX"))
    assert job.restore_file(model, volume, tmp_path / "o.zarr").warnings == []
    monkeypatch.setattr(memory, "left", lambda *_: 1 << 20)
    (said,) = job.restore_file(model, volume, tmp_path / "p.zarr", memory_bytes=1 << 30).warnings
    assert re.search(r"blocks of \d+ x \d+ x \d+ voxels.* times the pixels", said)


def test_memory_for_no_block_is_refused(film, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "left", lambda *_: 1)
    with pytest.raises(OutOfMemoryError, match=r"smallest blocks, of 1 x 16 x 16 voxels") as caught:
        job.restore_file(member(0), film, tmp_path / "o.zarr", memory_bytes=1 << 16)
    assert "Give at least 0.1GB" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_read_is_not_written_into(film, tmp_path):
    cs.save(tmp_path / "i.zarr", film)
    with pytest.raises(cs.errors.UsageError, match=r"would be written into .*i\.zarr"):
        outputs([tmp_path / "i.zarr"], tmp_path / "i.zarr" / "o.zarr")
    folder = outputs([tmp_path / "i.zarr"], tmp_path / "out")
    assert folder == [tmp_path / "out" / "i.ome.zarr"]
    assert beside(folder[0], 1) == {"scale": tmp_path / "out" / "i_scale.ome.zarr"}


def test_nothing_is_begun_of_what_is_refused(film, several, tmp_path):
    two = Image(np.stack([film.array()] * 2, 1), "TCZYX", film.voxel_um)
    with pytest.raises(InputError, match="has 2 channels"):
        job.restore_file(several, two, tmp_path / "o.zarr")
    assert list(tmp_path.iterdir()) == []


def test_a_projection_goes_into_one_plane(film, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "WORKING_MEMORY_BYTES", 1 << 26)
    architecture = {"name": "projection", "ndim": 3}
    task = Task(kind="project", axes="ZYX")
    model = Model(net.build(**architecture), architecture, Recipe(), task)
    movie = Image(np.tile(film.array()[..., :40], (1, 2, 1, 1)), "TZYX", film.voxel_um)
    one, other = (job.restore_file(model, movie, tmp_path / n) for n in ("o.tif", "o.zarr"))
    assert (other.image.axes, other.image.shape) == ("TYX", (2, 70, 40))
    np.testing.assert_array_equal(one.image.array(), other.image.array())
    assert read.storage_of(other.path)["chunks"].startswith("1 x ")
    assert read.open(other.path).voxel_um[1:] == film.voxel_um[1:]
