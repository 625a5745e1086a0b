"""``carescope bench``: what it lists, what it refuses, what it prints."""

import json

import pytest

from carescope import experiments
from carescope.experiments import Experiment, Table


@pytest.fixture
def quick(monkeypatch):
    """An experiment that takes no time, among the others."""
    made = Experiment(
        name="quick",
        title="Is it quick?",
        source="no paper",
        cases=lambda full, seed: [{"name": "one", "seed": seed, "full": full}],
        measure=lambda case, folder, watch: [{"seed": case["seed"], "_hidden": [1, 2]}],
        tables=lambda rows: [Table("Seeds.", ("seed",), [[str(rows[0]["seed"])]])],
        draw=lambda rows: b"PNG",
    )
    monkeypatch.setattr(experiments, "named", lambda name: made)
    return made


def test_alone_it_lists_the_experiments(carescope):
    told = carescope("bench")
    assert told.code == 0
    assert len(told.out.splitlines()) == len(experiments.NAMES)
    listed = json.loads(carescope("bench", "--json").out)
    assert list(listed) == list(experiments.NAMES)


def test_an_unknown_one_is_refused_by_name(carescope):
    ended = carescope("bench", "table2", "--out", "x")
    assert ended.code == 2
    assert "table2" in ended.err
    assert "isonet-table1" in ended.err


def test_it_asks_for_a_folder_before_any_work(carescope, quick):
    ended = carescope("bench", "quick")
    assert ended.code == 2
    assert "--out" in ended.err


def test_it_prints_the_table_and_writes_three_files(carescope, quick, tmp_path):
    ended = carescope("bench", "quick", "--out", tmp_path / "made", "--seed", 7)
    assert ended.code == 0, ended.err
    assert "| 7 |" in ended.out
    assert sorted(p.name for p in (tmp_path / "made").iterdir()) == [
        "quick.csv",
        "quick.md",
        "quick.png",
    ]
    page = (tmp_path / "made" / "quick.md").read_text()
    assert "carescope bench quick --out" in page
    again = carescope("bench", "quick", "--out", tmp_path / "made")
    assert again.code == 5
    assert "--overwrite" in again.err


def test_json_has_the_rows_without_what_only_the_figure_needs(carescope, quick, tmp_path):
    ended = carescope("bench", "quick", "--out", tmp_path, "--full", "--json")
    facts = json.loads(ended.out)
    assert facts["rows"] == [{"seed": 0}]
    assert facts["rows not converged"] == 0
    assert ended.err == ""
