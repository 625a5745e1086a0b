"""A limit on memory: kept by the whole program, or refused with what it takes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from carescope import Image, Recipe, model, net, predict
from carescope.app.options import size_bytes
from carescope.errors import OutOfMemoryError
from carescope.model import Model
from carescope.predict import memory
from carescope.task import Task
from carescope.write import tiff

SOURCE = Path(__file__).parents[2] / "src"
STATUS = Path("/proc/self/status")
# Not getrusage, whose maximum is that of whoever started the program.
PROGRAM = """
import sys
from pathlib import Path
from carescope.app import cli
sys.argv = ["carescope", *sys.argv[1:]]
try:
    cli.main()
finally:
    status = Path("/proc/self/status").read_text()
    print("peak", 1024 * int(status.split("VmHWM:")[1].split()[0]))
"""


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
        memory.left(10_000_000)
    assert 0 < predict.left(1 << 40) < 1 << 40


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="a system that does not tell a program's peak")
@pytest.mark.parametrize("axes", ["YX", "ZYX"])
def test_the_limit_holds(tmp_path, axes):
    shape = {"YX": (3000, 3000), "ZYX": (24, 400, 400)}[axes]
    grey = np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16)
    tiff.save(tmp_path / "i.ome.tif", Image(grey, axes, (1, 0.1, 0.1)))
    architecture = {"name": "shuffle", "ndim": len(axes), "depth": 1, "first_filters": 16}
    task = Task(kind="denoise", axes=axes)
    model.save(Model(net.build(**architecture), architecture, Recipe(), task), tmp_path / "m")
    limit = 800_000_000
    command = ["restore", tmp_path / "m", tmp_path / "i.ome.tif", "--out", tmp_path / "o.tif"]
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, command), "--memory", str(limit)],
        env={"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    peak = int(ended.stdout.split("peak")[1])
    assert peak < limit
