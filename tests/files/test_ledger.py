"""A ledger keeps whole notes through any interruption, and knows its job."""

import json

import pytest

from carescope.errors import OutputError
from carescope.files import ledger

JOB = {"model": "a", "size": (3, 4)}


def test_what_was_noted_is_there_again(tmp_path):
    with ledger.working(tmp_path / "w", JOB) as book:
        assert book.notes == {}
        book.note("block 1", 3)
        book.note("block 2")
        assert "block 1" in book
    assert ledger.begun_in(tmp_path / "w") == (
        {"model": "a", "size": [3, 4]},
        {"block 1": 3, "block 2": None},
    )
    with ledger.working(tmp_path / "w", JOB) as book:
        assert book.notes == {"block 1": 3, "block 2": None}
        assert book.discarded == []


def test_a_line_cut_anywhere_is_as_if_never_written(tmp_path):
    with ledger.working(tmp_path, JOB) as book:
        book.note("block 1", [1.5, 2])
        book.note("block 2", 7)
    whole = (tmp_path / ledger.NAME).read_bytes()
    lines = whole.splitlines(keepends=True)
    for length in range(len(whole)):
        (tmp_path / ledger.NAME).write_bytes(whole[:length])
        with ledger.working(tmp_path, JOB) as book:
            left = [json.loads(n) for n in lines[1:] if whole.index(n) + len(n) <= length]
            assert book.notes == dict(left)
            book.note("more", length)
        with ledger.working(tmp_path, JOB) as book:
            assert book.notes == dict([*left, ["more", length]])


def test_another_job_is_refused_or_discarded_by_name(tmp_path):
    with ledger.working(tmp_path, JOB) as book:
        book.note("block 1")
        (tmp_path / "mean").mkdir()
    with (
        pytest.raises(OutputError, match=r"with another size.*--overwrite"),
        ledger.working(tmp_path, JOB | {"size": (3, 5)}),
    ):
        pass
    with ledger.working(tmp_path, JOB | {"model": "b"}, overwrite=True) as book:
        assert book.discarded == ["model"]
        assert book.notes == {}
        assert not (tmp_path / "mean").exists()
    assert ledger.begun_in(tmp_path)[0]["model"] == "b"


def test_nothing_begun_is_nothing(tmp_path):
    assert ledger.begun_in(tmp_path) is None
    (tmp_path / ledger.NAME).write_text("nonsense\n")
    assert ledger.begun_in(tmp_path) is None
