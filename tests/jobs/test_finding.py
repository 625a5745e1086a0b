"""Which images paths stand for: files, folders, patterns; each once, in the order people count."""

import pytest

from carescope.errors import InputError
from carescope.jobs.denoise import match
from carescope.jobs.finding import find_images, several


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Files in folders; names are given relative to where we are."""
    monkeypatch.chdir(tmp_path)
    for name in ("t10.tif", "t2.tif", "T1.TIF", "notes.txt", ".t3.tif", "b/t1.tif", "b/c/t4.tiff"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["."], ["T1.TIF", "t2.tif", "t10.tif"]),
        (["t*.tif"], ["t2.tif", "t10.tif"]),
        (["t?.tif", "t10.tif"], ["t2.tif", "t10.tif"]),
        (["t10.tif", "t*.tif", "."], ["t10.tif", "t2.tif", "T1.TIF"]),
        (["t[0-5].tif"], ["t2.tif"]),
        (["[bx]"], ["b/t1.tif"]),
        (["**/t*.tif*"], ["b/c/t4.tiff", "b/t1.tif", "t2.tif", "t10.tif"]),
        (["absent.tif"], ["absent.tif"]),
    ],
)
def test_what_is_found(there, given, names):
    found = find_images([there.__class__(path) for path in given])
    assert [str(path) for path in found] == names


def test_a_pattern_that_matches_nothing_is_named(there):
    with pytest.raises(InputError) as caught:
        find_images([there / "t2.tif", there / "*.png"])
    assert caught.value.where == str(there / "*.png")


def test_a_name_with_brackets_is_no_pattern_where_it_is_there(there):
    odd = there / "cell[1].tif"
    assert several(odd)
    odd.touch()
    assert not several(odd)
    assert find_images([odd]) == [odd]


def test_pairs_may_be_patterns(there):
    (there / "high").mkdir()
    for name in ("t2.tif", "t10.ome.tif"):
        (there / "high" / name).touch()
    found = match([there / "t*.tif"], there / "high").files
    assert [(a.name, b.name) for a, b in found] == [
        ("t2.tif", "t2.tif"),
        ("t10.tif", "t10.ome.tif"),
    ]
    assert match([there / "t2*"], there / "high" / "*2.tif").files[0][1].name == "t2.tif"
    (there / "high" / "t2.ome.tif").touch()
    with pytest.raises(InputError, match=r"same: .*t2\.tif.*, .*t2\.ome\.tif|t2\.ome\.tif, "):
        match([there / "t*.tif"], there / "high")


def test_links_to_one_file_are_files_of_their_own(tmp_path):
    """A target may be shared by links, which are matched by their names."""
    for name in ("low/a.tif", "low/b.tif", "high/a.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "high/b.tif").symlink_to(tmp_path / "high/a.tif")
    found = match([tmp_path / "low"], tmp_path / "high")
    assert [high.name for _, high in found.files] == ["a.tif", "b.tif"]
    assert found.lonely == []
    twice = [tmp_path / "high", tmp_path / "low" / ".." / "high" / "a.tif"]
    assert len(find_images(twice)) == 2
