"""The command line, run in this process, and files to run it on."""

import hashlib
import io
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from carescope.app import cli
from carescope.write import tiff


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float


@pytest.fixture(autouse=True, scope="session")
def _ready(one_thread):
    import carescope.jobs.demo  # noqa: F401 - what takes a second to import, once


@pytest.fixture(scope="session")
def carescope():
    """Run a command line."""

    def carescope(*arguments):
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["carescope", *map(str, arguments)])
            began = time.monotonic()
            try:
                cli.main()
                code = 0
            except SystemExit as ending:
                code = ending.code or 0
            seconds = time.monotonic() - began
        return Ended(code, out.getvalue(), err.getvalue(), seconds)

    return carescope


@pytest.fixture
def contents():
    """What lies in a folder: every file with its hash."""

    def contents(folder):
        return {
            str(p.relative_to(folder)): p.is_file() and hashlib.sha256(p.read_bytes()).hexdigest()
            for p in folder.rglob("*")
        }

    return contents


@pytest.fixture
def refused(carescope, contents, tmp_path, monkeypatch):
    """A command is refused at once, in one sentence, and leaves everything as it was."""

    def never(*_, **__):
        pytest.fail("training began")

    monkeypatch.setattr("carescope.train.fit", never)

    def refused(code, *arguments):
        before = contents(tmp_path)
        ended = carescope(*arguments)
        assert ended.code == code, ended
        assert contents(tmp_path) == before
        assert ended.seconds < 2
        assert ended.out == ""
        assert "Traceback" not in ended.err
        return ended.err

    return refused


@pytest.fixture
def file(stack, tmp_path):
    """The small stack as OME-TIFF, 16 planes of 96 x 112 pixels, 0.8 x 0.2 x 0.2 um."""
    tiff.save(tmp_path / "nuclei.ome.tif", stack)
    return tmp_path / "nuclei.ome.tif"
