"""The race between programs: in turns, in environments of their own.

With CARESCOPE_PEERS, a folder of environments as `carescope bench speed` makes them, csbdeep and
careamics take part; without it carescope runs alone.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import zoom

from carescope import read
from carescope.app.progress import Watch
from carescope.engine import available
from carescope.errors import ModelError, UsageError
from carescope.experiments import peers, races, speed
from carescope.experiments.peers import process

OURS = "carescope, CARE, openvino bfloat16"
QUIET = Watch(quiet=True)
THERE = os.environ.get("CARESCOPE_PEERS")


SMALL = {"step_px": [32, 32], "tile_px": [64, 64]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Of a case, in which another run has left something."""
    if THERE is None:
        monkeypatch.setattr(peers, "REQUIREMENTS", {})
    monkeypatch.setitem(races.DIMENSIONS, "2D", SMALL)
    monkeypatch.setattr(process, "cores", lambda: 1)  # tests run side by side
    own = tmp_path / "a case"
    own.mkdir()
    (own / "left.txt").touch()
    return own


def rivals() -> int:
    return len(peers.REQUIREMENTS)


def case(part, **more):
    return {"work": "it", "part": part, "dims": "2D", "rounds": 2, "seed": 0} | more


def test_steps_of_training_are_timed_in_turns(folder):
    rows = speed.measure(case("step"), folder, QUIET)
    assert len(rows) == 2 + rivals()
    for row in rows:
        assert 0 < row["least_seconds"] <= row["seconds"] <= row["most_seconds"]
        assert row["peak_bytes"] is None or row["peak_bytes"] > 50e6
    assert not (folder / "left.txt").exists()


def test_tiles_are_held_against_matrix_products(folder):
    rows = {row["program"]: row for row in speed.measure(case("tile"), folder, QUIET)}
    product = rows["matrix product, float32"]
    assert product["operations_per_s"] == pytest.approx(2 * 2048**3 / product["seconds"])
    eager = rows["carescope, CARE, torch float32"]
    assert 0 < eager["share_of_product"] < 2
    # Convolutions of 5 x 5 counted by hand, operations for each pixel.
    first, middle, last = 32 + 32 * 32, 32 * 64 + 64 * 64, 64 * 128 + 128 * 64
    back = (128 * 64 + 64 * 32) / 4 + 64 * 32 + 32 * 32
    by_hand = 2 * 25 * (first + middle / 4 + last / 16 + back) + 2 * 32
    assert eager["operations_per_s"] * eager["seconds"] / 64**2 == pytest.approx(by_hand)


@pytest.mark.skipif(not available("openvino bfloat16"), reason="no bfloat16 here")
def test_stacks_go_from_file_to_file(folder):
    told = {"dims": "3D", "shape": [8, 64, 64], "engine": "openvino", "rounds": 1}
    rows = speed.measure(case("stack", **told), folder, QUIET)
    assert len(rows) == 2 + rivals()
    for row in rows:
        assert row["seconds"] > 0
        written = read.open(folder / row["program"] / "out.tif", axes="ZYX")
        assert written.shape == (8, 64, 64)
        assert np.isfinite(written.array()).all()
        if row["program"].startswith("carescope"):
            assert 0 < row["difference"] < 1e-2


@pytest.mark.skipif(not available("openvino bfloat16"), reason="no bfloat16 here")
@pytest.mark.parametrize("factor", [None, 4])
def test_stacks_go_plane_by_plane_and_coarse_ones_isotropically(folder, factor):
    told = {"shape": [6, 64, 64], "engine": "openvino"}
    told |= {"dims": "isotropic", "factor": factor} if factor else {}
    rows = speed.measure(case("stack", rounds=1, **told), folder, QUIET)
    assert len(rows) == 2 + ("csbdeep" in peers.REQUIREMENTS)
    planes = {None: (6, 6), 4: (24, 21)}[factor]
    for row in rows:
        written = read.open(folder / row["program"] / "out.tif", axes="ZYX")
        assert written.shape == (planes[row["program"] != "csbdeep"], 64, 64)
        assert row.get("difference", 0) < 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("program", ["carescope", *peers.REQUIREMENTS])
@pytest.mark.parametrize("part", ["learn", "learn_isotropic"])
def test_what_was_learnt_is_scored(folder, part, program):
    if program != "carescope" and THERE is None:
        pytest.skip("CARESCOPE_PEERS is not set")
    if (part, program) == ("learn_isotropic", "careamics"):
        pytest.skip("careamics does not restore isotropically")
    told = {"side": 128, "fields": [2, 1, 1], "count": 1, "seconds": 3.0, "patch_px": 64}
    (row,) = speed.measure(case(part, program=program, share=1.0, **told), folder, QUIET)
    assert 0 < row["nrmse"] < 0.5
    assert row["steps"] > 0
    assert row["trained_s"] > 2.5


def test_a_program_that_fails_is_named_with_its_last_word(folder):
    with pytest.raises(ModelError, match=r"carescope failed: KeyError: 'nothing'"):
        peers.once("carescope", Path(sys.executable), {"work": "nothing"}, folder)


def test_a_program_that_dies_between_turns_is_named(folder):
    job = {"work": "product", "side": 64, "type": "float32", "turns": 1, "warm_up": 1}
    with peers.Contestant("carescope", Path(sys.executable), job, folder) as contestant:
        assert contestant.turn() > 0
        contestant._process.kill()
        contestant._process.wait()
        with pytest.raises(ModelError, match="carescope failed: it "):
            contestant.turn()


def test_what_cannot_be_installed_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # nothing is asked over the network
    monkeypatch.setitem(peers.REQUIREMENTS, "csbdeep", ("carescope-that-is-not-there==0.0",))
    said = []
    with pytest.raises(UsageError, match="csbdeep cannot be installed"):
        peers.python_of("csbdeep", tmp_path, said.append)
    assert len(said) == 1
    assert not (tmp_path / "csbdeep" / "installed").exists()


def test_planes_of_csbdeep_are_scored_where_it_puts_them():
    truth = np.sin(np.arange(32.0) / 6)[:, None, None] * np.ones((1, 4, 4))
    theirs = zoom(truth[::8], (8, 1, 1), order=1)
    target, _ = races._at_same_planes(truth, theirs, "csbdeep")
    np.testing.assert_allclose(target[[0, -1]], theirs[[0, -1]], atol=1e-2)
    assert np.abs(target - theirs).max() < 0.25 < np.abs(truth - theirs).max()
    target, restored = races._at_same_planes(truth, truth[:25], "carescope")
    np.testing.assert_array_equal(target, restored)


def timed(program, seconds, **more):
    spread = {"least_seconds": seconds, "most_seconds": seconds, "peak_bytes": 10**9}
    return {"work": "a tile, 2D", "program": program, "seconds": seconds} | spread | more


def test_results_are_told_beside_csbdeep():
    rows = [
        timed(OURS, 0.5, share_of_product=0.7, operations_per_s=1e12),
        timed("csbdeep", 2.0),
        timed("matrix product, bfloat16", 0.1, operations_per_s=1.4e12),
    ]
    for program, seconds, error in (("carescope", 3.0, 0.04), ("csbdeep", 9.0, 0.05)):
        learnt = {"work": "denoising", "program": program, "share": 1.0, "trained_s": seconds}
        rows.append(learnt | {"steps": 5, "peak_bytes": None, "nrmse": error, "ssim": 0.5})
    first, second = speed.tables(rows)
    assert [line[4] for line in first.rows] == ["4.0", "1.0", ""]
    assert first.rows[0][7] == "70 %"
    assert len(second.rows) == 2
    assert "was reached in 0.33 of its time" in speed.notes(rows)[0]
    assert speed.draw(rows).startswith(b"\x89PNG")
