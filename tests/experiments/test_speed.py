"""The race between programs: in turns, in environments of their own.

With CARESCOPE_PEERS, a folder of environments as `carescope bench speed` makes them, csbdeep and
careamics take part; without it carescope runs alone.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from carescope.app.progress import Watch
from carescope.errors import ModelError, UsageError
from carescope.experiments import peers, races, speed
from carescope.experiments.peers import process

OURS = "carescope, CARE, openvino bfloat16"
QUIET = Watch(quiet=True)
THERE = os.environ.get("CARESCOPE_PEERS")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Of a case, beside which environments are looked for."""
    if THERE:
        (tmp_path / "environments").symlink_to(THERE)
    else:
        monkeypatch.setattr(peers, "REQUIREMENTS", {})
    monkeypatch.setattr(process, "threads", lambda: 1)  # tests run side by side
    own = tmp_path / "case-0"
    own.mkdir()
    return own


def rivals() -> int:
    return len(peers.REQUIREMENTS)


def case(part, **more):
    return {"name": "it", "part": part, "dims": "2D", "rounds": 2, "seed": 0} | more


def test_steps_of_training_are_timed_in_turns(folder):
    rows = speed.measure(case("step"), folder, QUIET)
    assert len(rows) == 2 + rivals()
    for row in rows:
        assert 0 < row["least_seconds"] <= row["seconds"] <= row["most_seconds"]
        assert row["peak_bytes"] is None or row["peak_bytes"] > 50e6


def test_tiles_are_held_against_matrix_products(folder):
    rows = {row["program"]: row for row in speed.measure(case("tile"), folder, QUIET)}
    product = rows["matrix product, float32"]
    assert product["operations_per_s"] == pytest.approx(2 * 2048**3 / product["seconds"])
    eager = rows["carescope, CARE, torch float32"]
    assert 0.05 < eager["share_of_product"] < 1.5
    # 32 and 64 features of 5 x 5, by hand: about 0.35 million operations a pixel
    work = eager["operations_per_s"] * eager["seconds"] / 512**2
    assert 1e5 < work < 1e6


def test_stacks_go_from_file_to_file(folder):
    rows = speed.measure(case("stack", dims="3D", shape=[8, 64, 64]), folder, QUIET)
    assert len(rows) == 2 + rivals()
    assert all(row["difference"] < 1e-2 for row in rows if row["program"].startswith("carescope"))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["learn", "learn_isotropic"])
def test_what_was_learnt_is_scored(folder, part):
    told = {"side": 128, "fields": [2, 1, 1], "count": 1, "seconds": 3.0}
    rows = speed.measure(case(part, **told), folder, QUIET)
    ours = [row for row in rows if row["program"] == "carescope"]
    assert [row["share"] for row in ours] == list(races.SHARES)
    assert all(0 < row["nrmse"] < 0.5 and row["steps"] > 0 for row in rows)


def test_a_program_that_fails_is_named_with_its_last_word(folder):
    with pytest.raises(ModelError, match=r"carescope failed: KeyError: 'nothing'"):
        peers.once("carescope", Path(sys.executable), {"work": "nothing"}, folder)


def test_what_cannot_be_installed_is_said(tmp_path):
    said = []
    with pytest.raises(UsageError, match="csbdeep cannot be installed"):
        peers.python_of("csbdeep", tmp_path, said.append, ("carescope-that-is-not-there==0.0",))
    assert len(said) == 1
    assert not (tmp_path / "csbdeep" / "installed").exists()


def test_planes_of_csbdeep_are_scored_where_it_puts_them():
    truth = np.broadcast_to(np.arange(32.0)[:, None, None], (32, 4, 4))
    theirs = np.linspace(0, 24, 32)[:, None, None] * np.ones((1, 4, 4))
    target, restored = races._at_same_planes(truth, theirs, "csbdeep")
    np.testing.assert_allclose(target[4:-4], restored[4:-4], atol=1e-2)  # splines bend at ends
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
    for program, share, error in (("carescope", 1 / 3, 0.04), ("csbdeep", 1, 0.05)):
        learnt = {"work": "denoising", "program": program, "share": share, "trained_s": 9.0}
        rows.append(learnt | {"steps": 5, "peak_bytes": None, "nrmse": error, "ssim": 0.5})
    first, second = speed.tables(rows)
    assert [line[4] for line in first.rows] == ["4.0", "1.0", ""]
    assert first.rows[0][7] == "70 %"
    assert len(second.rows) == 2
    assert "was reached in 1/3 of its time" in speed.notes(rows)[0]
    assert speed.draw(rows).startswith(b"\x89PNG")
