"""A volume goes from OME-Zarr to OME-Zarr in less memory than it has."""

from pathlib import Path

import numpy as np
import pytest

import carescope as cs
from carescope import Image, Recipe, model, net
from carescope.model import Model
from carescope.task import Task

SOURCE = Path(__file__).parents[2] / "src"
STATUS = Path("/proc/self/status")


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="a system that does not tell a program's peak")
def test_the_limit_holds_for_more_pixels_than_it_has_room_for(tmp_path, peak_bytes):
    limit = 600_000_000
    # 350 MB come in and out, where torch alone takes 300 of the 600.
    grey = np.random.default_rng(0).integers(0, 4000, (14, 2048, 2048), np.uint16)
    cs.save(tmp_path / "i.zarr", Image(grey, "ZYX", (1, 0.1, 0.1)))
    architecture = {"name": "shuffle", "depth": 1, "first_filters": 4}
    network = net.build(**architecture)
    model.save(
        Model(network, architecture, Recipe(), Task(kind="denoise", axes="YX")), tmp_path / "m"
    )
    command = ["restore", tmp_path / "m", tmp_path / "i.zarr", "--out", tmp_path / "o.zarr"]
    assert peak_bytes(*command, "--memory", limit) < limit
    assert cs.open(tmp_path / "o.zarr").shape == grey.shape
