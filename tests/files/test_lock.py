"""One process at a time in a folder."""

import errno
import os
import threading

import pytest

from carescope.errors import OutputError
from carescope.files import lock

fcntl = pytest.importorskip("fcntl")


def refused_in_another_thread(folder):
    """What another thread is told that wants to work in a folder."""
    said = []

    def work():
        try:
            with lock.alone(folder):
                said.append("let in")
        except OutputError as error:
            said.append(str(error))

    other = threading.Thread(target=work)
    other.start()
    other.join()
    return said[0]


def test_whoever_comes_second_is_told_who_is_there(tmp_path):
    with lock.alone(tmp_path / "run"):
        said = refused_in_another_thread(tmp_path / "run")
        assert f"pid {os.getpid()} on" in said
        assert "--model" in said
        assert refused_in_another_thread(tmp_path / "other") == "let in"
    assert refused_in_another_thread(tmp_path / "run") == "let in"
    assert list((tmp_path / "run").iterdir()) == []


def test_who_is_there_may_enter_again(tmp_path):
    with lock.alone(tmp_path):
        with lock.alone(tmp_path):
            pass
        assert "pid" in refused_in_another_thread(tmp_path)


def test_an_error_lets_the_next_one_in(tmp_path):
    with pytest.raises(ZeroDivisionError), lock.alone(tmp_path):
        raise ZeroDivisionError
    assert refused_in_another_thread(tmp_path) == "let in"


@pytest.mark.parametrize("told", [False, True], ids=["here", "by another computer"])
def test_a_name_that_was_removed_meanwhile_is_made_anew(tmp_path, monkeypatch, told):
    """Between our opening and our locking the one before us may have gone, and its name too."""
    flock, calls = fcntl.flock, []

    def late(handle, how):
        calls.append(how)
        if len(calls) == 1:
            (tmp_path / lock.NAME).unlink()
            if told:
                raise OSError(errno.ESTALE, "stale file handle")
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with lock.alone(tmp_path):
        assert len(calls) == 2
        assert "pid" in refused_in_another_thread(tmp_path)


def test_who_leaves_removes_its_own_name_and_no_other(tmp_path):
    with lock.alone(tmp_path):
        (tmp_path / lock.NAME).unlink()
        (tmp_path / lock.NAME).write_text("another's")
    assert (tmp_path / lock.NAME).read_text() == "another's"


def test_a_file_system_without_locks_lets_everyone_in(tmp_path, monkeypatch):
    def unknown(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with lock.alone(tmp_path):
        assert refused_in_another_thread(tmp_path) == "let in"


def test_a_folder_that_cannot_be_written_is_an_error_of_ours(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"), lock.alone(tmp_path / "file"):
        pass
    (tmp_path / lock.NAME).mkdir()
    with pytest.raises(OutputError, match="cannot be written"), lock.alone(tmp_path):
        pass
