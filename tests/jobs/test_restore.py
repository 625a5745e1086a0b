"""Restoring into files: what comes out is what restoring in memory gives."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from carescope import Ensemble, Image, Recipe, net, predict, read
from carescope.errors import InputError, ModelError, OutputError
from carescope.jobs import restore as job
from carescope.jobs.batch import restore_files
from carescope.jobs.outputs import beside
from carescope.model import Model
from carescope.task import Task


def member(seed, loss="gaussian"):
    architecture = {"name": "shuffle", "cell": [2, 2], "depth": 1, "first_filters": 4}
    architecture |= {"channels": 2} | ({"scales": True} if loss != "mse" else {})
    network = net.build(**architecture, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    torch.nn.init.normal_(network.head.weight, std=0.2, generator=generator)
    task = Task(
        kind="isotropic", channels_in=2, channels_out=2, factor=4.0, step_um=0.8, pixel_um=0.2
    )
    return Model(network, architecture, Recipe(loss=loss), task)


@pytest.fixture
def film(stack):
    """Two time points of two channels, planes outermost as ImageJ may write them."""
    grey = stack.array()[:4, :40, :48].astype(np.float32)
    frame = np.stack([grey, 900 - grey])
    data = np.stack([frame, frame / 2]).transpose(0, 2, 1, 3, 4)
    return Image(data, "TZCYX", stack.voxel_um, ("DNA", "actin"), "film.tif")


@pytest.fixture
def several():
    return Ensemble([member(0), member(1)])


def test_files_hold_what_memory_would(film, several, tmp_path):
    told = []
    written = job.restore_file(
        several, film, tmp_path / "o.ome.tif", spread=True, watch=told.append
    )
    restored = predict.restore(several, film)
    assert written.image.axes == restored.mean.axes == "TCZYX"
    np.testing.assert_array_equal(written.image.array(), restored.mean.array())
    np.testing.assert_array_equal(read.open(written.scale).array(), restored.scale.array())
    there = read.open(written.disagreement)
    np.testing.assert_array_equal(there.array(), restored.disagreement.array())
    assert (there.axes, there.channel_names) == ("TCZYX", film.channel_names)
    assert written.beside == beside(tmp_path / "o.ome.tif", 2)
    assert "Gaussian" in read.provenance_of(written.scale)["values"]
    assert told[-1] == 1


def test_axes_of_length_one_stay(film, several, tmp_path):
    one = replace(film, data=film.array()[:1])
    written = job.restore_file(several, one, tmp_path / "o.ome.tif")
    assert (written.image.axes, written.image.shape) == ("TCZYX", (1, 2, 13, 40, 48))
    assert (written.scale, written.disagreement, written.beside) == (None, None, {})
    assert [p.name for p in tmp_path.iterdir()] == ["o.ome.tif"]


def test_nothing_is_written_of_what_is_refused(film, several, tmp_path):
    out = tmp_path / "o.ome.tif"
    with pytest.raises(ModelError, match="--laplace"):
        job.restore_file(member(0, "mse"), film, out, spread=True)
    with pytest.raises(InputError, match=r"film.tif: has 1 channel "):
        job.restore_file(several, film.select("C", 0), out)
    dark = film.array().copy()
    dark[:, :, 1] = 5
    with pytest.raises(InputError, match=r"film.tif: channel 1 is constant"):
        job.restore_file(several, replace(film, data=dark), out)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="channel 1 is constant"):
        restore_files(several, [film, replace(film, data=dark)], [out, tmp_path / "second.ome.tif"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["o_scale.ome.tif", "o_disagreement.ome.tif"])
def test_one_that_cannot_be_written_stops_all(film, several, tmp_path, monkeypatch, name):
    """Even where it is taken only after the work began."""
    work = predict.restore_into

    def meanwhile(*arguments, **named):
        work(*arguments, **named)
        (tmp_path / name).write_bytes(b"another's")

    monkeypatch.setattr(predict, "restore_into", meanwhile)
    with pytest.raises(OutputError, match=f"{name}: exists already"):
        job.restore_file(several, film, tmp_path / "o.ome.tif", spread=True)
    assert (tmp_path / name).read_bytes() == b"another's"
    assert not (tmp_path / "o.ome.tif").exists()
    assert not list(tmp_path.glob(".partial*"))


def test_beside():
    assert beside(Path("a/b.ome.tif"), 1) == {"scale": Path("a/b_scale.ome.tif")}
    assert beside(Path("b.tiff"), 3)["disagreement"] == Path("b_disagreement.ome.tif")
