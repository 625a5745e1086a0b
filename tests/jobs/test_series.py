"""Files made one after the other: what was finished before an interruption is not made again."""

import pytest

from carescope.errors import OutputError
from carescope.jobs.series import Series

JOB = {"command": "make three", "numbers": (1, 2)}
NAMES = ("a", "b", "c")


def make(folder, *, fails=None, of="", job=JOB):
    """Two files for each name; those that were made, and what is told of each."""
    made, told = [], []
    series = Series(folder, job)
    with series.underway():
        for name in NAMES:

            def write(ours, name=name):
                for kind in ("one", "two"):
                    path = folder / kind / name
                    path.parent.mkdir(exist_ok=True)
                    with path.open("w" if ours else "x"):
                        pass
                    if fails == name:
                        raise KeyboardInterrupt
                made.append(name)
                return {"number": NAMES.index(name)}

            files = [folder / kind / name for kind in ("one", "two")]
            told.append(series.once(files, write, of)["number"])
    return made, told


def test_all_are_made_once_and_nothing_else_is_left(tmp_path):
    assert make(tmp_path / "new") == (list(NAMES), [0, 1, 2])
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["one", "two"]
    with pytest.raises(FileExistsError):  # a finished command knows nothing any more
        make(tmp_path / "new")


def test_after_an_interruption_the_same_command_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, fails="b")
    begun = Series(tmp_path, JOB)
    assert begun.finished() == 1
    assert begun.ours() == {tmp_path / kind / name for kind in ("one", "two") for name in "ab"}
    another = Series(tmp_path, JOB | {"numbers": [1, 3]})
    assert another.ours() == set()
    assert another.finished() == 0
    with pytest.raises(FileExistsError):
        make(tmp_path, job={"command": "another"})
    assert make(tmp_path) == (["b", "c"], [0, 1, 2])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "two"]


@pytest.mark.parametrize("change", ["removed", "of something else"])
def test_what_is_gone_or_was_made_of_something_else_is_made_again(tmp_path, change):
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, fails="c")
    if change == "removed":
        (tmp_path / "two" / "a").unlink()
        assert make(tmp_path)[0] == ["a", "c"]
    else:
        assert make(tmp_path, of="else")[0] == ["a", "b", "c"]


def test_where_there_is_no_file_nothing_is_left(tmp_path):
    series = Series(tmp_path / "new", JOB)
    with pytest.raises(OutputError), series.underway():
        raise OutputError("full")
    assert list(tmp_path.iterdir()) == []
