"""Intervals of a small ensemble, on tiny fields."""

import numpy as np
import pytest

from carescope.app.progress import Watch
from carescope.experiments import calibration

CASE = {"name": "ensemble 0", "seed": 0, "side": 96, "fields": [4, 3, 3], "members": 2}
CASE |= {"recipe": {"steps": 12, "batch_size": 4, "patch_px": 64, "steps_per_epoch": 4}}


@pytest.fixture(scope="module")
def rows(tmp_path_factory, one_thread):
    return calibration.measure(CASE, tmp_path_factory.mktemp("case"), Watch(quiet=True))


def test_less_light_is_less_light():
    usual, darker = (calibration.field(CASE, 0, darker=d).low.array() for d in (1, 8))
    above = [np.percentile(image, 99) - calibration.CAMERA.offset for image in (usual, darker)]
    assert above[0] > 2 * above[1]
    assert np.array_equal(calibration.field(CASE, 0).low.array(), usual)


def test_calibrated_intervals_keep_their_word_better(rows):
    errors = {
        r["scales"]: r["calibration_error"] for r in rows if r.get("network") == "one network"
    }
    assert errors["calibrated"] < errors["as predicted"]
    levels = [r["level"] for r in rows if "network" in r]
    assert len(levels) == 2 * 2 * 99


def test_disagreement_is_told_for_every_kind_of_image(rows):
    for kind in calibration.KINDS:
        tenths = [r for r in rows if r.get("images") == kind and "tenth" in r]
        assert [r["tenth"] for r in tenths] == list(range(1, 11))
        shares = [r["disagreement"] for r in tenths]
        assert shares == sorted(shares)


def test_it_is_shown(rows):
    coverage, kinds = calibration.tables(rows)
    assert [line[1] for line in coverage.rows] == 2 * ["as predicted", "calibrated"]
    assert len(kinds.rows) == 3
    assert len(calibration.notes(rows)) == 4
    assert calibration.draw(rows).startswith(b"\x89PNG")
