"""Cells found by a random forest, in tiny tissue."""

import importlib.util

import numpy as np
import pytest

from carescope.app.progress import Watch
from carescope.errors import UsageError
from carescope.experiments import drosophila

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
CASE = {"seed": 0, "side": 56, "stacks": [1, 1], "trees": 5}
CASE |= {"recipe": {"steps": 1, "batch_size": 2, "patch_px": 32}}


def test_without_scikit_learn_nothing_begins(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="scikit-learn") as refused:
        drosophila.EXPERIMENT.cases(False, 0)
    assert "carescope[bench]" in str(refused.value)


@pytest.mark.parametrize("stain", ["nuclei", "membranes"])
def test_cells_lie_where_the_truth_shows_them(stain):
    one = drosophila.tissue(CASE | {"name": stain}, 0)
    assert one.labels.shape == one.truth.shape
    inside = one.truth[one.labels > 0].mean()
    outside = one.truth[one.labels == 0].mean()
    assert (inside > outside) == (stain == "nuclei")
    sizes = np.bincount(one.labels.ravel())[1:]
    assert sizes[sizes > 0].min() >= drosophila.LEAST_VOXELS


def test_a_forest_finds_cells_of_another_volume(tmp_path, one_thread):
    rows = drosophila.measure(CASE | {"name": "nuclei"}, tmp_path, Watch(quiet=True))
    assert [row["method"] for row in rows] == ["bicubic", "restored", "truth"]
    assert rows[2]["unmatched_percent"] < 15
    assert rows[2]["unmatched_percent"] < rows[0]["unmatched_percent"]
    (table,) = drosophila.tables(rows)
    assert [line[1] for line in table.rows] == ["bicubic", "restored†", "truth"]
    assert drosophila.draw(rows).startswith(b"\x89PNG")
