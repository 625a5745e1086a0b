"""Error against dose, on tiny volumes."""

import pytest

from carescope.app.progress import Watch
from carescope.experiments import dose

TINY = {
    "seed": 0,
    "shape": [16, 64, 64],
    "volumes": [1, 1, 2],
    "pixels": 2**12,
    "recipe": {"steps": 2, "batch_size": 2, "patch_px": 32, "patch_planes": 8},
    "skip": ["bm3d", "bm4d", "bilateral", "non-local means", "total variation"],
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory, one_thread):
    made = []
    for name in ("C1", "C3"):
        case = TINY | {"name": name, "less_light": dose.LESS_LIGHT[name]}
        made += dose.measure(case, tmp_path_factory.mktemp(name), Watch(quiet=True))
    return made


def mean(rows, key, **wanted):
    found = [r[key] for r in rows if all(r[k] == v for k, v in wanted.items())]
    return sum(found) / len(found)


def test_the_doses_are_those_of_the_paper():
    assert [case["name"] for case in dose.cases(False, 0)] == ["C1", "C2", "C3"]
    enough = 2.31 * 30
    for (power, time), less in zip(
        ((0.12, 20), (0.12, 10), (0.05, 10)), dose.LESS_LIGHT.values(), strict=True
    ):
        assert enough / (power * time) == pytest.approx(less, rel=0.01)


def test_less_light_is_a_larger_error_and_filters_help(rows):
    dim, dimmer = (mean(rows, "nrmse", condition=c, method="input") for c in ("C1", "C3"))
    assert dimmer > 1.5 * dim
    for condition in ("C1", "C3"):
        plain, filtered = (
            mean(rows, "nrmse", condition=condition, method=m) for m in ("input", "low-pass")
        )
        assert filtered < 0.6 * plain


def test_nuclei_are_found_best_without_noise(rows):
    assert mean(rows, "seg", condition="C3", method="truth") > 0.6
    assert mean(rows, "seg", method="truth") >= mean(rows, "seg", method="input")


def test_it_is_shown(rows):
    (table,) = dose.tables(rows)
    assert len(table.rows) == 2 * 5
    assert sum("†" in line[1] for line in table.rows) == 2
    assert any("NRMSE, carescope less" in said for said in dose.notes(rows))
    assert dose.draw(rows).startswith(b"\x89PNG")
