"""Room on the disk, really taken for a moment; and what killed processes leave."""

import errno
import os

import pytest

from carescope.errors import OutputError
from carescope.files import atomic


@pytest.mark.parametrize("by_writing", [False, True])
def test_room_is_taken_and_given_back(tmp_path, monkeypatch, by_writing):
    if by_writing:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    unlink, sizes = atomic.Path.unlink, []

    def weigh(path, *arguments, **options):
        sizes.append((path.stat().st_size, path.stat().st_blocks * 512))
        unlink(path, *arguments, **options)

    monkeypatch.setattr(atomic.Path, "unlink", weigh)
    atomic.check_room(tmp_path, [200_000, 0, 300_000])
    assert [size for size, _ in sizes] == [200_000, 0, 300_000]
    assert all(taken >= size for size, taken in sizes)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    sizes = []

    def full(_handle, _start, size):
        sizes.append(size)
        if len(sizes) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OutputError, match=r"9 MB that will be needed .*no space left") as refused:
        atomic.check_room(tmp_path, [3_000_000] * 3)
    assert refused.value.where == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_has_no_room(tmp_path):
    with pytest.raises(OutputError, match="no such file"):
        atomic.check_room(tmp_path / "absent", [1])


def test_only_unfinished_files_of_the_kinds_named_are_swept_away(tmp_path):
    there = [".partial-0a.safetensors", ".partial-0b.ome.tif", "model.json", ".hidden.json"]
    for name in [*there, ".partial-0c.json"]:
        (tmp_path / name).write_text("")
    atomic.sweep(tmp_path, ".safetensors", ".json")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(there[1:])
