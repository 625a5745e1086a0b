"""Restoring by engines: what a file says of it, and work that goes on with its own."""

import importlib
import json

import numpy as np
import pytest

from carescope import Image, Recipe, engine, net, predict, read, restore
from carescope.engine import names
from carescope.errors import OutputError, UsageError
from carescope.jobs.restore import restore_file
from carescope.model import Model, save
from carescope.predict import memory
from carescope.task import Task
from carescope.write import tiff

choosing = importlib.import_module("carescope.engine.choose")
pytest.importorskip("openvino")
pytestmark = pytest.mark.usefixtures("one_thread", "eager_to_choose")


@pytest.fixture
def eager_to_choose(tmp_path, monkeypatch):
    """Any work is worth it, and OpenVINO in float32 is the fastest."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(choosing, "WORTH", 0)
    order = {"openvino float32": 1.0}
    monkeypatch.setattr(choosing._Known, "_timed", lambda self, by, tile: order.get(by, 2.0))
    return order


@pytest.fixture(scope="module")
def denoiser():
    architecture = {"name": "care", "ndim": 2, "first_filters": 4, "depth": 1, "kernel": 3}
    network = net.build(**architecture, seed=0)
    return Model(network, architecture, Recipe(), Task(kind="denoise", axes="YX"))


@pytest.fixture(scope="module")
def film():
    grey = np.random.default_rng(0).integers(0, 4000, (3, 150, 130)).astype(np.uint16)
    return Image(grey, "TYX", (1, 0.1, 0.1))


def test_a_restoration_says_what_ran_the_network(denoiser, film, tmp_path):
    reference = restore(denoiser, film, engine="torch")
    assert reference.provenance["engine"] == "torch float32"
    found = restore(denoiser, film)
    assert found.provenance["engine"].startswith("openvino float32, RMS ")
    assert found.provenance["engine"].endswith(" of the range when first compared")
    right = reference.mean.array()
    np.testing.assert_allclose(found.mean.array(), right, atol=1e-5 * np.ptp(right))
    written = restore_file(denoiser, film, tmp_path / "o.ome.tif")
    assert written.engine == found.provenance["engine"]
    assert read.provenance_of(tmp_path / "o.ome.tif")["engine"] == written.engine
    np.testing.assert_array_equal(written.image.array(), found.mean.array())


def test_an_engine_that_is_too_coarse_is_not_used(denoiser, film, tmp_path, monkeypatch):
    monkeypatch.setattr(choosing, "difference", lambda *_, **__: 0.01)
    written = restore_file(denoiser, film, tmp_path / "o.ome.tif")
    assert written.engine == "torch float32"
    assert any("openvino float32 differs from float32 by 0.01" in w for w in written.warnings)
    with pytest.warns(UserWarning, match="so that it was not used"):
        found = restore(denoiser, film)
    assert found.provenance["engine"] == "torch float32"


def test_axial_sections_and_surfaces(stack, tmp_path):
    for kind, architecture in {
        "isotropic": {"name": "care", "ndim": 2, "first_filters": 4, "depth": 1},
        "project": {"name": "projection", "ndim": 3, "depth": 1},
    }.items():
        of = {"factor": 4.0} if kind == "isotropic" else {"axes": "ZYX"}
        network = net.build(**architecture, seed=0)
        made = Model(network, architecture, Recipe(), Task(kind=kind, **of))
        right = restore(made, stack, engine="torch").mean.array()
        found = restore(made, stack).mean.array()
        assert np.sqrt(np.square(found - right).mean()) <= 1e-5 * np.ptp(right)
        assert not np.array_equal(found, right)
        if kind == "project":
            written = restore_file(made, stack, tmp_path / "s.tif", height=True)
            assert written.engine.startswith("openvino")


def interrupted(model, film, out, monkeypatch, blocks=2, **options):
    """Restore until some blocks are finished."""
    from carescope.write.volume import Volume

    write, done = Volume.__setitem__, []

    def stopping(self, at, pixels):
        if len(done) == blocks:
            raise KeyboardInterrupt
        done.append(at)
        write(self, at, pixels)

    with monkeypatch.context() as only:
        only.setattr(Volume, "__setitem__", stopping)
        with pytest.raises(KeyboardInterrupt, match="2 finished blocks"):
            restore_file(model, film, out, **options)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_interrupted_work_goes_on_with_its_engine(
    denoiser, film, tmp_path, monkeypatch, eager_to_choose
):
    monkeypatch.setattr(memory, "WORKING_MEMORY_BYTES", 1 << 20)
    whole, out = tmp_path / "a" / "o.zarr", tmp_path / "b" / "o.zarr"
    for path in (whole, out):
        path.parent.mkdir()
    restore_file(denoiser, film, whole)
    interrupted(denoiser, film, out, monkeypatch)
    # By now another would be taken.
    eager_to_choose["openvino float32"] = 9.0
    for kept in (tmp_path / "cache" / "carescope" / "engines").iterdir():
        kept.unlink()
    with pytest.raises(OutputError, match="not finished, with another --engine"):
        restore_file(denoiser, film, out, engine="torch")
    written = restore_file(denoiser, film, out)
    assert written.engine.startswith("openvino float32")
    assert contents(out) == contents(whole)


def test_work_begun_with_the_reference_goes_on_with_it(denoiser, film, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "WORKING_MEMORY_BYTES", 1 << 20)
    out = tmp_path / "o.zarr"
    interrupted(denoiser, film, out, monkeypatch, engine="torch")
    assert restore_file(denoiser, film, out).engine == "torch float32"
    interrupted(denoiser, film, tmp_path / "p.zarr", monkeypatch)
    monkeypatch.setattr(names, "_has_openvino", lambda: False)
    with pytest.raises(UsageError, match="begun with openvino float32, which this machine"):
        restore_file(denoiser, film, tmp_path / "p.zarr")
    written = restore_file(denoiser, film, tmp_path / "p.zarr", overwrite=True)
    assert written.engine.startswith("torch ")
    assert any("another --engine was discarded" in said for said in written.warnings)


def test_other_work_does_not_settle_the_engine(denoiser, film, tmp_path, monkeypatch):
    """What lies under the name is another image: its engine is neither taken nor asked for."""
    monkeypatch.setattr(memory, "WORKING_MEMORY_BYTES", 1 << 20)
    out = tmp_path / "o.zarr"
    interrupted(denoiser, film, out, monkeypatch, engine="torch")
    other = Image(film.array() + 1, "TYX", (1, 0.1, 0.1))
    with pytest.raises(OutputError, match="not finished, with another input, --engine"):
        restore_file(denoiser, other, out)
    written = restore_file(denoiser, other, out, overwrite=True)
    assert written.engine.startswith("openvino float32")


def test_on_the_command_line(denoiser, film, tmp_path, capsys):
    from carescope.app import cli

    save(denoiser, tmp_path / "m")
    tiff.save(tmp_path / "i.ome.tif", film)
    arguments = ["restore", str(tmp_path / "m"), str(tmp_path / "i.ome.tif"), "--json"]
    arguments += ["--out", str(tmp_path / "o.ome.tif"), "--engine", "openvino"]
    cli.app(arguments, standalone_mode=False)
    (row,) = json.loads(capsys.readouterr().out)
    assert row["engine"].startswith("openvino ")
    with pytest.raises(UsageError, match="there is no engine 'onnx'"):
        cli.app([*arguments[:-1], "onnx", "--overwrite"], standalone_mode=False)


def test_a_large_volume_is_cut_so_that_little_is_seen_twice(denoiser):
    """Of all sizes that fit, none is better; and faster engines leave room for larger blocks."""
    shape = (40, 900, 1000)
    architecture = {"name": "care", "ndim": 3, "first_filters": 8, "depth": 1}
    network = net.build(**architecture, seed=0)
    made = Model(network, architecture, Recipe(), Task(kind="denoise", axes="ZYX"))
    costs = []
    for by in ("torch float32", "openvino bfloat16"):
        fast = engine.accelerated(made, by)
        size = predict.block_size(fast, shape, 1 << 27)
        assert predict.working_bytes(fast, shape, size) <= 1 << 27
        costs.append(predict.seen_px(fast, shape, size))
        for other in ((40, 64, 64), (16, 128, 128), (32, 128, 64), (40, 128, 128), (40, 96, 192)):
            if predict.working_bytes(fast, shape, other) <= 1 << 27:
                assert predict.seen_px(fast, shape, other) >= 0.99 * costs[-1]
    assert costs[1] < 0.9 * costs[0]
