"""A file has its final name only when it is complete."""

import errno
import hashlib
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carescope.errors import InputError, OutputError
from carescope.files.atomic import check_writable, write_bytes, write_text, writing
from carescope.files.hashes import sha256


def test_nothing_has_the_final_name_before_the_end(tmp_path):
    target = tmp_path / "a.ome.tif"
    with writing(target) as temporary:
        temporary.write_bytes(b"half")
        assert not target.exists()
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(".ome.tif")
    assert target.read_bytes() == b"half"
    assert os.listdir(tmp_path) == ["a.ome.tif"]


def _write_and_raise(path, error):
    path.write_text("new")
    raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_write_leaves_what_was_there(tmp_path, error):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(error), writing(target, overwrite=True) as temporary:
        _write_and_raise(temporary, error)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_disk_that_fills_up_is_an_output_error(tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
        pytest.raises(OutputError, match="no space left") as caught,
        writing(tmp_path / "a.txt") as temporary,
    ):
        _write_and_raise(temporary, full)
    assert caught.value.exit_code == 5
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("attempt", [check_writable, lambda p: write_text(p, "new")])
def test_an_existing_file_is_refused_unless_overwriting(tmp_path, attempt):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(OutputError, match="--overwrite"):
        attempt(target)
    assert target.read_text() == "old"
    write_text(target, "newer", overwrite=True)
    assert target.read_text() == "newer"


def test_a_name_taken_meanwhile_is_not_overwritten(tmp_path):
    target = tmp_path / "a.txt"
    with pytest.raises(OutputError, match="exists already"), writing(target):
        target.write_text("theirs")
    assert target.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_system_without_links_works_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    write_text(tmp_path / "a.txt", "text")
    assert (tmp_path / "a.txt").read_text() == "text"
    with pytest.raises(OutputError, match="exists already"):
        write_text(tmp_path / "a.txt", "again")


@pytest.mark.parametrize("attempt", [check_writable, lambda p: write_bytes(p, b"x")])
@pytest.mark.parametrize(
    ("name", "message"),
    [("folder", "is a folder"), ("absent/a.tif", "no folder"), ("x" * 300, "cannot be written")],
)
def test_impossible_destinations_are_refused_in_time(tmp_path, attempt, name, message):
    (tmp_path / "folder").mkdir()
    start = time.monotonic()
    with pytest.raises(OutputError, match=message) as caught:
        attempt(tmp_path / name)
    assert time.monotonic() - start < 1
    assert caught.value.remedy
    assert os.listdir(tmp_path) == ["folder"]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    check_writable(tmp_path / "a.tif")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OutputError, match="read-only file system"):
        check_writable(tmp_path / "a.tif")


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs Linux's /proc")
def test_a_really_read_only_folder_is_refused():
    with pytest.raises(OutputError, match="cannot be written"):
        check_writable(Path("/proc/a.tif"))


def test_a_symbolic_link_is_followed(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_text(tmp_path / "link.txt", "new", overwrite=True)
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX's")
def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


@given(content=st.binary(max_size=2000))
def test_sha256_is_that_of_the_content(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("hash") / "file"
    path.write_bytes(content)
    assert sha256(path) == hashlib.sha256(content).hexdigest()


def test_sha256_of_an_absent_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        sha256(tmp_path / "absent")
