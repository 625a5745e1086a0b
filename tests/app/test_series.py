"""Commands that make several files, killed in the middle: the same command goes on."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from carescope import Image, Recipe, model, net, read
from carescope.task import Task
from carescope.write import tiff

PROGRAM = "import sys; from carescope.app import cli; sys.argv[0] = 'carescope'; cli.main()"
COUNT = 6
SEEN = "[!.]*.tif"


@pytest.fixture
def restoring(tmp_path):
    """The words that restore six planes with their scales, and how many files that makes."""
    architecture = {"name": "shuffle", "depth": 2, "first_filters": 16, "scales": True}
    task = Task(kind="denoise", axes="YX")
    made = model.Model(net.build(**architecture), architecture, Recipe(loss="laplace"), task)
    model.save(made, tmp_path / "model")
    draw = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for number in range(COUNT):
        plane = Image(draw.random((512, 512), np.float32), "YX")
        tiff.save(tmp_path / "in" / f"{number}.ome.tif", plane)
    words = ["restore", tmp_path / "model", tmp_path / "in", "--spread"]
    return words, 2 * COUNT


@pytest.fixture
def simulating():
    words = ["simulate", "nuclei", "--shape", "48,128,128", "--count", COUNT]
    return words, 4 * COUNT


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["restoring", "simulating"])
def test_a_kill_costs_the_file_that_was_being_made(request, carescope, refused, tmp_path, verb):
    words, count = request.getfixturevalue(verb)
    out = tmp_path / "out"
    whole = [*map(str, words), "--out", str(out)]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *whole], stderr=subprocess.DEVNULL
    ) as program:
        until = time.monotonic() + 60
        while len(list(out.rglob(SEEN))) <= count // COUNT:  # those of the second begin to appear
            assert time.monotonic() < until
            time.sleep(0.002)
        program.send_signal(signal.SIGKILL)
    kept = {path: path.stat().st_mtime_ns for path in out.rglob(SEEN)}
    assert len(kept) < count
    refused(5, *whole, "--dtype", "int16")  # another command finds files that are not its own
    ended = carescope(*whole)
    assert ended.code == 0, ended.err
    made = {path: path.stat().st_mtime_ns for path in out.rglob(SEEN)}
    assert len(made) == count
    again = [path for path, changed in kept.items() if made[path] != changed]
    assert len(again) <= count // COUNT  # those that it was at
    assert not list(out.rglob(".*"))
    refused(5, *whole)
    assert carescope(*whole[:-1], tmp_path / "other").code == 0
    for path in made:
        once = read.open(tmp_path / "other" / path.relative_to(out))
        np.testing.assert_array_equal(read.open(path).array(), once.array())
