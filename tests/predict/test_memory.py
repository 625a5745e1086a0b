"""A limit on memory: kept by the whole program, or refused with what it takes."""

from pathlib import Path

import numpy as np
import pytest
import typer

from carescope import Ensemble, Image, Recipe, model, net, predict
from carescope.app.options import size_bytes
from carescope.errors import OutOfMemoryError
from carescope.model import Model
from carescope.predict import memory
from carescope.task import Task
from carescope.write import tiff

SOURCE = Path(__file__).parents[2] / "src"
STATUS = Path("/proc/self/status")


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4_000_000_000), ("500MB", 500_000_000), ("1.5g", 1_500_000_000), ("900000000", 9e8)],
)
def test_amounts_of_memory(text, size):
    assert size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "4 XB", "nan", "0"])
def test_no_amounts_of_memory(text):
    with pytest.raises(typer.BadParameter, match="such as 4GB"):
        size_bytes(text)


def test_too_little_is_refused_with_what_it_takes():
    with pytest.raises(OutOfMemoryError, match=r"the program itself .*Give at least .*GB"):
        memory.left(10_000_000, 1)


def test_what_a_process_did_before_does_not_alter_what_is_left(monkeypatch):
    """Unless it is so much that the limit would not hold; and other engines take more or less."""
    held, limit = 400_000_000, 2_000_000_000
    monkeypatch.setattr(memory, "resident_bytes", lambda: held)
    plain = predict.room(limit, held, "torch float32")
    assert 0.83 * (limit - held - memory.RESERVE_BYTES) < plain < limit - held
    assert predict.room(limit, held, "openvino bfloat16") <= plain
    for more in (0, 1_000_000, 190_000_000):
        monkeypatch.setattr(memory, "resident_bytes", lambda more=more: held + more)
        assert predict.room(limit, held, "torch float32") == plain
    monkeypatch.setattr(memory, "resident_bytes", lambda: held + 900_000_000)
    assert predict.room(limit, held, "torch float32") < plain


#: Networks whose widest layer and halo differ.
NETWORKS = {
    "shuffle": {"name": "shuffle", "depth": 1, "first_filters": 16},
    "care": {"name": "care", "depth": 1, "first_filters": 16},
}


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="a system that does not tell a program's peak")
@pytest.mark.parametrize(
    ("name", "members", "axes", "shape"),
    [
        ("shuffle", 1, "YX", (3000, 3000)),
        ("shuffle", 3, "YX", (1500, 1500)),
        ("shuffle", 3, "ZYX", (12, 160, 160)),
        ("care", 1, "YX", (1200, 1200)),
        ("care", 1, "ZYX", (12, 160, 160)),
        ("care", 3, "YX", (700, 700)),
    ],
)
@pytest.mark.parametrize("tta", [False, True])
def test_the_limit_holds(tmp_path, name, members, axes, shape, peak_bytes, tta):
    """By ensembles with scale and disagreement too, in a program that looks at its own peak."""
    grey = np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16)
    tiff.save(tmp_path / "i.ome.tif", Image(grey, axes, (1, 0.1, 0.1)))
    scales = {"scales": True} if members > 1 else {}
    architecture = NETWORKS[name] | {"ndim": len(axes)} | scales
    recipe, task = Recipe(loss="laplace" if scales else "mse"), Task(kind="denoise", axes=axes)
    networks = [net.build(**architecture, seed=seed) for seed in range(members)]
    several = tuple(Model(network, architecture, recipe, task) for network in networks)
    made = several[0] if members == 1 else Ensemble(several)
    assert len(list(predict.plan(made, (*[1] * (3 - len(shape)), *shape), 250_000_000))) > 1
    model.save(made, tmp_path / "m")
    limit = 800_000_000
    command = ["restore", tmp_path / "m", tmp_path / "i.ome.tif", "--out", tmp_path / "o.tif"]
    command += ["--spread"] if scales else []
    command += ["--tta"] if tta else []
    assert peak_bytes(*command, "--memory", limit) < limit


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="a system that does not tell a program's peak")
@pytest.mark.parametrize(
    ("kind", "axes", "shape"),
    [("denoise", "CYX", (4, 2200, 2200)), ("isotropic", "ZYX", (12, 700, 700))],
)
def test_the_limit_holds_while_integers_are_written(tmp_path, kind, axes, shape, peak_bytes):
    """By small networks, beside which reading and writing take the most."""
    grey = np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16)
    tiff.save(tmp_path / "i.ome.tif", Image(grey, axes, (1, 0.25, 0.25)))
    channels = shape[0] if axes[0] == "C" else 1
    architecture = {"name": "shuffle", "depth": 1, "first_filters": 8, "channels": channels}
    geometry = {"factor": 4.0, "step_um": 1.0, "pixel_um": 0.25} if kind == "isotropic" else {}
    task = Task(kind=kind, channels_in=channels, channels_out=channels, **geometry)
    made = Model(net.build(**architecture), architecture, Recipe(), task)
    space = (45, *shape[1:]) if kind == "isotropic" else (1, *shape[1:])
    assert len(list(predict.plan(made, space, 250_000_000))) > 1
    model.save(made, tmp_path / "m")
    limit = 800_000_000
    command = ["restore", tmp_path / "m", tmp_path / "i.ome.tif", "--out", tmp_path / "o.tif"]
    assert peak_bytes(*command, "--dtype", "uint16", "--memory", limit) < limit
