"""Words made of rows, and box plots."""

import io
import math

import numpy as np
import pytest
from PIL import Image as Picture

from carescope.experiments.numbers import among, mean_and_spread, paired, several
from carescope.report.boxes import Boxes, boxes

ROWS = [{"image": n, "method": m, "db": n + (m == "new")} for n in range(9) for m in ("old", "new")]


def test_rows_are_chosen_by_their_columns():
    assert [row["db"] for row in among(ROWS, method="new", image=3)] == [4]
    assert among(ROWS, method="none") == []


def test_a_mean_has_its_spread_where_there_are_several():
    rows = [{"db": 1.0}, {"db": 3.0}, {"db": None}, {}, {"db": math.nan}]
    assert mean_and_spread(rows, "db", 1) == "2.0 ± 1.4"
    assert mean_and_spread(rows[:1], "db", 2) == "1.00"
    assert mean_and_spread([], "db", 2) == "–"
    assert several(1, "stack") == "1 stack"
    assert several(3, "stack") == "3 stacks"


def test_methods_are_compared_image_by_image():
    new, old = (among(ROWS, method=m) for m in ("new", "old"))
    said = paired(new, old, "db", "dB", on="image")
    assert said.startswith("+1.00 dB on average, with this sign in 9 of 9")
    assert "p = 0.0039" in said  # the least that nine pairs can give: 2 / 2^9
    assert "-1.00 dB" in paired(old, new, "db", "dB", on="image")
    assert "too few" in paired(new[:3], old, "db", "dB", on="image")
    assert paired(new, [], "db", "dB", on="image") == "not measured."


def coloured(png, colour):
    """How many pixels of a picture have a colour, of six hexadecimal digits."""
    pixels = np.asarray(Picture.open(io.BytesIO(png)).convert("RGB"), int)
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return int((np.abs(pixels - wanted).sum(axis=-1) < 30).sum())


@pytest.mark.parametrize("count", [1, 3, 20])
def test_restorations_stand_out_among_the_boxes(count):
    values = np.linspace(1, 2, count)
    plot = Boxes("error", "dB", {"dark": {"input": values, "ours": [*values, math.nan]}})
    assert coloured(boxes([plot], ours=["ours"]), "#c1440e") > 100
    assert coloured(boxes([plot]), "#c1440e") == 0


def test_a_method_may_be_missing_in_a_group():
    plot = Boxes("error", "dB", {"dark": {"input": [1, 2]}, "bright": {"input": [], "truth": [3]}})
    assert boxes([plot, plot], width_in=4.2).startswith(b"\x89PNG")
